"""Prithvi-EO-2.0 (arXiv 2412.02732): a ViT over all dates of six bands of Sentinel-2; `-TL` encodes dates, too."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from immutabledict import immutabledict

from mmae_jax.baselines.bands import Channels
from mmae_jax.baselines.base import Arrays, FoundationEncoder
from mmae_jax.baselines.radiometry import Spread, check_reflectance, of_bands, unknown_bands
from mmae_jax.baselines.sincos import rounded_sincos, sincos
from mmae_jax.baselines.vit import ViT
from mmae_jax.models.encodings import DAYS_PER_YEAR
from mmae_jax.models.resize import resize_matrix
from mmae_jax.models.samples import Samples, in_units
from mmae_jax.models.transformer import Variant
from mmae_jax.spec import FOUNDATION_MODELS, Experiment

BLOCKS = Variant(epsilon=1e-5, qkv_bias=True)
CHANNELS: Mapping[str, int] = immutabledict(B02=0, B03=1, B04=2, B8A=3, B11=4, B12=5)
"""Sentinel-2's band → channel: blue, green, red, narrow near infrared, two of short-wave infrared."""
PLACES: Mapping[int, int] = immutabledict({0: 0, 1: 1, 2: 2, 6: 3, 8: 4, 9: 5})
"""Place of a band in the input → channel, as arXiv 2508.10894 has it: near infrared comes from the wide band B08."""
STATISTICS = (
    *(Spread(1087.0, 2248.0), Spread(1342.0, 2179.0), Spread(1433.0, 2178.0)),
    *(Spread(2734.0, 1850.0), Spread(1958.0, 1242.0), Spread(1363.0, 1049.0)),
)
"""Of each channel, of reflectance times 10⁴."""
NUMBERS_PER_REFLECTANCE = 1e4
NEAREST: Mapping[str, str] = immutabledict(B01="B02", B05="B04", B06="B8A", B07="B8A", B08="B8A", B09="B8A")
"""Band that the model never saw → the one by whose statistics it is normalised."""
INITIAL_SCALE = 0.1
SIXTEENTHS = (6, 6, 4)
"""Shares of the width that encode column, row and date of a token."""


class Prithvi(FoundationEncoder):
    """All dates are one sequence; dates are encoded in front of the blocks where the model is `-TL`."""

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        super().__init__(experiment, rngs=rngs)
        self.vit = ViT(experiment, BLOCKS, rngs=rngs)
        self.date_scale = nnx.Param(jnp.full(1, INITIAL_SCALE)) if experiment.model.date_encoding else None

    @classmethod
    def check(cls, experiment: Experiment) -> None:
        """Raises a `SpecError` where the input is not Sentinel-2's reflectance."""
        (name,) = experiment.inputs
        if not set(experiment.inputs[name].band_names) <= {*CHANNELS, *NEAREST}:
            raise unknown_bands(experiment, name, (*CHANNELS, *NEAREST))
        if not set(experiment.inputs[name].band_names) & set(CHANNELS):
            raise unknown_bands(experiment, name, tuple(CHANNELS))
        if not experiment.model.foundation.repeats("normalisation"):
            check_reflectance(experiment, name)

    @classmethod
    def channels(cls, experiment: Experiment, name: str) -> Channels:
        """Returns which of the six channels each band starts from."""
        bands = experiment.inputs[name].band_names
        if experiment.model.foundation.repeats("band_order"):
            return tuple(PLACES.get(place) for place in range(len(bands)))
        return tuple(CHANNELS.get(band) for band in bands)

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens: input → `[B, D, L, E]`."""
        ((name, model_input),) = self.experiment.inputs.items()
        with jax.named_scope("embed"):
            tokens = self.patch_embed[name](_pixels(samples, name, self.experiment))
            tokens = tokens + positions(model_input.num_dates, model_input.grid, self.width)[None].astype(tokens.dtype)
            if self.date_scale is not None:
                dates = date_encoding(self._dates(samples.dates[name]), self.width) * self.date_scale[...].reshape(
                    1, 1, 1
                )
                tokens = tokens + dates[:, :, None].astype(tokens.dtype)
        with jax.named_scope("encoder"):
            sequence, valid = (
                self.fusion.join({name: array})[name] for array in (tokens, self.available(samples)[name])
            )
            return self.fusion.split({name: self.vit(sequence, valid)})

    def _dates(self, dates: jax.Array) -> jax.Array:
        """Returns year and day of year, float32 `[B, D, 2]`; the day as a share of a year where that is repeated."""
        unit = DAYS_PER_YEAR if self.experiment.model.foundation.repeats("day_of_year") else 1.0
        return dates[..., :2].astype(jnp.float32) / np.asarray([1.0, unit], np.float32)[None, None]


def positions(dates: int, grid: int, width: int) -> jax.Array:
    """Returns the encodings of column, row and date, side by side: float32 `[dates, grid², width]`.

    Another grid than that of pretraining is resized bicubically, corners on corners.
    """
    of_column, of_row, of_date = (width // 16 * share for share in SIXTEENTHS)
    trained = FOUNDATION_MODELS["prithvi"].grid
    matrix = resize_matrix(trained, grid, "bicubic", corners=True)

    def line(part: int) -> jax.Array:
        # Positions of one axis are the same along the other, so that each is resized alone.
        return jnp.matmul(matrix, sincos(jnp.arange(trained), part), precision=jax.lax.Precision.HIGHEST)

    shape = (dates, grid, grid)
    parts = [
        jnp.broadcast_to(line(of_column)[None, None], (*shape, of_column)),
        jnp.broadcast_to(line(of_row)[None, :, None], (*shape, of_row)),
        jnp.broadcast_to(sincos(jnp.arange(dates), of_date)[:, None, None], (*shape, of_date)),
    ]
    return jnp.concatenate(parts, axis=-1).reshape(dates, grid**2, width)


def date_encoding(dates: jax.Array, width: int) -> jax.Array:
    """Returns the encodings of year and day of year `[B, D, 2]`, side by side: float32 `[B, D, width]`."""
    half = width // 2
    return jnp.concatenate([rounded_sincos(part, half) for part in (dates[..., 0], dates[..., 1])], axis=-1)


def _pixels(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    """Returns pixels of mean 0 and deviation 1 as in pretraining; missing ones are 0."""
    if experiment.model.foundation.repeats("normalisation"):
        return samples.pixels[name]
    known = {band: STATISTICS[channel] for band, channel in CHANNELS.items()}
    known |= {band: known[nearest] for band, nearest in NEAREST.items()}
    mean, deviation = of_bands(experiment.inputs[name].band_names, known)
    values = NUMBERS_PER_REFLECTANCE * in_units(samples.pixels[name], name, experiment)
    return jnp.where(samples.pixels_valid[name][:, :, None], (values - mean) / deviation, 0)
