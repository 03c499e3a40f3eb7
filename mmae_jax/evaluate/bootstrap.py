"""How far a score could be from that of all samples there could have been: the bootstrap over groups of samples.

Groups of samples are drawn with replacement, as many as there are; the score of each draw is computed from the weights
that samples have in it (Efron 1979, https://doi.org/10.1214/aos/1176344552). Scores of two models on the same samples
are drawn together, so that what is hard for both does not widen the interval of their difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
from tqdm import tqdm

from mmae_jax import tasks
from mmae_jax.metrics import Summary
from mmae_jax.spec import Target

SHARE = 95.0
"""Of the draws that lie between the ends of an interval [%]."""
MOST_NUMBERS = 1 << 23
"""Weights of pairs of draw and sample that are in memory at once."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A score, and between which values `SHARE` of its draws lie; NaN where there is none."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> Interval:
        """Returns the interval of draws `[R]`."""
        known = draws[np.isfinite(draws)]
        if not len(known):
            return cls(value, float("nan"), float("nan"))
        low, high = np.percentile(known, [50 - SHARE / 2, 50 + SHARE / 2])
        return cls(value, float(low), float(high))


@dataclasses.dataclass(frozen=True)
class Resampled:
    """Scores of some predictions, and those of R draws of their samples.

    Attributes:
      values: metric → score of all samples.
      draws: metric → float64 `[R]`.
    """

    values: Mapping[str, float]
    draws: Mapping[str, np.ndarray]

    def intervals(self) -> dict[str, Interval]:
        """Returns metric → score and interval."""
        return {name: Interval.of(value, self.draws[name]) for name, value in self.values.items()}

    def minus(self, other: Resampled) -> dict[str, Interval]:
        """Returns metric → difference of the scores, of predictions of the same samples, drawn alike."""
        return {
            name: Interval.of(value - other.values[name], self.draws[name] - other.draws[name])
            for name, value in self.values.items()
        }


def resampled(target: Target, samples: Summary, groups: np.ndarray, number: int, seed: int = 0) -> Resampled:
    """Scores samples, and draws of them.

    Args:
      target: what is predicted.
      samples: what the task's `by_sample` returns of N samples.
      groups: int `[N]`, which of G groups each sample is in: 0 … G−1.
      number: R; no intervals where there are fewer than two groups.
      seed: of the draws; the same groups are drawn for the same `seed`, whatever the samples.
    """
    task = tasks.of(target)
    whole = task.weighted(samples, np.ones((1, len(groups))))
    values = {name: float(score[0]) for name, score in whole.items()}
    parts = [{name: np.zeros(0) for name in values}]
    rows = max(1, MOST_NUMBERS // (max(1, len(groups)) * max(1, target.num_classes)))
    draws = number if len(np.unique(groups)) > 1 else 0
    with tqdm(total=draws, unit="draw", desc="bootstrap", leave=False, delay=3) as bar:
        for weights in drawn(groups, draws, rows, seed):
            parts.append(task.weighted(samples, weights))
            bar.update(len(weights))
    return Resampled(values, {name: np.concatenate([part[name] for part in parts]) for name in values})


def drawn(groups: np.ndarray, number: int, rows: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each of N samples is drawn, float64 `[r, N]`: `number` draws, at most `rows` at once.

    Args:
      groups: int `[N]`, 0 … G−1; samples of a group are drawn together.
      number: of draws.
      rows: largest r.
      seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    for start in range(0, number, rows):
        draws = range(start, min(start + rows, number))
        times = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in draws]
        yield np.stack(times)[:, groups].astype(np.float64)
