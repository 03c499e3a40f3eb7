"""New parameters: one compiled program for all that are drawn alike, each made where it stays."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from mmae_jax import parallel
from mmae_jax.models.draws import Draw
from mmae_jax.models.params import Path, abstract_model, by_path, constant_leaves, from_paths, random_leaves
from mmae_jax.spec import Experiment

COMPILING_THREADS = 16


class Alike(NamedTuple):
    """What parameters that one program draws have in common; the bound is an argument."""

    kind: str
    shape: tuple[int, ...]
    sharding: jax.sharding.Sharding

    @classmethod
    def of(cls, draw: Draw, sharding: jax.sharding.Sharding) -> Alike:
        """Returns what the program of a parameter depends on."""
        return cls(draw.kind, draw.shape, sharding)


def new_params(experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns freshly drawn parameters, each made where it stays: the numbers of `init_params`, bit by bit."""
    abstract = abstract_model(experiment)[1]
    shardings, leaves = _shardings(experiment, mesh), random_leaves(experiment)
    lowered = drawing(experiment, mesh)
    with ThreadPoolExecutor(COMPILING_THREADS) as pool:
        programs = dict(zip(lowered, pool.map(jax.stages.Lowered.compile, lowered.values()), strict=True))
    key = jax.random.key(experiment.seed)
    arrays = {
        path: programs[Alike.of(draw, shardings[path])](key, np.uint32(index), np.float32(draw.bound))
        for path, (index, draw) in leaves.items()
    }
    return from_paths(arrays | programs[None](), abstract)


def drawing(experiment: Experiment, mesh: jax.sharding.Mesh) -> dict[Alike | None, jax.stages.Lowered]:
    """Returns the programs that make new parameters: one for all that are drawn alike, under None that of constants.

    In one program for all parameters every draw would be compiled by itself, which takes longer than drawing.
    """
    shardings = _shardings(experiment, mesh)
    leaves = random_leaves(experiment)
    constants = {path: sharding for path, sharding in shardings.items() if path not in leaves}
    make = functools.partial(constant_leaves, experiment)
    lowered: dict[Alike | None, jax.stages.Lowered] = {None: jax.jit(make, out_shardings=constants).lower()}
    for path, (index, draw) in leaves.items():
        alike = Alike.of(draw, shardings[path])
        if alike not in lowered:
            program = jax.jit(functools.partial(_drawn, draw), out_shardings=alike.sharding)
            lowered[alike] = program.lower(jax.random.key(0), np.uint32(index), np.float32(draw.bound))
    return lowered


def _shardings(experiment: Experiment, mesh: jax.sharding.Mesh) -> dict[Path, Any]:
    """Returns where each parameter stays, by path."""
    return dict(by_path(parallel.shardings(abstract_model(experiment)[1], mesh)))


def _drawn(draw: Draw, key: jax.Array, index: jax.Array, bound: jax.Array) -> jax.Array:
    """Returns the parameter of the key number `index`; flax derives keys so, too."""
    return draw(jax.random.fold_in(key, index), bound)
