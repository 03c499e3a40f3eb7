"""Sums that are added up exactly in any order of the parts: moments, correlations, histograms.

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


@dataclasses.dataclass(frozen=True)
class Comoments:
    """Count, mean `[C]` and sum of products of deviations `[C, C]` of pixels in which all of C bands are present."""

    count: float
    mean: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Comoments:
        """Returns the comoments of `values` `[C, N]`."""
        count = values.shape[1]
        mean = values.sum(1) / max(count, 1)
        centred = values - mean[:, None]
        return cls(float(count), mean, centred @ centred.T)

    def __add__(self, other: Comoments) -> Comoments:
        count = self.count + other.count
        share = other.count / max(count, 1.0)
        step = other.mean - self.mean
        products = self.products + other.products + np.outer(step, step) * self.count * share
        return Comoments(count, self.mean + step * share, products)

    @property
    def correlation(self) -> np.ndarray:
        """Correlation of each pair of bands, `[C, C]`; NaN with a band of one value only."""
        deviation = np.sqrt(np.diag(self.products))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = self.products / np.outer(deviation, deviation)
        return np.clip(correlation, -1, 1)


@dataclasses.dataclass(frozen=True)
class Bins:
    """`number` bins of equal `width` from `low` on; what is outside is counted below or above."""

    low: float
    width: float
    number: int

    def count(self, values: np.ndarray, absent: np.ndarray | None = None) -> np.ndarray:
        """Returns how many of `values` `[C, N]` fall below, into each bin, and above: int64 `[C, number + 2]`."""
        place = np.clip(np.floor((values - self.low) / self.width), -1, self.number)
        place = np.nan_to_num(place, nan=-1).astype(np.int64) + 1
        rows = [place[band] if absent is None else place[band][~absent[band]] for band in range(len(values))]
        return np.stack([np.bincount(row, minlength=self.number + 2) for row in rows])
