"""Making a model and its parameters, and taking trees of them apart by path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from mmae_jax.models.mmae import MMAE
from mmae_jax.spec import Experiment

Path = tuple[Any, ...]


def abstract_model(experiment: Experiment) -> tuple[nnx.GraphDef[MMAE], nnx.State]:
    """Returns the structure of an experiment's model, and its parameters as shapes and dtypes; computes nothing."""
    model = nnx.eval_shape(lambda: MMAE(experiment, rngs=nnx.Rngs(0)))
    graph, params = nnx.split(model)
    return graph, params


def init_params(experiment: Experiment, key: jax.Array) -> nnx.State:
    """Returns freshly drawn parameters; to be traced by `jax.jit`, so that every leaf is made where it stays."""
    return nnx.split(MMAE(experiment, rngs=nnx.Rngs(key)))[1]


def by_path(params: nnx.State) -> dict[Path, jax.Array]:
    """Returns path → array (or shape) of every parameter."""
    return {
        path: leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf for path, leaf in nnx.to_flat_state(params)
    }


def from_paths(arrays: Mapping[Path, np.ndarray | jax.Array], like: nnx.State) -> nnx.State:
    """Returns parameters structured as `like` with the arrays of `by_path`."""
    flat = [(path, leaf.replace(arrays[path])) for path, leaf in nnx.to_flat_state(like)]
    return nnx.from_flat_state(flat)


def named(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their dotted path; the form in which checkpoints hold it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def unnamed(leaves: dict[str, Any], like: Any) -> Any:
    """Returns a tree structured as `like` with the leaves of `named`."""
    return jax.tree.unflatten(jax.tree.structure(like), [leaves[name] for name in named(like)])
