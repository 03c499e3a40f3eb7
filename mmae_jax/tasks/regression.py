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
from mmae_jax.spec import Target
from mmae_jax.tasks.base import Penalty, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMS = ("count", "mean", "spread", "absolute", "squared", "predicted")
MISSING = None
"""Stands for all missing values in a tally."""


@dataclasses.dataclass(frozen=True)
class NumberScores(Scores):
    """Scores of numbers.

    Attributes:
      true, predicted: float64 `[N]`, the mean over the pixels that count of each of the N samples that have any.
    """

    true: np.ndarray
    predicted: np.ndarray


class Regression(Task):
    """The stored number, in its stored unit; NaN, `missing_value` and `ignored` values are excluded."""

    metrics = ("rmse", "mae", "r2")
    monitors = ("r2",)
    per_tile = True
    per_pixel = True

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
        excluded = jnp.asarray((target.missing_value, *target.ignored), jnp.float32)
        return jnp.isfinite(numbers) & ~jnp.isin(numbers, excluded)

    def error(self, predicted: jax.Array, targets: jax.Array, counted: jax.Array, penalty: Penalty) -> jax.Array:
        """Returns the penalty of the difference."""
        return penalty(_difference(predicted, targets, counted))

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

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Counter[Any]:
        """Counts numbers by their whole part."""
        numbers = np.concatenate([np.ravel(field) for field in fields if target.is_raster or field is fields[0]])
        numbers = numbers.astype(np.float64)
        missing = ~np.isfinite(numbers) | np.isin(numbers, (target.missing_value, *target.ignored))
        values, counts = np.unique(np.floor(numbers[~missing]), return_counts=True)
        return Counter(dict(zip(values.astype(int).tolist(), counts.tolist(), strict=True)) | {MISSING: missing.sum()})

    def named(self, target: Target, tally: Counter[Any]) -> tuple[dict[str, int], dict[str, int]]:
        """Returns the counts by intervals of one unit, and of what is missing."""
        present = sorted((value, number) for value, number in tally.items() if value is not MISSING)
        missing = int(tally[MISSING])
        return (
            {f"{value} to {value + 1}": number for value, number in present},
            {"missing": missing} if missing else {},
        )


def _difference(predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> jax.Array:
    """Returns prediction minus truth, float32; 0 where it does not count, so that no gradient flows from there."""
    true = jnp.where(counted, targets, 0).astype(jnp.float32)
    return jnp.where(counted, predicted[..., 0].astype(jnp.float32) - true, 0)
