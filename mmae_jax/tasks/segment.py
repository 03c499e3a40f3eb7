"""`segment`: one class for each pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmae_jax.spec import Target
from mmae_jax.tasks.exclusive import Exclusive


class Segment(Exclusive):
    """One class for each pixel, in the stored dtype."""

    metrics = ("overall_accuracy", "average_f1", "average_iou")
    per_pixel = True

    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns the classes as they are stored, `[h, w]`."""
        return stored

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Counter[Any]:
        """Counts the pixels of each stored value."""
        return count_pixels(fields)


def count_pixels(fields: Sequence[np.ndarray]) -> Counter[Any]:
    """Counts the pixels of each value in the blocks of a tile."""
    found: Counter[Any] = Counter()
    for field in fields:
        values, counts = np.unique(field, return_counts=True)
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return found
