"""Shapes and dtypes of a batch without data, so that steps are traced and compiled before the first record."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mmae_jax import spec, tasks
from mmae_jax.data.batch import Batch


def abstract_batch(experiment: spec.Experiment, batch_size: int) -> Batch:
    """Returns a batch of `jax.ShapeDtypeStruct`, as the pipeline makes it for `batch_size` samples."""
    grid, cells = experiment.dataset.size_gcd, experiment.crop_cells

    def leaf(dtype: str, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((batch_size, *shape), jnp.dtype(dtype))

    batch = Batch(inputs={}, base={}, valid={}, dates={}, ref_date=leaf("int16", 3), targets={}, weight=leaf("float32"))
    for name, model_input in experiment.inputs.items():
        modality = experiment.modality(name)
        side, num_dates = experiment.raw_side(name), model_input.num_dates
        valid_side = side if modality.pixels_can_be_missing else 1
        batch["inputs"][name] = leaf(modality.dtype, num_dates, len(model_input.band_names), side, side)
        batch["valid"][name] = leaf("bool", num_dates, valid_side, valid_side)
        batch["dates"][name] = leaf("int16", num_dates, 3)
        if modality.quantum is not None:
            batch["base"][name] = leaf("float32")
    for name in experiment.targets:
        target = experiment.dataset.targets[name]
        sides = () if target.size is None else (target.size // grid * cells,) * 2
        task = tasks.of(target)
        batch["targets"][name] = leaf(task.dtype(target), *sides, *task.shape(target))
    return batch
