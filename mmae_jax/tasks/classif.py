"""`classif`: one class for a tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmae_jax.spec import Target
from mmae_jax.tasks.exclusive import Exclusive


class Classif(Exclusive):
    """One class for a tile, stored as its index."""

    metrics = ("overall_accuracy", "average_f1")
    per_tile = True

    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns the class, int32 `[]`."""
        return stored.astype(np.int32)

    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Counter[Any]:
        """Counts the tile's class."""
        return Counter([int(fields[0])])
