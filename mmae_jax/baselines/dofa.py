"""DOFA (arXiv 2403.15356): one ViT for any optical or radar sensor, whose wavelengths make its patch embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from immutabledict import immutabledict

from mmae_jax.baselines.bands import Channels
from mmae_jax.baselines.base import Arrays, FoundationEncoder
from mmae_jax.baselines.pictures import brightest
from mmae_jax.baselines.radiometry import (
    RADAR,
    Spread,
    check_reflectance,
    decibels,
    is_radar,
    of_bands,
    unknown_bands,
)
from mmae_jax.baselines.sincos import sincos_square
from mmae_jax.baselines.vit import NEVER_TRAINED, VIT, ViT
from mmae_jax.baselines.wavelengths import WavelengthEmbedding
from mmae_jax.models.resize import resize
from mmae_jax.models.samples import Samples, in_units
from mmae_jax.parallel import Path
from mmae_jax.spec import FOUNDATION_MODELS, Experiment, SpecError

BYTE = 255.0
"""Brightest value of the 8-bit pictures that the model was trained on."""


class Band(NamedTuple):
    """What the model knows of a band.

    Attributes:
      wavelength: of pretraining [µm].
      spread: mean and standard deviation in pretraining, of numbers from 0 to 255, or decibels.
      brightest: reflectance that is 255; None where the contract says what is white, and of decibels.
    """

    wavelength: float
    spread: Spread
    brightest: float | None = None


def _sentinel2() -> dict[str, Band]:
    """Visible bands as the previews of Sentinel-2 show them, the others divided by 32 (SatlasPretrain)."""
    preview, divided = 0.3558, 0.8160
    blue, green, red = (
        Spread(126.63977424, 67.42465279),
        Spread(114.81779093, 69.96844919),
        Spread(114.1099739, 77.84352553),
    )
    near = Spread(101.435633, 60.29744676)
    return dict(
        B01=Band(0.443, blue, preview),
        B02=Band(0.490, blue, preview),
        B03=Band(0.560, green, preview),
        B04=Band(0.665, red, preview),
        B05=Band(0.705, Spread(84.33539309, 64.57022983), divided),
        B06=Band(0.740, Spread(97.84789168, 61.72545487), divided),
        B07=Band(0.783, Spread(103.94461911, 61.34187099), divided),
        B08=Band(0.842, near, divided),
        B8A=Band(0.865, near, divided),
        B09=Band(0.945, near, divided),
        B11=Band(1.610, Spread(72.32804172, 47.88519516), divided),
        B12=Band(2.190, Spread(56.66528851, 42.55886798), divided),
    )


def _pictures() -> dict[str, Band]:
    """Colours of aerial images, near infrared as Gaofen-2 has it."""
    red, green, blue = Spread(123.675, 58.395), Spread(116.28, 57.12), Spread(103.53, 57.375)
    near = Band(0.81, Spread(123.94924583, 67.34487297))
    names = {("R", "red"): Band(0.665, red), ("G", "green"): Band(0.56, green), ("B", "blue"): Band(0.49, blue)}
    return {name: band for pair, band in (names | {("NIR", "nir"): near}).items() for name in pair}


RADAR_WAVELENGTH = 3.75
"""What stood for Sentinel-1's wavelength in pretraining; the reference takes its true one in centimetres."""
INSTRUMENT_WAVELENGTH = 5.405
BANDS: Mapping[str, Band] = immutabledict(
    _sentinel2() | _pictures() | {name: Band(RADAR_WAVELENGTH, spread) for name, spread in RADAR.items()}
)
"""Contract's name of a band → what the model knows of it; bands without statistics have those of the nearest one."""

PUBLISHED: Mapping[str, tuple[float, ...]] = immutabledict(
    aerial=(0.64, 0.56, 0.48, 0.81),
    spot=(0.66, 0.56, 0.48),
    s2=(0.665, 0.56, 0.49, 0.842, 0.705, 0.74, 0.783, 0.865, 1.61, 2.19),
    s1_asc=(RADAR_WAVELENGTH, RADAR_WAVELENGTH),
    s1_des=(RADAR_WAVELENGTH, RADAR_WAVELENGTH),
)
"""Input → the wavelengths that arXiv 2508.10894 gave its bands in their order, whatever they measure [µm]."""


