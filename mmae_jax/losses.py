"""Objectives (SPEC §7)."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from mmae_jax.models.patches import mask_per_band, to_patches
from mmae_jax.models.samples import Samples
from mmae_jax.spec import Dataset, Experiment, Input, Target

VARIANCE_FLOOR = 1e-6


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


def reconstruction_target(pixels: jax.Array, modality: Input, *, normalised: bool) -> jax.Array:
    """Returns the patches to reconstruct, float32 `[B, D, L, P², C]`.

    Args:
      pixels: `[B, D, C, H, W]`.
      modality: patch size and runs of bands.
      normalised: subtract the mean and divide by the standard deviation (unbiased) per patch and run of bands.
    """
    patches = to_patches(pixels, modality.patch_size)
    if not normalised:
        return patches
    runs, start = [], 0
    for length in modality.target_runs:
        run = patches[..., start : start + length]
        centred = run - run.mean(axis=(-2, -1), keepdims=True)
        count = run.shape[-2] * run.shape[-1]
        variance = jnp.square(centred).sum(axis=(-2, -1), keepdims=True) / max(count - 1, 1)
        runs.append(centred / jnp.sqrt(variance + VARIANCE_FLOOR))
        start += length
    return jnp.concatenate(runs, axis=-1)


def reconstruction_errors(
    patches: dict[str, jax.Array],
    samples: Samples,
    masked: dict[str, jax.Array],
    weight: jax.Array,
    experiment: Experiment,
) -> dict[str, Total]:
    """Sums the error over the masked pixels of each modality.

    Args:
      patches: reconstructions, modality → `[B, D, L, P², C]`.
      samples: model inputs.
      masked: modality → bool `[B, G·D, L]`.
      weight: `[B]`, 0 for samples that do not count.
      experiment: the loss and the modalities.
    """
    errors = {}
    for name, modality in experiment.inputs.items():
        target = reconstruction_target(samples.pixels[name], modality, normalised=experiment.loss.endswith("_norm"))
        difference = target - patches[name]
        error = jnp.abs(difference) if experiment.loss.startswith("l1") else jnp.square(difference)
        counted = mask_per_band(masked[name], modality)[:, :, :, None] & _valid_patches(samples, name, modality)
        counted = counted * weight[:, None, None, None, None]
        errors[name] = Total(jnp.sum(error * counted), jnp.sum(jnp.broadcast_to(counted, error.shape)))
    return errors


def _valid_patches(samples: Samples, name: str, modality: Input) -> jax.Array:
    """Returns which pixels were observed, bool `[B, D, L or 1, P² or 1, 1]`."""
    valid = samples.pixels_valid[name]
    if valid.shape[-1] == 1:
        return valid[..., None]
    return to_patches(valid[:, :, None], modality.patch_size)


def reconstruction_loss(errors: dict[str, Total], experiment: Experiment) -> jax.Array:
    """Averages the modalities, weighted by `num_dates · grid²`; one with nothing masked contributes nothing."""
    weights = jnp.stack(
        [
            jnp.where(errors[name].count > 0, float(modality.num_dates * modality.grid**2), 0.0)
            for name, modality in experiment.inputs.items()
        ]
    )
    means = jnp.stack([errors[name].mean for name in experiment.inputs])
    return jnp.sum(weights * means) / jnp.maximum(jnp.sum(weights), 1)


def counted_targets(targets: jax.Array, weight: jax.Array, target: Target) -> jax.Array:
    """Returns which targets count: bool `[B]`, or `[B, H, W]` for segmentation.

    Excluded are samples of weight 0, `missing_value` and `ignored` values; one missing label excludes a whole
    multilabel sample.
    """
    excluded = jnp.asarray((target.missing_value, *target.ignored))
    present = ~jnp.isin(targets.astype(jnp.int32), excluded)
    if target.kind == "multilabel":
        present = present.all(axis=-1)
    return present & (weight.reshape(-1, *(1,) * (present.ndim - 1)) > 0)


def prediction_errors(
    logits: dict[str, jax.Array], targets: dict[str, jax.Array], weight: jax.Array, dataset: Dataset
) -> dict[str, Total]:
    """Sums by target the cross-entropy (segment: per pixel; classif) or the binary one (multilabel: class mean)."""
    errors = {}
    for name, predicted in logits.items():
        target = dataset.targets[name]
        counted = counted_targets(targets[name], weight, target)
        if target.kind == "multilabel":
            error = optax.sigmoid_binary_cross_entropy(predicted, targets[name].astype(jnp.float32)).mean(axis=-1)
        else:
            labels = jnp.where(counted, targets[name], 0).astype(jnp.int32)
            error = optax.softmax_cross_entropy_with_integer_labels(predicted, labels)
        errors[name] = Total(jnp.sum(jnp.where(counted, error, 0)), jnp.sum(counted.astype(jnp.float32)))
    return errors


def prediction_loss(errors: dict[str, Total]) -> jax.Array:
    """Adds the targets' mean errors."""
    return jnp.sum(jnp.stack([error.mean for error in errors.values()]))
