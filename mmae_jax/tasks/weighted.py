"""Scores under weights of samples, for many sets of weights at once, such as the resamples of a bootstrap.

Axes: R sets of weights, N samples, C classes. With all weights 1 they are the scores of `mmae_jax.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Weighted = dict[str, np.ndarray]
"""Metric → float64 `[R]`; NaN where nothing was counted."""


def confusion_scores(confusion: np.ndarray) -> Weighted:
    """Returns the scores of confusion matrices; averages go over the classes present in the targets.

    Args:
      confusion: float64 `[R, C, C]`, rows true, columns predicted.
    """
    hits, support, predicted = np.einsum("rcc->rc", confusion), confusion.sum(2), confusion.sum(1)
    present = support > 0
    recall = ratio(hits, support)
    f1 = np.where(present, ratio(2 * hits, support + predicted), np.nan)
    iou = np.where(present, ratio(hits, support + predicted - hits), np.nan)
    return {
        "overall_accuracy": ratio(hits.sum(1), support.sum(1)),
        "balanced_accuracy": mean(recall),
        "average_f1": mean(f1),
        "weighted_f1": weighted_mean(f1, support),
        "average_iou": mean(iou),
    }


def multilabel_scores(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Weighted:
    """Returns the scores of independent classes, predicted where the sigmoid exceeds ½.

    `balanced_accuracy` is the mean over classes of the mean of sensitivity and specificity; `micro_…` takes all pairs
    of sample and class as one class.

    Args:
      logits: float `[N, C]`.
      targets: 0 or 1, `[N, C]`.
      weights: float64 `[R, N]`.
    """
    true, found = targets == 1, logits > 0
    hits, support, predicted = (weights @ array.astype(np.float64) for array in (true & found, true, found))
    absent = weights.sum(1, keepdims=True) - support
    f1 = ratio(2 * hits, support + predicted)
    balanced = (ratio(hits, support) + ratio(absent - predicted + hits, absent)) / 2
    pairs = [average_precision(one, scores, weights) for one, scores in zip(true.T, logits.T, strict=True)]
    ap = np.stack(pairs, axis=1) if pairs else np.zeros((len(weights), 0))
    each = np.repeat(weights, true.shape[1], axis=1)
    return {
        "average_f1": mean(f1),
        "average_ap": mean(ap),
        "weighted_f1": weighted_mean(f1, support),
        "weighted_ap": weighted_mean(ap, support),
        "micro_f1": ratio(2 * hits.sum(1), (support + predicted).sum(1)),
        "micro_ap": average_precision(true.ravel(), logits.ravel(), each),
        "balanced_accuracy": mean(balanced),
    }


def average_precision(true: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the average precision as scikit-learn has it, equal scores one threshold; NaN without positives.

    Args:
      true: bool `[N]`.
      scores: float `[N]`.
      weights: float64 `[R, N]`.
    """
    order = np.argsort(-scores, kind="stable")
    # the weights of what scores as much or more: up to the last of those that score the same
    last = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    positives = np.flatnonzero(true[order])
    if not len(positives):
        return np.full(len(weights), np.nan)
    at, weights = last[positives], weights[:, order]
    positive = weights[:, positives]
    reached = np.cumsum(positive, axis=1)
    hits = reached[:, np.searchsorted(positives, at, side="right") - 1]
    precision = ratio(hits, np.cumsum(weights, axis=1)[:, at])
    return ratio(np.where(positive > 0, positive * precision, 0).sum(1), reached[:, -1])


def number_scores(sums: Mapping[str, np.ndarray], weights: np.ndarray) -> Weighted:
    """Returns root mean square and mean absolute error, and the share of the variance that is explained.

    Args:
      sums: of each sample, as `Regression.summarise` has them, `[N]` each.
      weights: float64 `[R, N]`.
    """
    count, of_mean, spread, absolute, squared = (
        np.asarray(sums[name], np.float64) for name in ("count", "mean", "spread", "absolute", "squared")
    )
    # around the mean of all, which is near that of each resample: no digits cancel
    centre = (count * of_mean).sum() / max(count.sum(), 1)
    moved = of_mean - centre
    columns = np.stack([count, absolute, squared, spread, count * moved, count * moved**2], axis=1)
    total, absolute, squared, spread, first, second = (weights @ columns).T
    variation = spread + second - ratio(first**2, total)
    return {
        "rmse": np.sqrt(ratio(squared, total)),
        "mae": ratio(absolute, total),
        "r2": 1 - np.where(variation > 0, ratio(squared, np.where(variation > 0, variation, 1)), np.nan),
    }


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divides, with NaN for 0 / 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(numerator, denominator)


def mean(values: np.ndarray) -> np.ndarray:
    """Returns the mean over the classes of `[R, C]` that have a score."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0).sum(1), there.sum(1))


def weighted_mean(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Returns the mean over the classes of `[R, C]`, by how frequent they are."""
    return ratio(np.where(np.isnan(values), 0, values * support).sum(1), support.sum(1))
