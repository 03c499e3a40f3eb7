"""What differences between paired runs tell (docs/claims.md)."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import stats

from mmae_jax.claims.claim import Comparison

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was found about a comparison.

    Attributes:
      difference: mean difference of scores.
      low, high: ends of its 95 % interval; infinite where there is one pair only.
      verdict: `HOLDS`: the difference is larger than `least`. `FAILS`: it is smaller than what counts. `OPEN`: neither
        can be told.
    """

    difference: float
    low: float
    high: float
    verdict: str


def verdict(comparison: Comparison, better: np.ndarray, worse: np.ndarray, *, tested: float | None) -> Verdict:
    """Compares the scores of two arms.

    Args:
      comparison: what is claimed.
      better, worse: scores of its arms `[folds, seeds]`, of the same data and seeds.
      tested: samples tested in samples trained on, where folds are parts of the same data, whose training sets overlap;
        None where the data of each fold are others.
    """
    of_folds = (better - worse).mean(axis=1)
    difference = float(of_folds.mean())
    half = half_width(of_folds, tested)
    low, high = difference - half, difference + half
    if high < comparison.least + comparison.margin:
        found = FAILS
    elif low > comparison.least:
        found = HOLDS
    else:
        found = OPEN
    return Verdict(difference, low, high, found)


def half_width(of_folds: np.ndarray, tested: float | None) -> float:
    """Returns half of the 95 % interval of a mean over folds, by Student's t.

    Folds of the same data are no independent draws: their variance is raised as Nadeau and Bengio (2003) propose, by
    the share of tested in trained samples.
    """
    count = len(of_folds)
    if count < 2:
        return float("inf")
    spread = float(of_folds.std(ddof=1)) * float(np.sqrt(1 / count + (tested or 0.0)))
    return spread * float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
