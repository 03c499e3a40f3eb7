"""From a batch in native dtypes to what the model sees, on device: cast, log, scale, resize (docs/method.md §2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from mmae_jax.data.batch import Batch
from mmae_jax.models.resize import resize
from mmae_jax.spec import Experiment

LOG_FLOOR = 1e-10
ELEVATION_FACTOR = 30


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Samples:
    """Model inputs of a batch.

    Attributes:
      pixels: input → float32 `[B, D, C, H, W]` at `image_size`.
      pixels_valid: input → bool `[B, D, H, W]` or `[B, D, 1, 1]`; False where a pixel was not observed.
      dates: input → int `[B, D, 3]`.
      ref_date: reference date of each sample, int `[B, 3]`.
    """

    pixels: dict[str, jax.Array]
    pixels_valid: dict[str, jax.Array]
    dates: dict[str, jax.Array]
    ref_date: jax.Array

    @property
    def dates_valid(self) -> dict[str, jax.Array]:
        """Input → bool `[B, D]`: is anything of this date there?"""
        return {name: valid.any(axis=(-2, -1)) for name, valid in self.pixels_valid.items()}


def samples_from_batch(batch: Batch, experiment: Experiment) -> Samples:
    """Returns the model inputs of a batch."""
    interpolate = experiment.model.interpolate
    pixels = {name: _values(batch, name, experiment) for name in experiment.inputs}
    valid = {name: batch["valid"][name] for name in experiment.inputs}
    for name, model_input in experiment.inputs.items():
        pixels[name] = resize(pixels[name], model_input.image_size, interpolate)
        if valid[name].shape[-1] > 1:
            valid[name] = resize(valid[name], model_input.image_size, "nearest")
        if model_input.rescale_elev:
            surface, others = pixels[name][:, :, :1], pixels[name][:, :, 1:]
            pixels[name] = jnp.concatenate([surface, ELEVATION_FACTOR * (surface - others)], axis=2)
    dates = {name: batch["dates"][name] for name in experiment.inputs}
    return Samples(pixels, valid, dates, batch["ref_date"])


def _values(batch: Batch, name: str, experiment: Experiment) -> jax.Array:
    values = batch["inputs"][name].astype(jnp.float32)
    model_input, quantum = experiment.inputs[name], experiment.modality(name).quantum
    if quantum is not None:
        values = batch["base"][name][:, None, None, None, None] + quantum * values
    if model_input.log_scale:
        values = jnp.log(jnp.maximum(values, LOG_FLOOR))
    if model_input.mean is not None and model_input.std is not None:
        return (values - _of_bands(model_input.mean, values)) / _of_bands(model_input.std, values)
    return values / model_input.norm_fac


def in_units(values: jax.Array, name: str, experiment: Experiment) -> jax.Array:
    """Returns pixels as the model sees them, `[..., C, H, W]` of the input called `name`, in the contract's unit.

    Scale, logarithm and difference of elevations are undone; the size stays `image_size`.
    """
    model_input, modality = experiment.inputs[name], experiment.modality(name)
    if model_input.rescale_elev:
        surface, others = values[..., :1, :, :], values[..., 1:, :, :]
        values = jnp.concatenate([surface, surface - others / ELEVATION_FACTOR], axis=-3)
    if model_input.mean is not None and model_input.std is not None:
        values = values * _of_bands(model_input.std, values) + _of_bands(model_input.mean, values)
    values = values * model_input.norm_fac
    if model_input.log_scale:
        values = jnp.exp(values)
    return values * modality.scale + modality.offset


def _of_bands(numbers: Sequence[float], pixels: jax.Array) -> jax.Array:
    """Returns one number a band in the shape that goes with `pixels` `[..., C, H, W]`."""
    return jnp.asarray(numbers, jnp.float32).reshape((1,) * (pixels.ndim - 3) + (-1, 1, 1))
