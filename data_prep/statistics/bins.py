"""Which bins a histogram has.

Integers of 8 bits have one bin a value; integers of 16 bits have 4096 bins of 16 values, over all that the type can
hold. Other values (floating-point, or integers with a quantum) have 512 bins over what the middle 99 % of the values of
up to 32 evenly spaced tiles span, widened by half of it on each side, but not beyond the contract's `value_range`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data_prep.statistics.moments import Bins
from mmae_jax.spec import Modality

LOOKED_AT = 32
ADAPTED = 512
PERCENTILES = (0.5, 99.5)
WIDTHS = {8: 1, 16: 16}


def fixed_bins(modality: Modality) -> Bins | None:
    """Returns the bins that follow from the stored type; None where they depend on the values."""
    dtype = np.dtype(modality.dtype)
    if modality.quantum is not None or dtype.kind not in "iu" or dtype.itemsize * 8 not in WIDTHS:
        return None
    width, span = WIDTHS[dtype.itemsize * 8], np.iinfo(dtype)
    return Bins(float(span.min), float(width), (int(span.max) - int(span.min) + 1) // width)


def adapted_bins(modality: Modality, looked_at: Iterable[np.ndarray]) -> Bins:
    """Returns bins for values like those of some tiles.

    Args:
      modality: gives the `value_range`.
      looked_at: present values of each tile.
    """
    found = [np.percentile(values, PERCENTILES) for values in looked_at if values.size]
    if not found:
        return Bins(0.0, 1.0, ADAPTED)
    low, high = min(ends[0] for ends in found), max(ends[1] for ends in found)
    margin = (high - low) / 2
    low, high = low - margin, high + margin
    if modality.value_range is not None:
        low, high = max(low, modality.value_range[0]), min(high, modality.value_range[1])
    width = (high - low) / ADAPTED
    return Bins(float(low), float(width) if width > 0 else 1.0, ADAPTED)
