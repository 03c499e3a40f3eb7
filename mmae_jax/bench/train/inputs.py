"""Random batches: shapes and native dtypes of an experiment, without its data."""

from __future__ import annotations

import jax
import numpy as np

from mmae_jax import parallel
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.batch import Batch
from mmae_jax.spec import Experiment

DRAWN = 16
"""Samples that differ; more repeat them, as drawing takes longer than a step."""
LARGEST = 10_000
"""Of integer pixels: reflectances, scaled."""
YEAR = 2019


def random_batch(experiment: Experiment, batch_size: int, mesh: jax.sharding.Mesh, seed: int = 0) -> Batch:
    """Returns a global batch of random samples on the devices, in which nothing is missing.

    Args:
      experiment: gives shapes, dtypes and classes.
      batch_size: samples, over all devices.
      mesh: the mesh over whose devices the rows are spread.
      seed: seed of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = sum(map(len, parallel.process_rows(batch_size, mesh)))
    drawn = min(DRAWN, rows)
    batch = abstract_batch(experiment, drawn)
    made = Batch(
        inputs={name: _pixels(rng, leaf) for name, leaf in batch["inputs"].items()},
        base={name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in batch["base"].items()},
        valid={name: np.ones(leaf.shape, leaf.dtype) for name, leaf in batch["valid"].items()},
        dates={name: _dates(rng, leaf) for name, leaf in batch["dates"].items()},
        ref_date=np.broadcast_to(np.asarray([YEAR, 182, 0], np.int16), batch["ref_date"].shape),
        targets={name: _target(rng, experiment, name, leaf) for name, leaf in batch["targets"].items()},
        weight=np.ones(batch["weight"].shape, batch["weight"].dtype),
    )
    repeated = jax.tree.map(lambda array: array[np.arange(rows) % drawn], made)
    return parallel.to_devices(repeated, mesh)


def _pixels(rng: np.random.Generator, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    if np.issubdtype(leaf.dtype, np.integer):
        return rng.integers(0, min(LARGEST, np.iinfo(leaf.dtype).max), leaf.shape, leaf.dtype, endpoint=True)
    return rng.random(leaf.shape, np.float32).astype(leaf.dtype)


def _dates(rng: np.random.Generator, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    """Returns `[year, day of year, hour]`, in order."""
    days = np.sort(rng.integers(1, 366, leaf.shape[:2]), axis=1)
    return np.stack([np.full_like(days, YEAR), days, np.full_like(days, 10)], axis=-1).astype(leaf.dtype)


def _target(rng: np.random.Generator, experiment: Experiment, name: str, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    target = experiment.dataset.targets[name]
    if not np.issubdtype(leaf.dtype, np.integer):
        return rng.random(leaf.shape, np.float32).astype(leaf.dtype)
    return rng.integers(0, 2 if target.kind == "multilabel" else target.num_classes, leaf.shape, leaf.dtype)