class Dofa(FoundationEncoder):
    """Every date of every input is an image of its own; dates are encoded behind it."""

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        super().__init__(experiment, rngs=rngs)
        self.encoder = nnx.Dict({name: ViT(experiment, VIT, rngs=rngs) for name in self.fusion.weight_names})

    @classmethod
    def embedding(cls, experiment: Experiment, name: str, rngs: nnx.Rngs) -> nnx.Module:
        """Returns the patch embedding of an input, computed from the wavelengths of its bands."""
        model, patch = experiment.model, experiment.inputs[name].patch_size
        sizes = (patch, model.architecture.embed_dim)
        return WavelengthEmbedding(wavelengths(experiment, name), *sizes, dtype=jnp.dtype(model.dtype), rngs=rngs)

    @classmethod
    def check(cls, experiment: Experiment) -> None:
        """Raises a `SpecError` where an input has bands of which the model knows no wavelength."""
        for name in experiment.inputs:
            wavelengths(experiment, name)
            if not experiment.model.foundation.repeats("normalisation"):
                _check_values(experiment, name)

    @classmethod
    def channels(cls, experiment: Experiment, name: str) -> Channels:
        """Returns a channel for each band: none is new to a model that takes any."""
        return tuple(range(len(experiment.inputs[name].band_names)))

    @classmethod
    def layers_to_heads(cls, experiment: Experiment, path: Path) -> int | tuple[int, ...]:
        """Returns how many blocks are above a parameter, its own among them."""
        if "cls_token" in path and experiment.model.foundation.repeats("layer_decay"):
            return NEVER_TRAINED
        return super().layers_to_heads(experiment, path)

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens: input → `[B, D, L, E]`."""
        experiment, tokens = self.experiment, {}
        for name, model_input in experiment.inputs.items():
            with jax.named_scope("embed"):
                embedded = self.patch_embed[name](_pixels(samples, name, experiment))
                tokens[name] = embedded + positions(model_input.grid, self.width)[None, None].astype(embedded.dtype)
        encoded = {}
        for name, images in self.fusion.join(tokens).items():
            with jax.named_scope(f"encoder_{name}"):
                there = jnp.ones(images.shape[:2], bool)
                encoded[name] = self.encoder[self.fusion.weights[name]](images, there)
        return {name: self.with_dates(array, name, samples) for name, array in self.fusion.split(encoded).items()}


def wavelengths(experiment: Experiment, name: str) -> tuple[float, ...]:
    """Returns the wavelength of each band of the input called `name` [µm].

    Raises:
      SpecError: one is not known.
    """
    foundation, bands = experiment.model.foundation, experiment.inputs[name].band_names
    if not foundation.repeats("band_order"):
        _check_bands(experiment, name)
        found = tuple(BANDS[band].wavelength for band in bands)
    elif len(bands) != len(PUBLISHED.get(name, ())):
        known = ", ".join(f"{one} of {len(listed)} bands" for one, listed in PUBLISHED.items())
        raise SpecError(
            f"inputs: expected {known} in mode published, whose wavelengths are listed, or band_order among "
            f"model.foundation.repaired, found {name} of {len(bands)} bands"
        )
    else:
        found = PUBLISHED[name]
    if foundation.repeats("s1_wavelength"):
        return tuple(INSTRUMENT_WAVELENGTH if one == RADAR_WAVELENGTH else one for one in found)
    return found


def _check_bands(experiment: Experiment, name: str) -> None:
    if not set(experiment.inputs[name].band_names) <= set(BANDS):
        raise unknown_bands(experiment, name, tuple(BANDS))


def _check_values(experiment: Experiment, name: str) -> None:
    _check_bands(experiment, name)
    if is_radar(experiment, name):
        return
    bands = [BANDS[band] for band in experiment.inputs[name].band_names]
    if any(band.wavelength == RADAR_WAVELENGTH for band in bands):
        raise SpecError(f"inputs.{name}.bands: expected optical or radar bands with encoder dofa, found both")
    if any(band.brightest for band in bands):
        check_reflectance(experiment, name)
    elif brightest(experiment.modality(name)) is None:
        raise SpecError(
            f"inputs.{name}: expected a value_range in the contract of {experiment.dataset.name}, as encoder dofa "
            "has to know which number is white, found none"
        )


def positions(grid: int, width: int) -> jax.Array:
    """Returns the encoding of the places of a grid, float32 `[grid², width]`: that of pretraining, resized."""
    square = jnp.asarray(sincos_square(FOUNDATION_MODELS["dofa"].grid, width))
    return resize(square, grid, "bicubic", axes=(0, 1)).reshape(grid**2, width)


def _pixels(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    """Returns pixels as in pretraining: 8-bit numbers, or decibels, of mean 0 and deviation 1; missing ones are 0."""
    if experiment.model.foundation.repeats("normalisation"):
        return samples.pixels[name]
    bands = experiment.inputs[name].band_names
    values = decibels(samples, name, experiment) if is_radar(experiment, name) else _bytes(samples, name, experiment)
    mean, deviation = of_bands(bands, {band: BANDS[band].spread for band in bands})
    return jnp.where(samples.pixels_valid[name][:, :, None], (values - mean) / deviation, 0)


def _bytes(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    white = brightest(experiment.modality(name))
    found = [BANDS[band].brightest or white for band in experiment.inputs[name].band_names]
    values = in_units(samples.pixels[name], name, experiment)
    return jnp.clip(BYTE * values / np.asarray(found, np.float32)[None, None, :, None, None], 0, BYTE)
