"""CROMA (arXiv 2311.00566): an encoder for Sentinel-1, one for Sentinel-2, and joint blocks over pairs of images."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from immutabledict import immutabledict

from mmae_jax.baselines.alibi import nearness
from mmae_jax.baselines.base import Arrays, FoundationEncoder
from mmae_jax.baselines.cross_attention import CrossTransformer
from mmae_jax.baselines.embedding import SensorEmbedding
from mmae_jax.baselines.radiometry import (
    RADAR,
    Spread,
    check_reflectance,
    decibels,
    is_optical,
    is_radar,
    of_bands,
    reflectance_statistics,
    unknown_bands,
)
from mmae_jax.baselines.vit import NEVER_TRAINED, transformer
from mmae_jax.models.encodings import DAYS_PER_YEAR
from mmae_jax.models.fusion import token_validity
from mmae_jax.models.samples import Samples, in_units
from mmae_jax.models.transformer import MASKED_AUTOENCODER
from mmae_jax.parallel import Path
from mmae_jax.spec import FOUNDATION_MODELS, Experiment, SpecError

OPTICAL_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""Channels of the optical encoder, in order."""
STAND_INS: Mapping[str, str] = immutabledict(B01="B02", B09="B8A")
"""Band that few datasets have → the nearest one, whose normalised numbers stand for it."""
RADAR_BANDS = ("VV", "VH")
HEADS = 16
"""Of every block, whatever the width: weights do not tell how many there are."""
PUBLISHED_PLACES = (*range(10), 9, 9)
"""Place, among ten bands, of what arXiv 2508.10894 gave each channel of the optical encoder."""


