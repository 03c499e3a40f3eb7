"""`multilabel`: which of several classes a tile has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmae_jax.metrics import Scores, Summary, multilabel_scores
from mmae_jax.spec import Dataset, SpecError, Target
from mmae_jax.tasks.base import Penalty, Task, has_class
from mmae_jax.tasks.exclusive import class_figures
from mmae_jax.tasks.segment import count_pixels
from mmae_jax.tasks.weighted import Weighted
from mmae_jax.tasks.weighted import multilabel_scores as weighted_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Multilabel(Task):
    """Classes that do not exclude each other, from stored proportions or from the pixels of a segment target."""

    metrics = ("average_f1", "average_ap", "weighted_f1", "weighted_ap")
    per_tile = True
    has_threshold = True
    stored_dtype = "float32"

    def check_pixel_values(self, field: str, target: Target, dataset: Dataset) -> None:
        """Expects one value for each class, the field of a raster, and no threshold."""
        if target.threshold:
            raise SpecError(f"{field}.threshold: expected 0 beside pixel_values, found {target.threshold}")
        if len(target.pixel_values or ()) != target.num_classes:
            super().check_pixel_values(field, target, dataset)
        rasters = [other.field for other in dataset.targets.values() if other.is_raster]
        if target.field not in rasters:
            raise SpecError(
                f"{field}.field: expected that of a segment target ({', '.join(rasters) or 'none'}), "
                f"found {target.field}"
            )

    def outputs(self, target: Target) -> int:
        """Returns a logit for each class."""
        return target.num_classes

    def shape(self, target: Target) -> tuple[int, ...]:
        """Returns `(classes,)`."""
        return (target.num_classes,)

    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns 0, 1 or `missing_value` of each class, int32 `[classes]`."""
        if target.pixel_values is not None:
            return np.isin(target.pixel_values, stored).astype(np.int32)
        return np.where(np.isnan(stored), target.missing_value, stored > target.threshold).astype(np.int32)

    def present(self, target: Target, targets: jax.Array) -> jax.Array:
        """Excludes a sample with any missing class."""
        return has_class(target, targets).all(axis=-1)

    def error(self, predicted: jax.Array, targets: jax.Array, counted: jax.Array, penalty: Penalty) -> jax.Array:
        """Returns the binary cross-entropy, averaged over the classes."""
        return optax.sigmoid_binary_cross_entropy(predicted, targets.astype(jnp.float32)).mean(axis=-1)

    def readout(self, predicted: jax.Array) -> jax.Array:
        """Returns the probability of each class, independent of the others."""
        return jax.nn.sigmoid(predicted.astype(jnp.float32))

    def summarise(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns `logits` float32 `[B, C]`, `targets` int32 `[B, C]`, `counted` bool `[B]`."""
        return {"logits": predicted.astype(jnp.float32), "targets": targets, "counted": counted}

    def joined(self, target: Target, summaries: Sequence[Summary]) -> Summary:
        """Returns the rows that count, one after the other."""
        logits, targets = [np.zeros((0, target.num_classes), np.float32)], [np.zeros((0, target.num_classes), np.int32)]
        for summary in summaries:
            logits.append(summary["logits"][summary["counted"]])
            targets.append(summary["targets"][summary["counted"]])
        rows = np.concatenate(logits)
        return {"logits": rows, "targets": np.concatenate(targets), "counted": np.ones(len(rows), bool)}

    def scores(self, summary: Summary) -> Scores:
        """Returns the scores of independent classes."""
        return multilabel_scores(summary["logits"], summary["targets"])

    def weighted(self, samples: Summary, weights: np.ndarray) -> Weighted:
        """Returns the scores of independent classes."""
        rows = samples["counted"]
        return weighted_scores(samples["logits"][rows], samples["targets"][rows], weights[:, rows])

    def strata(self, target: Target, targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Returns which classes a sample has; whether none of them is one more."""
        has = targets == 1
        return np.column_stack([has, ~has.any(axis=1)]) & counted[:, None]

    def figures(self, title: str, target: Target, scores: Scores) -> Mapping[str, Figure]:
        """Draws F1 of each class, and what was found, missed and false."""
        return class_figures(title, target, scores)

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Counter[Any]:
        """Counts each class that the tile has."""
        if target.pixel_values is not None:
            found = count_pixels(fields)
            return Counter(index for index, value in enumerate(target.pixel_values) if value in found)
        return Counter(np.flatnonzero(np.asarray(fields[0]) > target.threshold).tolist())
