"""Scores of predictions (SPEC §8): a summary of each batch on the device, accumulated and scored on the host.

`summarise` runs inside jit and keeps what the scores need. Summaries add up: `Accumulator.update` takes those of
batches and those of other accumulators (other hosts) alike, so every sample counts once however the data are split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import average_precision_score

from mmae_jax import spec
from mmae_jax.config import METRICS
from mmae_jax.losses import counted_targets

Summary = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of one target; C classes.

    Attributes:
      overall: metric → value, the names of `config.METRICS`; NaN where nothing was counted.
      per_class: metric → float64 `[C]`; NaN where a class has no score.
      support: int64 `[C]`, samples or pixels of each class.
      confusion: int64 `[C, C]` (true class, predicted class), or for multilabel `[C, 2, 2]` (class, true, predicted).
    """

    overall: dict[str, float]
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


def summarise(target: spec.Target, logits: jax.Array, targets: jax.Array, weight: jax.Array) -> Summary:
    """Returns what the scores of a batch need; usable inside jit.

    A multilabel sample with any missing class is excluded, as is a missing class or pixel of the other kinds.

    Args:
      target: what is predicted.
      logits: float `[B, C]` (multilabel, classif) or `[B, h, w, C]` (segment).
      targets: integers `[B, C]`, `[B]` or `[B, h, w]`.
      weight: float `[B]`, 0 for the padding of a batch.

    Returns:
      multilabel: `logits` float32 `[B, C]`, `targets` int32 `[B, C]`, `counted` bool `[B]`;
      otherwise: `confusion` int32 `[C, C]`.
    """
    counted = counted_targets(targets, weight, target)
    if target.kind == "multilabel":
        return {"logits": logits.astype(jnp.float32), "targets": targets, "counted": counted}
    return {"confusion": confusion_matrix(logits, targets.astype(jnp.int32), counted, target.num_classes)}


class Accumulator:
    """Adds up the summaries of one target on the host.

    Hosts that saw different samples merge by `accumulator.update(other.summary())`; summaries hold plain arrays.
    """

    def __init__(self, target: spec.Target):
        self._target = target
        self._confusion = np.zeros((target.num_classes, target.num_classes), np.int64)
        self._logits = [np.zeros((0, target.num_classes), np.float32)]
        self._targets = [np.zeros((0, target.num_classes), np.int32)]

    def update(self, summary: Mapping[str, Any]) -> None:
        """Adds a summary of `summarise` or of another accumulator; waits for the device.

        Args:
          summary: every array must be readable on this host: replicated, where several hosts hold parts of a batch.
        """
        if self._target.kind == "multilabel":
            counted = np.asarray(summary["counted"])
            self._logits.append(np.asarray(summary["logits"])[counted])
            self._targets.append(np.asarray(summary["targets"])[counted])
        else:
            self._confusion += np.asarray(summary["confusion"])

    def summary(self) -> Summary:
        """Returns everything added so far, in the form that `update` takes (without padding)."""
        if self._target.kind == "multilabel":
            logits, targets = np.concatenate(self._logits), np.concatenate(self._targets)
            return {"logits": logits, "targets": targets, "counted": np.ones(len(logits), bool)}
        return {"confusion": self._confusion.copy()}

    def result(self) -> Scores:
        """Returns the scores of everything added so far."""
        summary = self.summary()
        if self._target.kind == "multilabel":
            return multilabel_scores(summary["logits"], summary["targets"])
        return scores_from_confusion(summary["confusion"], self._target.kind)


def scores_from_confusion(confusion: np.ndarray, kind: Literal["classif", "segment"]) -> Scores:
    """Returns the scores of a confusion matrix; averages go over the classes present in the targets.

    Args:
      confusion: integers `[C, C]`, rows true, columns predicted.
      kind: chooses the overall scores.
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
        "average_iou": _mean(per_class["iou"]),
    }
    return Scores({name: overall[name] for name in METRICS[kind]}, per_class, support, confusion)


def multilabel_scores(logits: np.ndarray, targets: np.ndarray) -> Scores:
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
    return Scores({name: overall[name] for name in METRICS["multilabel"]}, per_class, support, confusion)


def _average_precision(true: np.ndarray, scores: np.ndarray) -> float:
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
