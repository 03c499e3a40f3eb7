"""SatMAE ViT-L/16 of image series (arXiv 2207.08051): all dates of one sensor in one sequence, each with its date.

Positions are computed, not learned: of the 14² patches of pretraining, resized to other grids.
"""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmae_jax.baselines.bands import RGB, Channels, channels_of
from mmae_jax.baselines.base import Arrays, FoundationEncoder
from mmae_jax.baselines.pictures import Statistics, picture
from mmae_jax.baselines.sincos import sincos, sincos_square
from mmae_jax.baselines.vit import ViT
from mmae_jax.models.resize import resize
from mmae_jax.models.samples import Samples
from mmae_jax.spec import FOUNDATION_MODELS, Experiment, SpecError
from mmae_jax.spec.error import choices

STATISTICS = Statistics((0.4182, 0.4215, 0.3991), (0.2877, 0.2754, 0.2764))
FIRST_YEAR = 2002
MONTHS = np.cumsum([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
"""Last day of each month but December, in years of 365 days."""
DATE_SHARE = 8
"""Of the width, the share of each of year, month and hour."""


class SatMAE(FoundationEncoder):
    """A class token and the patches of all dates that are there."""

    statistics: ClassVar[Statistics] = STATISTICS

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        super().__init__(experiment, rngs=rngs)
        self.vit = ViT(experiment, rngs=rngs)

    @classmethod
    def check(cls, experiment: Experiment) -> None:
        """Raises a `SpecError` where the input lacks a colour."""
        (name,) = experiment.inputs
        if not set(RGB.values()) <= set(cls.channels(experiment, name)):
            raise SpecError(
                f"inputs.{name}.bands: expected red, green and blue for {experiment.model.encoder}, "
                f"found {choices(experiment.inputs[name].band_names)}"
            )

    @classmethod
    def channels(cls, experiment: Experiment, name: str) -> Channels:
        """Returns red, green or blue for each band of the input."""
        return channels_of(experiment, name, RGB)

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens: input → `[B, D, L, E]`."""
        experiment = self.experiment
        (name,) = experiment.inputs
        with jax.named_scope("embed"):
            pixels = picture(samples, name, experiment, self.channels(experiment, name), self.statistics)
            tokens = self.patch_embed[name](pixels)
            tokens = tokens + self._encoding(samples.dates[name], experiment.inputs[name].grid).astype(tokens.dtype)
        (sequence,), (valid,) = (self.fusion.join(one).values() for one in ({name: tokens}, self.available(samples)))
        with jax.named_scope("encoder"):
            return self.fusion.split({name: self.vit(sequence, valid)})

    def _encoding(self, dates: jax.Array, grid: int) -> jax.Array:
        """Returns positions and dates, float32 `[B, D, L, E]`."""
        each = self.width // DATE_SHARE
        numbers = timestamps(dates, as_published=self.experiment.model.foundation.repeats("timestamps"))
        of_dates = sincos(numbers, each).reshape(*dates.shape[:2], 1, 3 * each)
        of_places = jnp.asarray(positions(grid, self.width - 3 * each))[None, None]
        shape = (*dates.shape[:2], grid**2)
        parts = [jnp.broadcast_to(one, (*shape, one.shape[-1])) for one in (of_places, of_dates)]
        return jnp.concatenate(parts, axis=-1)


def positions(grid: int, width: int) -> jax.Array:
    """Returns the encoding of the places of a grid, float32 `[grid², width]`."""
    square = jnp.asarray(sincos_square(FOUNDATION_MODELS["satmae"].grid, width))
    return resize(square, grid, "bicubic", axes=(0, 1)).reshape(grid**2, width)


def timestamps(dates: jax.Array, *, as_published: bool) -> jax.Array:
    """Returns what of dates is encoded, float32 `[..., 3]`: years since 2002, months since January, hour of the day.

    Args:
      dates: int `[..., 3]`, `[year, day_of_year, hour]`.
      as_published: year and day of the year stand for the first two.
    """
    if as_published:
        return dates.astype(jnp.float32)
    year, day, hour = jnp.moveaxis(dates.astype(jnp.int32), -1, 0)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    of_leap_years = MONTHS + (np.arange(len(MONTHS)) >= 1)
    month = jnp.where(leap, _month(day, of_leap_years), _month(day, MONTHS))
    return jnp.stack([year - FIRST_YEAR, month, hour], axis=-1).astype(jnp.float32)


def _month(day: jax.Array, ends: np.ndarray) -> jax.Array:
    """Returns how many months, whose last days are `ends`, are over on a day of the year."""
    return jnp.searchsorted(jnp.asarray(ends), day, side="left")