class ImageEncoder(nnx.Module):
    """Encodes images of one sensor."""

    def __init__(self, experiment: Experiment, bands: int, depth: int, *, rngs: nnx.Rngs) -> None:
        model, patch = experiment.model, FOUNDATION_MODELS["croma"].patch_size
        sizes = (tuple(range(bands)), patch, model.architecture.embed_dim)
        self.patch_embed = SensorEmbedding(*sizes, dtype=jnp.dtype(model.dtype), rngs=rngs)
        self.transformer = transformer(experiment, MASKED_AUTOENCODER, depth=depth, rngs=rngs)

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Encodes images `[B, D, C, H, W]`, each by itself: `[B, D, L, E]`."""
        tokens = self.patch_embed(pixels)
        images = tokens.reshape(-1, *tokens.shape[2:])
        valid, bias = jnp.ones(images.shape[:2], bool), nearness(round(tokens.shape[2] ** 0.5), self.transformer.heads)
        return self.transformer(images, valid, bias).reshape(tokens.shape)


class Croma(FoundationEncoder):
    """Every date is an image of its own, and dates are encoded behind them; with joint blocks, pairs of images, too.

    Tokens of pairs stand behind those of the optical input, one for each of its dates; their dates are not encoded.
    """

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        self.experiment = experiment
        depth = experiment.model.architecture.depth
        self.optical = optical_input(experiment)
        self.radar = radar_inputs(experiment)
        self.optical_encoder = (
            ImageEncoder(experiment, len(OPTICAL_BANDS), depth, rngs=rngs) if self.optical is not None else None
        )
        self.radar_encoder = ImageEncoder(experiment, len(RADAR_BANDS), depth // 2, rngs=rngs) if self.radar else None
        self.joint_encoder = CrossTransformer(experiment, depth // 2, rngs=rngs) if is_joint(experiment) else None

    @classmethod
    def check(cls, experiment: Experiment) -> None:
        """Raises a `SpecError` where inputs are not what the encoders were trained on, or cannot be paired."""
        for name in experiment.inputs:
            _check_input(experiment, name)
        if len(optical := [name for name in experiment.inputs if is_optical(experiment, name)]) > 1:
            raise SpecError(
                f"inputs: expected one optical input at most with encoder croma, found {', '.join(optical)}"
            )
        _check_joint(experiment)

    @classmethod
    def is_new(cls, experiment: Experiment, path: Path) -> bool:
        """Returns False: every band has a channel."""
        return False

    @classmethod
    def layers_to_heads(cls, experiment: Experiment, path: Path) -> int | tuple[int, ...]:
        """Returns how many blocks are above a parameter, as the reference counts: joint ones are not, and radar's end
        half-way."""
        depth = experiment.model.architecture.depth
        if "patch_embed" in path:
            return depth + 1
        if "blocks" not in path:
            return NEVER_TRAINED if experiment.model.foundation.repeats("layer_decay") else 0
        first, blocks = {
            "optical_encoder": (depth, depth),
            "radar_encoder": (depth, depth // 2),
            "joint_encoder": (depth // 2, depth // 2),
        }[path[0]]
        return tuple(range(first, first - blocks, -1))

    def available(self, samples: Samples) -> Arrays:
        """Returns which tokens are there: input → bool `[B, D, L]`, of the optical one `[B, 2·D, L]` with its pairs."""
        valid = samples.dates_valid
        found = {name: token_validity(valid[name], one) for name, one in self.experiment.inputs.items()}
        if self.joint_encoder is not None and self.optical is not None:
            _, there = self._partners(samples)
            pairs = token_validity(there, self.experiment.inputs[self.optical])
            found[self.optical] = jnp.concatenate([found[self.optical], pairs], axis=1)
        return found

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens, laid out as `available`."""
        encoded, pairs = {}, None
        if self.optical_encoder is not None and self.optical is not None:
            with jax.named_scope("encoder_optical"):
                encoded[self.optical] = self.optical_encoder(_optical_pixels(samples, self.optical, self.experiment))
        if self.radar_encoder is not None:
            with jax.named_scope("encoder_radar"):
                images = [_radar_pixels(samples, name, self.experiment) for name in self.radar]
                radar = self.radar_encoder(jnp.concatenate(images, axis=1))
            ends = np.cumsum([array.shape[1] for array in images])[:-1]
            encoded |= dict(zip(self.radar, jnp.split(radar, ends, axis=1), strict=True))
        if self.joint_encoder is not None and self.optical is not None:
            with jax.named_scope("joint"):
                pairs = self._pairs(radar, encoded[self.optical], samples)
        dated = {name: self.with_dates(encoded[name], name, samples) for name in self.experiment.inputs}
        if pairs is not None and self.optical is not None:
            dated[self.optical] = jnp.concatenate([dated[self.optical], pairs], axis=1)
        return dated

    def _pairs(self, radar: jax.Array, optical: jax.Array, samples: Samples) -> jax.Array:
        """Returns the joint tokens of each optical date and its partner, `[B, D, L, E]`."""
        assert self.joint_encoder is not None
        partner, _ = self._partners(samples)
        images = jnp.take_along_axis(radar, partner[:, :, None, None], axis=1)
        x, context = (array.reshape(-1, *array.shape[2:]) for array in (images, optical))
        bias = nearness(round(x.shape[1] ** 0.5), self.joint_encoder.heads)
        return self.joint_encoder(x, context, bias).reshape(optical.shape)

    def _partners(self, samples: Samples) -> tuple[jax.Array, jax.Array]:
        """Returns, for each optical date, the place of the radar image it is paired with, and whether both are there.

        In mode `published` that is the image at the same place; else the one nearest in time, as in pretraining.
        """
        assert self.optical is not None
        valid = samples.dates_valid
        radar_valid = jnp.concatenate([valid[name] for name in self.radar], axis=1)
        if self.experiment.model.foundation.mode == "published":
            places = jnp.broadcast_to(jnp.arange(radar_valid.shape[1])[None], radar_valid.shape)
            return places, valid[self.optical] & radar_valid
        days = [_days(samples.dates[name], samples.ref_date) for name in self.radar]
        gaps = jnp.abs(
            _days(samples.dates[self.optical], samples.ref_date)[:, :, None] - jnp.concatenate(days, 1)[:, None]
        )
        places = jnp.argmin(jnp.where(radar_valid[:, None], gaps, jnp.inf), axis=-1)
        return places, valid[self.optical] & radar_valid.any(axis=1, keepdims=True)


def _days(dates: jax.Array, ref_date: jax.Array) -> jax.Array:
    """Returns days since the reference date, float32 `[B, D]`; the calendar's leap days are spread."""
    year, day, _ = jnp.moveaxis((dates - ref_date[:, None]).astype(jnp.float32), -1, 0)
    return DAYS_PER_YEAR * year + day


def optical_input(experiment: Experiment) -> str | None:
    """Returns the name of the input of Sentinel-2, None where there is none."""
    return next((name for name in experiment.inputs if is_optical(experiment, name)), None)


def radar_inputs(experiment: Experiment) -> tuple[str, ...]:
    """Returns the names of the inputs of Sentinel-1, in the experiment's order."""
    return tuple(name for name in experiment.inputs if is_radar(experiment, name))


def is_joint(experiment: Experiment) -> bool:
    """Returns whether joint blocks are used."""
    return experiment.model.inter_depth > 0


