"""What grows on trial fields, and when: what is there, whatever sensors see of it."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.datasets.trial_fields.truth import Truth

SIDE, DATES = 4, 12
SLOW, QUICK = 0.8, 0.2
"""Share of a season until the crop is grown: where it comes up slowly, and where it ends slowly."""


@dataclasses.dataclass(frozen=True)
class Fields:
    """Fields of a split.

    Attributes:
      crop: index into `contract.CROPS`, int64 `[n]`.
      days: days of year of the acquisitions of all satellites, int64 `[n, 12]`.
      green: how green each pixel is on each date, -0.5 to 0.5, float64 `[n, 12, 4, 4]`.
    """

    crop: np.ndarray
    days: np.ndarray
    green: np.ndarray

    @property
    def twice(self) -> np.ndarray:
        """Whether there are two seasons a year, 0 or 1, int64 `[n]`."""
        return self.crop // 2

    @property
    def slow(self) -> np.ndarray:
        """Whether crops come up slowly and end quickly, rather than the other way round, 0 or 1, int64 `[n]`."""
        return self.crop % 2


def grow(rng: np.random.Generator, truth: Truth, count: int) -> Fields:
    """Returns fields of random crops."""
    crop = rng.integers(0, 4, count)
    days = np.linspace(10, 325, DATES).astype(int) + rng.integers(0, 25, (count, DATES))
    begin = rng.uniform(0, 1, (count, SIDE, SIDE) if truth.texture == "mixed" else (count, 1, 1))
    return Fields(crop, days, _green(days / 365, begin, crop))


def _green(years: np.ndarray, begin: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Returns how green pixels are at times `[n, 12]`: up to a tip and down again, from any time of the year on.

    As seasons begin at any time, each date for itself has the same distribution for all crops.
    """
    phase = (1 + crop // 2)[:, None, None, None] * (years[:, :, None, None] - begin[:, None]) % 1
    tip = np.where(crop % 2 == 1, SLOW, QUICK)[:, None, None, None]
    rising = np.where(phase < tip, phase / tip, (1 - phase) / (1 - tip)) - 0.5
    return np.broadcast_to(rising, (*years.shape, SIDE, SIDE))
