"""Masks samples, reconstructs them, and says what came out in the units of the data (docs/method.md §5–7)."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmae_jax.losses import LOSSES, target_frame
from mmae_jax.models.masking import SequenceMask, draw_masks
from mmae_jax.models.mmae import MMAE
from mmae_jax.models.model import Model
from mmae_jax.models.patches import from_patches, mask_per_band, to_patches
from mmae_jax.models.samples import Samples, in_units
from mmae_jax.spec import SpecError


def reconstruct(
    model: Model, samples: Samples, key: jax.Array, *, masked_only: bool = False
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """Masks and reconstructs: all patches, or only those that are masked, where the others have no meaning.

    Returns:
      Patches `[B, D, L, P², C]` and masks `[B, G·D, L]` by input.

    Raises:
      SpecError: the encoder does not reconstruct.
    """
    encoder = model.encoder
    if not isinstance(encoder, MMAE):
        raise SpecError(f"phases: expected no pretrain: encoder {model.experiment.model.encoder} does not reconstruct")
    with jax.named_scope("mask"):
        masks: dict[str, SequenceMask] = draw_masks(
            key, encoder.fusion, encoder.experiment.mask, encoder.available(samples)
        )
    masked = encoder.fusion.split({name: mask.masked for name, mask in masks.items()})
    return encoder.reconstruct(samples, masks, masked_only=masked_only), masked


class Images(NamedTuple):
    """What a model makes of one input; all `[B, D, C, S, S]` at `image_size`.

    Attributes:
      truth: float32, what is there, in the contract's unit.
      masked: bool, what the model did not see.
      target: float32, what it made of it, in the numbers of the reconstruction target.
      values: float32, the same in the contract's unit.
    """

    truth: jax.Array
    masked: jax.Array
    target: jax.Array
    values: jax.Array


def images(model: Model, samples: Samples, key: jax.Array) -> dict[str, Images]:
    """Masks and reconstructs, as images by input.

    Where targets are normalised, a model says nothing of mean and spread of a patch: those of the truth are taken.

    Args:
      model: the model.
      samples: B samples.
      key: draws what is masked.

    Raises:
      SpecError: the encoder does not reconstruct.
    """
    experiment = model.experiment
    patches, masked = reconstruct(model, samples, key)
    normalised, found = LOSSES[experiment.loss].normalised, {}
    for name, one in experiment.inputs.items():
        whole = functools.partial(from_patches, patch=one.patch_size)
        frame = target_frame(to_patches(samples.pixels[name], one.patch_size), one, normalised=normalised)
        hidden = jnp.broadcast_to(mask_per_band(masked[name], one)[:, :, :, None], patches[name].shape)
        found[name] = Images(
            truth=in_units(samples.pixels[name], name, experiment),
            masked=whole(hidden),
            target=whole(patches[name]),
            values=in_units(whole(frame.patches(patches[name])), name, experiment),
        )
    return found
