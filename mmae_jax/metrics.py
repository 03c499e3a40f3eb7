"""Scores of predictions, as numbers of what was counted (docs/method.md §8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Summary = dict[str, Any]
"""What the scores of some samples need, by name; arrays."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of one target.

    Attributes:
      overall: metric → value; NaN where nothing was counted.
    """

    overall: dict[str, float]


@dataclasses.dataclass(frozen=True)
class ClassScores(Scores):
    """Scores of one target with C classes.

    Attributes:
      per_class: metric → float64 `[C]`; NaN where a class has no score.
      support: int64 `[C]`, samples or pixels of each class.
      confusion: int64 `[C, C]` (true class, predicted class), or for multilabel `[C, 2, 2]` (class, true, predicted).
    """

    per_class: dict[str, np.ndarray]
    support: np.ndarray
    confusion: np.ndarray


def confusion_matrix(logits: jax.Array, targets: jax.Array, counted: jax.Array, num_classes: int) -> jax.Array:
    """Counts pairs of true (rows) and predicted (columns) class.

    Args:
      logits: float `[..., C]`; the largest predicts.
      targets: integer `[...]`; values outside 0 … C−1 are never counted.
      counted: bool `[...]`.
      num_classes: C.

    Returns:
      int32 `[C, C]`.
    """
    true = jax.nn.one_hot(jnp.where(counted, targets, -1), num_classes, dtype=jnp.int8)
    predicted = jax.nn.one_hot(jnp.argmax(logits, axis=-1), num_classes, dtype=jnp.int8)
    return jnp.einsum("...t,...p->tp", true, predicted, preferred_element_type=jnp.int32)


def scores_from_confusion(confusion: np.ndarray, metrics: Sequence[str]) -> ClassScores:
    """Returns the scores of a confusion matrix; averages go over the classes present in the targets.

    Args:
      confusion: integers `[C, C]`, rows true, columns predicted.
      metrics: names of the overall scores: of `overall_accuracy`, `average_f1`, `weighted_f1` (by how frequent
        classes are) and `average_iou`.
    """
    confusion = np.asarray(confusion, np.int64)
    hits, support, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    present = support > 0
    per_class = {
        "f1": np.where(present, _ratio(2 * hits, support + predicted), np.nan),
        "iou": np.where(present, _ratio(hits, support + predicted - hits), np.nan),
        "precision": np.where(present, _ratio(hits, predicted), np.nan),
        "recall": _ratio(hits, support),
    }
    overall = {
        "overall_accuracy": float(_ratio(hits.sum(), support.sum())),
        "average_f1": _mean(per_class["f1"]),
        "weighted_f1": _weighted_mean(per_class["f1"], _ratio(support, support.sum())),
        "average_iou": _mean(per_class["iou"]),
    }
    return ClassScores({name: overall[name] for name in metrics}, per_class, support, confusion)


def multilabel_scores(logits: np.ndarray, targets: np.ndarray) -> ClassScores:
    """Returns the scores of independent classes, predicted where the sigmoid exceeds ½.

    A class without positive samples has no average precision, and no F1 unless it is predicted (then 0).

    Args:
      logits: float `[N, C]`.
      targets: 0 or 1, `[N, C]`.
    """
    true, predicted = np.asarray(targets) == 1, np.asarray(logits) > 0
    pairs = [[~true & ~predicted, ~true & predicted], [true & ~predicted, true & predicted]]
    confusion = np.moveaxis(np.sum(pairs, axis=2), -1, 0)
    support = true.sum(0)
    weight = _ratio(support, support.sum())
    f1 = _ratio(2 * confusion[:, 1, 1], support + predicted.sum(0))
    precisions = [_average_precision(column, scores) for column, scores in zip(true.T, logits.T, strict=True)]
    per_class = {"f1": f1, "ap": np.asarray(precisions)}
    overall = {f"average_{name}": _mean(values) for name, values in per_class.items()}
    overall |= {f"weighted_{name}": _weighted_mean(values, weight) for name, values in per_class.items()}
    return ClassScores(overall, per_class, support, confusion)


def _average_precision(true: np.ndarray, scores: np.ndarray) -> float:
    # Takes a second to import, which readers of records and configurations, who only look up names, need not wait.
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(true, scores)) if true.any() else float("nan")


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divides, with NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.divide(numerator, denominator)


def _mean(values: np.ndarray) -> float:
    scored = values[~np.isnan(values)]
    return float(scored.mean()) if scored.size else float("nan")


def _weighted_mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float(np.nansum(values * weight)) if np.isfinite(weight).any() else float("nan")
