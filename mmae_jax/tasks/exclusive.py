"""What kinds of target have in common whose classes exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmae_jax.metrics import ClassScores, Scores, Summary, confusion_matrix, scores_from_confusion
from mmae_jax.spec import Target
from mmae_jax.tasks.base import Penalty, Task, has_class
from mmae_jax.tasks.weighted import Weighted, confusion_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Exclusive(Task):
    """One class at each place, learnt by cross-entropy and scored by the confusion matrix."""

    adds_up = True

    def outputs(self, target: Target) -> int:
        """Returns a logit for each class."""
        return target.num_classes

    def present(self, target: Target, targets: jax.Array) -> jax.Array:
        """Excludes missing and ignored classes."""
        return has_class(target, targets)

    def error(self, predicted: jax.Array, targets: jax.Array, counted: jax.Array, penalty: Penalty) -> jax.Array:
        """Returns the cross-entropy."""
        labels = jnp.where(counted, targets, 0).astype(jnp.int32)
        return optax.softmax_cross_entropy_with_integer_labels(predicted, labels)

    def readout(self, predicted: jax.Array) -> jax.Array:
        """Returns the probability of each class; they add up to 1."""
        return jax.nn.softmax(predicted.astype(jnp.float32), axis=-1)

    def summarise(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns `confusion`, int32 `[C, C]`."""
        return {"confusion": confusion_matrix(predicted, targets.astype(jnp.int32), counted, target.num_classes)}

    def joined(self, target: Target, summaries: Sequence[Summary]) -> Summary:
        """Returns the sum, int64 `[C, C]`."""
        total = np.zeros((target.num_classes, target.num_classes), np.int64)
        for summary in summaries:
            total += summary["confusion"]
        return {"confusion": total}

    def scores(self, summary: Summary) -> Scores:
        """Returns the scores of the confusion matrix."""
        return scores_from_confusion(summary["confusion"], self.metrics)

    def by_sample(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns `confusion` of each sample, int32 `[B, C, C]`."""
        return jax.vmap(lambda *sample: self.summarise(target, *sample))(predicted, targets, counted)

    def total(self, target: Target, samples: Summary) -> Summary:
        """Returns the sum."""
        return self.joined(target, [{"confusion": self._confusions(samples).sum(0, dtype=np.int64)}])

    def weighted(self, samples: Summary, weights: np.ndarray) -> Weighted:
        """Returns the scores of weighted sums of confusion matrices."""
        import scipy.sparse  # a third of a second, which those who only look up names need not wait

        confusion = self._confusions(samples)
        number, classes, _ = confusion.shape
        # most pairs of classes occur in few samples
        flat = scipy.sparse.csc_array(confusion.reshape(number, -1))
        return confusion_scores((weights @ flat).reshape(len(weights), classes, classes))

    def _confusions(self, samples: Summary) -> np.ndarray:
        """Returns the confusion of each sample, integers `[N, C, C]`."""
        confusion: np.ndarray = samples["confusion"]
        return confusion

    def strata(self, target: Target, targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Returns which classes a sample has."""
        places = np.where(counted, targets, -1).reshape(len(targets), -1)
        return np.stack([(places == index).any(1) for index in range(target.num_classes)], axis=1)

    def figures(self, title: str, target: Target, scores: Scores) -> Mapping[str, Figure]:
        """Draws F1 of each class, and the confusion."""
        return class_figures(title, target, scores)


def class_figures(title: str, target: Target, scores: Scores) -> Mapping[str, Figure]:
    """Draws F1 of each class, and which classes are taken for which."""
    from mmae_jax import report

    assert isinstance(scores, ClassScores)
    return {
        "classes": report.class_scores(title, scores, target.classes, "f1"),
        "confusion": report.confusion(title, scores, target.classes),
    }
