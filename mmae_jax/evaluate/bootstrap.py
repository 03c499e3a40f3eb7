"""How far a score could be from that of other samples: half of the groups of samples, drawn again and again.

Each draw is half of the groups, without replacement; its score is computed from the weights that samples have in it.
A mean of such halves spreads as that of as many other samples would, just as the bootstrap's draws with replacement
do (the delete-half jackknife; J. Shao and C. F. J. Wu, "A general theory for jackknife variance estimation", 1989).
But in draws with replacement samples occur several times, for which average precision is too good, as it ranks a
sample beside its copies, and scores of small classes spread too little. Draws are moved so that their mean is the
score itself before the ends are taken, as half of the samples score a little better or worse than all. Scores of two
models on the same samples are drawn together, so that what is hard for both does not widen the interval of their
difference.
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
    """A score, and between which values that of as many other samples is expected; NaN where there is none."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: np.ndarray) -> Interval:
        """Returns the interval in which `SHARE` of draws `[R]` lie, moved so that their mean is the value."""
        known = draws[np.isfinite(draws)]
        if not len(known):
            return cls(value, float("nan"), float("nan"))
        low, high = np.percentile(known - known.mean() + value, [50 - SHARE / 2, 50 + SHARE / 2])
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
    """Yields whether each of N samples is drawn, 0 or 1, float64 `[r, N]`: `number` draws, at most `rows` at once.

    Of an odd number of groups every other draw has one more than the half.

    Args:
      groups: int `[N]`, 0 … G−1; samples of a group are drawn together.
      number: of draws.
      rows: largest r.
      seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    for start in range(0, number, rows):
        yield np.stack(
            [
                rng.permutation(count) < (count + draw % 2) // 2  # that many places of a shuffled row
                for draw in range(start, min(start + rows, number))
            ]
        )[:, groups].astype(np.float64)
