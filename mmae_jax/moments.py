"""Mean, spread and extremes of numbers, added up exactly in any order of the parts.

Means and squares are kept around each part's own mean (Chan, Golub and LeVeque 1983, https://doi.org/10.2307/2683386),
so that values far from 0 with little spread lose no digits.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations, smallest and largest value of each of C bands; float64 `[C]` each."""

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, absent: np.ndarray | None = None) -> Moments:
        """Returns the moments of `values` `[C, N]` but for those `absent` (bool `[C, N]`)."""
        if absent is None:
            absent = np.zeros(values.shape, bool)
        count = (~absent).sum(1).astype(np.float64)
        mean = np.where(absent, 0, values).sum(1) / np.maximum(count, 1)
        squares = np.where(absent, 0, (values - mean[:, None]) ** 2).sum(1)
        low = np.where(absent, np.inf, values).min(1, initial=np.inf)
        high = np.where(absent, -np.inf, values).max(1, initial=-np.inf)
        return cls(count, mean, squares, low, high)

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        step = other.mean - self.mean
        return Moments(
            count,
            self.mean + step * share,
            self.squares + other.squares + step**2 * self.count * share,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each band, NaN where it has no value."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.squares / self.count)
