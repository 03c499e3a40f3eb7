"""Making a model and its parameters, and taking trees of them apart by path."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from mmae_jax.models.draws import Draw, Recording
from mmae_jax.models.model import Model
from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment

HEADS = "heads"
"""Top-level name of the parameters of all heads; the other names there are the encoder's."""


# Tracing a model's constructor takes half a second, and a start asks for its structure many times.
@functools.lru_cache(maxsize=16)
def abstract_model(experiment: Experiment) -> tuple[nnx.GraphDef[Model], nnx.State]:
    """Returns the structure of an experiment's model, and its parameters as shapes and dtypes; computes nothing."""
    return _split(nnx.eval_shape(lambda: Model(experiment, rngs=Recording())))


@functools.lru_cache(maxsize=16)
def random_leaves(experiment: Experiment) -> Mapping[Path, tuple[int, Draw]]:
    """Returns, by path, how each random parameter is drawn, and the number of its key; computes nothing."""
    found: dict[Path, tuple[int, Draw]] = {}

    def make() -> None:
        rngs = Recording()
        params = by_path(_split(Model(experiment, rngs=rngs))[1])
        number = {id(array): index for index, array in enumerate(rngs.arrays)}
        order = {path: number[id(array)] for path, array in params.items() if id(array) in number}
        found.update({path: (index, rngs.draws[index]) for path, index in order.items()})

    jax.eval_shape(make)
    return types.MappingProxyType(found)


def constant_leaves(experiment: Experiment) -> dict[Path, jax.Array]:
    """Returns, by path, the parameters that are not random; to be traced as `init_params`."""
    random = random_leaves(experiment)
    params = by_path(_split(Model(experiment, rngs=Recording()))[1])
    return {path: array for path, array in params.items() if path not in random}


def init_params(experiment: Experiment, key: jax.Array) -> nnx.State:
    """Returns freshly drawn parameters; to be traced by `jax.jit`, so that every leaf is made where it stays."""
    return _split(Model(experiment, rngs=nnx.Rngs(key)))[1]


def _split(model: Model) -> tuple[nnx.GraphDef[Model], nnx.State]:
    """Takes a model apart; the encoder's parameters stand at the top level, `heads` beside them."""
    graph, state = nnx.split(model)
    flat = [(path[1:] if path[0] == "encoder" else path, leaf) for path, leaf in nnx.to_flat_state(state)]
    return graph, nnx.from_flat_state(flat)


def merge(graph: nnx.GraphDef[Model], params: nnx.State) -> Model:
    """Returns the model of a structure and parameters of `abstract_model`."""
    flat = [(path if path[0] == HEADS else ("encoder", *path), leaf) for path, leaf in nnx.to_flat_state(params)]
    return nnx.merge(graph, nnx.from_flat_state(flat))


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
