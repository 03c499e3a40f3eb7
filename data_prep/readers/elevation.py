"""Heights as integers: centimetres above a base compress to half of what float32 metres do."""

from __future__ import annotations

import numpy as np


def quantised(heights: np.ndarray, quantum: float) -> tuple[np.ndarray, np.float32]:
    """Returns `pixels` (uint16, the shape of `heights`) and `base` with `base + quantum · pixels` ≈ `heights`.

    Values are off by at most `quantum / 2`.

    Args:
      heights: metres, any shape, not empty.
      quantum: metres a step.

    Raises:
      ValueError: a value is not finite, or the relief exceeds what 65,535 steps can hold.
    """
    if not np.isfinite(heights).all():
        raise ValueError(
            f"expected finite heights, found {np.count_nonzero(~np.isfinite(heights))} values that are not"
        )
    base = np.float32(np.floor(heights.min()))
    steps = np.rint((heights.astype(np.float64) - float(base)) / quantum)
    largest = np.iinfo(np.uint16).max
    if steps.max() > largest:
        relief = float(heights.max()) - float(heights.min())
        raise ValueError(f"expected heights that differ by at most {largest * quantum:.0f} m, found {relief:.0f} m")
    return steps.astype(np.uint16), base
