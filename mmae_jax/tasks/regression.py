"""`regression`: one number, such as a height, for a tile or for each pixel."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.metrics import Scores, Summary
from mmae_jax.moments import Moments
from mmae_jax.spec import Target
from mmae_jax.tasks.base import Penalty, Task
from mmae_jax.tasks.weighted import Weighted, number_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMS = ("count", "mean", "spread", "absolute", "squared", "predicted")
FARTHEST = 2**53
"""Numbers farther from 0 are counted as this one in histograms: integers beyond it are no longer exact."""

MOST_INTERVALS = 4096
"""Intervals of a histogram."""
TENTHS = 10


@dataclasses.dataclass(frozen=True)
class NumberScores(Scores):
    """Scores of numbers.

    Attributes:
      true, predicted: float64 `[N]`, the mean over the pixels that count of each of the N samples that have any.
    """

    true: np.ndarray
    predicted: np.ndarray


@dataclasses.dataclass(frozen=True)
class NumberTally:
    """Sums over numbers; those of two parts add up.

    Attributes:
      moments: moments of the numbers that are not missing, as one band.
      missing: number of those that are.
      units: whole part, rounded down → how many numbers have it.
    """

    moments: Moments
    missing: int
    units: Counter[int]

    def __add__(self, other: NumberTally) -> NumberTally:
        return NumberTally(self.moments + other.moments, self.missing + other.missing, self.units + other.units)


class Regression(Task):
    """The stored number, in its stored unit; NaN, `missing_value` and `ignored` values are excluded."""

    metrics = ("rmse", "mae", "r2")
    monitors = ("r2",)
    per_tile = True
    per_pixel = True
    numeric = True
    stored_dtype = "float32"

    def outputs(self, target: Target) -> int:
        """Returns 1."""
        return 1

    def dtype(self, target: Target) -> str:
        """Returns the stored dtype of rasters, else float32."""
        return target.dtype if target.is_raster else "float32"

    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns the number, float32 `[]`, or the numbers as they are stored, `[h, w]`."""
        return stored if target.is_raster else stored.astype(np.float32)

    def present(self, target: Target, targets: jax.Array) -> jax.Array:
        """Excludes what is not finite, missing and ignored numbers."""
        numbers = targets.astype(jnp.float32)
        excluded = jnp.asarray(target.excluded, jnp.float32)
        return jnp.isfinite(numbers) & ~jnp.isin(numbers, excluded)

    def error(self, predicted: jax.Array, targets: jax.Array, counted: jax.Array, penalty: Penalty) -> jax.Array:
        """Returns the penalty of the difference."""
        return penalty(_difference(predicted, targets, counted))

    def readout(self, predicted: jax.Array) -> jax.Array:
        """Returns the number."""
        return predicted.astype(jnp.float32)

    def summarise(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns of each sample, `[B]`: `count`, means of truth and prediction, and sums of deviations and errors.

        `spread` is the sum of squared deviations from the sample's own mean, which float32 holds to its last digits;
        sums of squares of the numbers themselves would cancel.
        """
        axes = tuple(range(1, counted.ndim))
        count = counted.sum(axes).astype(jnp.float32)
        true = jnp.where(counted, targets, 0).astype(jnp.float32)
        difference = _difference(predicted, targets, counted)
        mean = true.sum(axes) / jnp.maximum(count, 1)
        deviation = jnp.where(counted, true - mean.reshape(-1, *(1,) * len(axes)), 0)
        return {
            "count": count,
            "mean": mean,
            "spread": jnp.square(deviation).sum(axes),
            "absolute": jnp.abs(difference).sum(axes),
            "squared": jnp.square(difference).sum(axes),
            "predicted": mean + difference.sum(axes) / jnp.maximum(count, 1),
        }

    def joined(self, target: Target, summaries: Sequence[Summary]) -> Summary:
        """Returns the samples with a number that counts, one after the other."""
        rows = {name: np.concatenate([np.zeros(0, np.float32), *(part[name] for part in summaries)]) for name in SUMS}
        return {name: values[rows["count"] > 0] for name, values in rows.items()}

    def scores(self, summary: Summary) -> Scores:
        """Returns root mean square and mean absolute error, and the share of the variance that is explained.

        R² is NaN where all numbers are the same.
        """
        count, mean, spread, absolute, squared, predicted = (np.asarray(summary[name], np.float64) for name in SUMS)
        total = count.sum()
        if not total:
            return NumberScores(dict.fromkeys(self.metrics, float("nan")), mean, predicted)
        of_all = (count * mean).sum() / total
        variation = spread.sum() + (count * np.square(mean - of_all)).sum()
        overall = {
            "rmse": float(np.sqrt(squared.sum() / total)),
            "mae": float(absolute.sum() / total),
            "r2": float(1 - squared.sum() / variation) if variation > 0 else float("nan"),
        }
        return NumberScores(overall, mean, predicted)

    def weighted(self, samples: Summary, weights: np.ndarray) -> Weighted:
        """Returns errors and R² of weighted sums."""
        return number_scores(samples, weights)

    def strata(self, target: Target, targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Returns in which tenth of the samples the mean of each lies."""
        count = counted.reshape(len(counted), -1).sum(1)
        mean = np.where(counted, targets, 0).reshape(len(counted), -1).sum(1, dtype=np.float64) / np.maximum(count, 1)
        edges = np.quantile(mean[count > 0], np.arange(1, TENTHS) / TENTHS) if count.any() else np.zeros(TENTHS - 1)
        tenth = np.searchsorted(edges, mean, side="right")
        return (tenth[:, None] == np.arange(TENTHS)) & (count > 0)[:, None]

    def figures(self, title: str, target: Target, scores: Scores) -> Mapping[str, Figure]:
        """Draws the predicted against the true number of each sample."""
        from mmae_jax.report.style import BLUE, GREY, new_figure, plain

        assert isinstance(scores, NumberScores)
        figure = new_figure(4.6, 4.8, title)
        axes = figure.subplots()
        plain(axes, grid="both")
        axes.plot(scores.true, scores.predicted, "o", color=BLUE, markersize=3, alpha=0.5)
        axes.axline((0, 0), slope=1, color=GREY, linewidth=1)
        axes.set_xlabel(f"true {target.field} (mean of each sample)")
        axes.set_ylabel(f"predicted {target.field}")
        axes.set_title(", ".join(f"{name} {value:.3g}" for name, value in scores.overall.items()), fontsize=9)
        return {"values": figure}

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> NumberTally:
        """Sums the numbers; of a tile with one number all blocks have the same."""
        numbers = np.concatenate([np.ravel(field) for field in fields if target.is_raster or field is fields[0]])
        numbers = numbers.astype(np.float64)
        missing = ~np.isfinite(numbers) | np.isin(numbers, target.excluded)
        units = np.clip(np.floor(numbers[~missing]), -FARTHEST, FARTHEST).astype(int)
        return NumberTally(Moments.of(numbers[None], missing[None]), int(missing.sum()), Counter(units.tolist()))

    def described(self, target: Target, tally: NumberTally) -> dict[str, Any]:
        """Returns what statistics also tell of a band: number, mean, spread, extremes and histogram of the values."""
        moments = tally.moments
        count = int(moments.count[0])
        figures = {
            "mean": moments.mean[0],
            "standard_deviation": moments.deviation[0],
            "minimum": moments.low[0],
            "maximum": moments.high[0],
        }
        return {
            "values": count,
            "missing_fraction": tally.missing / (count + tally.missing) if count + tally.missing else None,
            **{name: float(value) if count else None for name, value in figures.items()},
            "histogram": _histogram(tally.units),
        }


def _histogram(units: Counter[int]) -> dict[str, Any]:
    """Returns the counts of consecutive intervals from the first to the last with a number, a unit wide or more."""
    first, last = min(units, default=0), max(units, default=-1)
    width = 1
    while (last - first) // width >= MOST_INTERVALS:
        width *= 2
    counts = [0] * ((last - first) // width + 1)
    for unit, number in units.items():
        counts[(unit - first) // width] += number
    return {"first_edge": float(first), "bin_width": float(width), "counts": counts, "below": 0, "above": 0}


def _difference(predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> jax.Array:
    """Returns prediction minus truth, float32; 0 where it does not count, so that no gradient flows from there."""
    true = jnp.where(counted, targets, 0).astype(jnp.float32)
    return jnp.where(counted, predicted[..., 0].astype(jnp.float32) - true, 0)