def _check_input(experiment: Experiment, name: str) -> None:
    bands, foundation = experiment.inputs[name].band_names, experiment.model.foundation
    if is_radar(experiment, name):
        if set(bands) != set(RADAR_BANDS):
            raise unknown_bands(experiment, name, RADAR_BANDS)
        return
    if not is_optical(experiment, name):
        raise unknown_bands(experiment, name, (*RADAR_BANDS, *OPTICAL_BANDS))
    if not foundation.repeats("normalisation"):
        check_reflectance(experiment, name)
    if foundation.repeats("band_order"):
        if len(bands) != max(PUBLISHED_PLACES) + 1:
            raise SpecError(
                f"inputs.{name}.bands: expected 10 in mode published, which has a place for each, or band_order among "
                f"model.foundation.repaired, found {len(bands)}"
            )
    elif missing := [band for band in OPTICAL_BANDS if band not in bands and STAND_INS.get(band) not in bands]:
        raise SpecError(f"inputs.{name}.bands: expected {', '.join(missing)}, too, for encoder croma, found none")


def _check_joint(experiment: Experiment) -> None:
    depth, joint = experiment.model.architecture.depth, experiment.model.inter_depth
    if (heads := experiment.model.architecture.heads) != HEADS:
        raise SpecError(f"model.architecture.heads: expected {HEADS} with encoder croma of any width, found {heads}")
    if depth < 2:
        raise SpecError(f"model.architecture.depth: expected 2 or more with encoder croma, found {depth}")
    if joint not in (0, depth // 2):
        raise SpecError(
            f"model.inter_depth: expected 0, or {depth // 2} for croma's joint blocks, half as many as optical ones, "
            f"found {joint}"
        )
    optical, radar = optical_input(experiment), radar_inputs(experiment)
    if joint and (optical is None or not radar):
        raise SpecError(f"model.inter_depth: expected 0 without both Sentinel-1 and Sentinel-2, found {joint}")
    if joint and optical is not None:
        _check_pairs(experiment, optical, radar)


def _check_pairs(experiment: Experiment, optical: str, radar: tuple[str, ...]) -> None:
    inputs = experiment.inputs
    for name in radar:
        if inputs[name].grid != inputs[optical].grid:
            raise SpecError(
                f"inputs.{name}.image_size: expected {inputs[optical].image_size}, that of {optical}, for joint "
                f"blocks, found {inputs[name].image_size}"
            )
    images = sum(inputs[name].num_dates for name in radar)
    if experiment.model.foundation.mode == "published" and images != inputs[optical].num_dates:
        raise SpecError(
            f"inputs.{optical}.num_dates: expected {images} in mode published, which pairs its dates with those of "
            f"{' and '.join(radar)} by place, found {inputs[optical].num_dates}"
        )


def _optical_pixels(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    """Returns the twelve channels of the optical encoder, `[B, D, 12, H, W]`."""
    bands = experiment.inputs[name].band_names
    pixels = samples.pixels[name]
    if not experiment.model.foundation.repeats("normalisation"):
        values = in_units(pixels, name, experiment)
        pixels = _from_0_to_1(values, bands, reflectance_statistics(experiment, name), samples.pixels_valid[name])
    if experiment.model.foundation.repeats("band_order"):
        return pixels[:, :, np.array(PUBLISHED_PLACES)]
    present = [band if band in bands else STAND_INS[band] for band in OPTICAL_BANDS]
    return pixels[:, :, np.array([bands.index(band) for band in present])]


def _radar_pixels(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    """Returns the two channels of the radar encoder, `[B, D, 2, H, W]`."""
    bands = experiment.inputs[name].band_names
    pixels = samples.pixels[name]
    if not experiment.model.foundation.repeats("normalisation"):
        pixels = _from_0_to_1(decibels(samples, name, experiment), bands, RADAR, samples.pixels_valid[name])
    if experiment.model.foundation.repeats("band_order"):
        return pixels
    return pixels[:, :, np.array([bands.index(band) for band in RADAR_BANDS])]


def _from_0_to_1(values: jax.Array, bands: tuple[str, ...], known: Mapping[str, Spread], valid: jax.Array) -> jax.Array:
    """Returns values two deviations below the mean as 0, above it as 1; missing ones are the mean."""
    mean, deviation = of_bands(bands, known)
    scaled = jnp.clip((values - mean) / (4 * deviation) + 0.5, 0, 1)
    return jnp.where(valid[:, :, None], scaled, 0.5)
