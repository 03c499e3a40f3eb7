"""`classif`: one class for a tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.metrics import Summary
from mmae_jax.spec import Target
from mmae_jax.tasks.exclusive import Exclusive


class Classif(Exclusive):
    """One class for a tile, stored as its index."""

    metrics = ("overall_accuracy", "average_f1", "weighted_f1")
    per_tile = True

    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns the class, int32 `[]`."""
        return stored.astype(np.int32)

    def by_sample(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns `logits` float32 `[B, C]`, `targets` int32 `[B]`, `counted` bool `[B]`."""
        return {"logits": predicted.astype(jnp.float32), "targets": targets, "counted": counted}

    def _confusions(self, samples: Summary) -> np.ndarray:
        logits, targets, counted = samples["logits"], samples["targets"], samples["counted"]
        number, classes = logits.shape
        confusion = np.zeros((number, classes, classes), np.int8)
        rows = np.flatnonzero(counted & (targets >= 0) & (targets < classes))
        confusion[rows, targets[rows], logits[rows].argmax(axis=1)] = 1
        return confusion

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Counter[Any]:
        """Counts the tile's class."""
        return Counter([int(fields[0])])
