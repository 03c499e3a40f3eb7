"""Sums that are added up exactly in any order of the parts: correlations, histograms; see `mmae_jax.moments`, too."""

from __future__ import annotations

import dataclasses

import numpy as np


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
