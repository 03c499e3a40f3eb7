"""New parameters: one compiled program for all that are drawn alike, each made where it stays."""

from __future__ import annotations

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding

from mmae_jax import parallel
from mmae_jax.models.draws import Draw
from mmae_jax.models.params import Path, abstract_model, by_path, constant_leaves, from_paths, random_leaves
from mmae_jax.spec import Experiment

COMPILING_THREADS = 16
SHORTEST = 2**16
"""Numbers of the shortest row that is drawn."""


class Alike(NamedTuple):
    """What parameters that one program draws have in common; the scale is an argument.

    Those that every device holds whole are cut from rows of numbers, whose lengths are powers of two: the first numbers
    of a key are the same however many are drawn. It saves compiling a program for each shape, which takes longer than
    drawing.
    """

    kind: Literal["uniform", "normal"]
    shape: tuple[int, ...]
    sharding: NamedSharding

    @classmethod
    def of(cls, draw: Draw, sharding: NamedSharding) -> Alike:
        """Returns what the program of a parameter depends on."""
        if not sharding.is_fully_replicated:
            return cls(draw.kind, draw.shape, sharding)
        row = max(SHORTEST, 1 << (math.prod(draw.shape) - 1).bit_length())
        return cls(draw.kind, (row,), NamedSharding(sharding.mesh, parallel.REPLICATED))


def new_params(experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns freshly drawn parameters, each made where it stays: the numbers of `init_params`, bit by bit."""
    abstract = abstract_model(experiment)[1]
    shardings, leaves = _shardings(experiment, mesh), random_leaves(experiment)
    lowered = drawing(experiment, mesh)
    with ThreadPoolExecutor(COMPILING_THREADS) as pool:
        programs = dict(zip(lowered, pool.map(jax.stages.Lowered.compile, lowered.values()), strict=True))
    key = jax.random.key(experiment.seed)
    drawn = {
        path: programs[Alike.of(draw, shardings[path])](key, np.uint32(index), np.float32(draw.scale))
        for path, (index, draw) in leaves.items()
    }
    shapes = {path: draw.shape for path, (_, draw) in leaves.items()}
    cut = jax.jit(functools.partial(_cut, shapes), out_shardings={path: shardings[path] for path in drawn})
    return from_paths(cut(drawn) | programs[None](), abstract)


def drawing(experiment: Experiment, mesh: jax.sharding.Mesh) -> dict[Alike | None, jax.stages.Lowered]:
    """Returns the programs that make new parameters: one for all that are drawn alike, under None that of constants.

    In one program for all parameters every draw would be compiled by itself.
    """
    shardings = _shardings(experiment, mesh)
    leaves = random_leaves(experiment)
    constants = {path: sharding for path, sharding in shardings.items() if path not in leaves}
    make = functools.partial(constant_leaves, experiment)
    lowered: dict[Alike | None, jax.stages.Lowered] = {None: jax.jit(make, out_shardings=constants).lower()}
    for path, (index, draw) in leaves.items():
        alike = Alike.of(draw, shardings[path])
        if alike not in lowered:
            program = jax.jit(functools.partial(_drawn, alike), out_shardings=alike.sharding)
            lowered[alike] = program.lower(jax.random.key(0), np.uint32(index), np.float32(draw.scale))
    return lowered


def _shardings(experiment: Experiment, mesh: jax.sharding.Mesh) -> dict[Path, Any]:
    """Returns where each parameter stays, by path."""
    return dict(by_path(parallel.shardings(abstract_model(experiment)[1], mesh)))


def _drawn(alike: Alike, key: jax.Array, index: jax.Array, scale: jax.Array) -> jax.Array:
    """Returns what the key number `index` draws; flax derives keys so, too."""
    return Draw(alike.kind, alike.shape)(jax.random.fold_in(key, index), scale)


def _cut(shapes: dict[Path, tuple[int, ...]], drawn: dict[Path, jax.Array]) -> dict[Path, jax.Array]:
    """Returns parameters, those in rows cut to their shapes."""
    return {
        path: drawn[path] if drawn[path].shape == shape else drawn[path][: math.prod(shape)].reshape(shape)
        for path, shape in shapes.items()
    }
