"""Objectives (docs/method.md §7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from immutabledict import immutabledict

from mmae_jax import tasks
from mmae_jax.models.patches import mask_per_band, to_patches
from mmae_jax.models.samples import Samples
from mmae_jax.spec import Dataset, Experiment, Input
from mmae_jax.tasks.base import Penalty

VARIANCE_FLOOR = 1e-6


@dataclasses.dataclass(frozen=True)
class Loss:
    """An error of numbers.

    Attributes:
      penalty: what a difference costs.
      normalised: whether targets of reconstruction are normalised per patch and run of bands.
    """

    penalty: Penalty
    normalised: bool = False


LOSSES: Mapping[str, Loss] = immutabledict(
    l1=Loss(jnp.abs),
    l2=Loss(jnp.square),
    l1_norm=Loss(jnp.abs, normalised=True),
    l2_norm=Loss(jnp.square, normalised=True),
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Total:
    """A sum and what it is divided by, so that means over several batches or devices stay exact."""

    total: jax.Array
    count: jax.Array

    @property
    def mean(self) -> jax.Array:
        """The mean; 0 where nothing was counted."""
        return self.total / jnp.maximum(self.count, 1)


class Frame(NamedTuple):
    """In what numbers patches are reconstructed: `(patches - mean) / deviation`.

    Attributes:
      mean, deviation: of each patch and run of bands, float32 `[B, D, L, 1, C]`; 0 and 1 where targets are the patches.
    """

    mean: jax.Array
    deviation: jax.Array

    def patches(self, target: jax.Array) -> jax.Array:
        """Returns the patches of which `target` (`[B, D, L, P², C]`) is the target, or the reconstruction."""
        return target * self.deviation + self.mean


def target_frame(patches: jax.Array, model_input: Input, *, normalised: bool) -> Frame:
    """Returns the frame of patches `[B, D, L, P², C]` (docs/method.md §7).

    Args:
      patches: of the model's input.
      model_input: runs of bands.
      normalised: whether the frame is the patch's own: mean and standard deviation (unbiased) of each run of bands.
    """
    shape = (*patches.shape[:-2], 1, patches.shape[-1])
    if not normalised:
        return Frame(jnp.zeros(shape), jnp.ones(shape))
    means: list[jax.Array] = []
    deviations: list[jax.Array] = []
    start = 0
    for length in model_input.target_runs:
        run = patches[..., start : start + length]
        mean = run.mean(axis=(-2, -1), keepdims=True)
        count = run.shape[-2] * run.shape[-1]
        variance = jnp.square(run - mean).sum(axis=(-2, -1), keepdims=True) / max(count - 1, 1)
        for found, value in ((means, mean), (deviations, jnp.sqrt(variance + VARIANCE_FLOOR))):
            found.append(jnp.broadcast_to(value, (*shape[:-1], length)))
        start += length
    return Frame(jnp.concatenate(means, axis=-1), jnp.concatenate(deviations, axis=-1))


def reconstruction_target(pixels: jax.Array, model_input: Input, *, normalised: bool) -> jax.Array:
    """Returns the patches to reconstruct, float32 `[B, D, L, P², C]`.

    Args:
      pixels: `[B, D, C, H, W]`.
      model_input: patch size and runs of bands.
      normalised: subtract the mean and divide by the standard deviation per patch and run of bands.
    """
    patches = to_patches(pixels, model_input.patch_size)
    if not normalised:
        return patches
    frame = target_frame(patches, model_input, normalised=True)
    return (patches - frame.mean) / frame.deviation


def reconstruction_errors(
    patches: dict[str, jax.Array],
    samples: Samples,
    masked: dict[str, jax.Array],
    weight: jax.Array,
    experiment: Experiment,
) -> dict[str, Total]:
    """Sums the error over the masked pixels of each input.

    Args:
      patches: reconstructions, input → `[B, D, L, P², C]`.
      samples: model inputs.
      masked: input → bool `[B, G·D, L]`.
      weight: `[B]`, 0 for samples that do not count.
      experiment: the loss and the inputs.
    """
    errors, loss = {}, LOSSES[experiment.loss]
    for name, model_input in experiment.inputs.items():
        target = reconstruction_target(samples.pixels[name], model_input, normalised=loss.normalised)
        error = loss.penalty(target - patches[name])
        counted = mask_per_band(masked[name], model_input)[:, :, :, None] & _valid_patches(samples, name, model_input)
        counted = counted * weight[:, None, None, None, None]
        errors[name] = Total(jnp.sum(error * counted), jnp.sum(jnp.broadcast_to(counted, error.shape)))
    return errors


def _valid_patches(samples: Samples, name: str, model_input: Input) -> jax.Array:
    """Returns which pixels were observed, bool `[B, D, L or 1, P² or 1, 1]`."""
    valid = samples.pixels_valid[name]
    if valid.shape[-1] == 1:
        return valid[..., None]
    return to_patches(valid[:, :, None], model_input.patch_size)


def reconstruction_loss(errors: dict[str, Total], experiment: Experiment) -> jax.Array:
    """Averages the inputs, weighted by `num_dates · grid²`; one with nothing masked contributes nothing."""
    weights = jnp.stack(
        [
            jnp.where(errors[name].count > 0, float(model_input.num_dates * model_input.grid**2), 0.0)
            for name, model_input in experiment.inputs.items()
        ]
    )
    means = jnp.stack([errors[name].mean for name in experiment.inputs])
    return jnp.sum(weights * means) / jnp.maximum(jnp.sum(weights), 1)


def prediction_errors(
    predicted: dict[str, jax.Array], targets: dict[str, jax.Array], weight: jax.Array, dataset: Dataset, loss: str
) -> dict[str, Total]:
    """Sums the errors of the places that count, tiles or pixels, by target.

    Args:
      predicted: target → float `[B, outputs]`, or `[B, h, w, outputs]`.
      targets: target → as in a batch.
      weight: `[B]`, 0 for samples that do not count.
      dataset: has the targets.
      loss: the experiment's, whose error kinds take that predict numbers.
    """
    errors = {}
    for name, prediction in predicted.items():
        target = dataset.targets[name]
        task = tasks.of(target)
        counted = task.counted(target, targets[name], weight)
        error = task.error(prediction, targets[name], counted, LOSSES[loss].penalty)
        errors[name] = Total(jnp.sum(jnp.where(counted, error, 0)), jnp.sum(counted.astype(jnp.float32)))
    return errors


def prediction_loss(errors: dict[str, Total]) -> jax.Array:
    """Adds the targets' mean errors."""
    return jnp.sum(jnp.stack([error.mean for error in errors.values()]))
