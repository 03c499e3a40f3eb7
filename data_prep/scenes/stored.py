"""From the values of a square, NaN where nothing covers it, to what the contract can store."""

from __future__ import annotations

import numpy as np

from data_prep.readers.values import quantised
from mmae_jax.spec import Modality

LEAST_OBSERVED = 0.5
"""Share of a square that an acquisition must cover where the contract knows no missing pixels."""


def complete(values: np.ndarray, sensor: Modality) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the values `[bands, rows, columns]` of an acquisition without NaN that the contract cannot express.

    Where single pixels cannot be missing, those that are become the median of their band, and an acquisition that
    covers less than half of the square is None; so is one that covers nothing of it.

    Returns:
      values of the same shape, and where they were filled, bool `[rows, columns]`.
    """
    missing = np.isnan(values)
    unobserved = missing.any(0)
    if missing.all() or not (sensor.pixels_can_be_missing or 1 - unobserved.mean() >= LEAST_OBSERVED):
        return None
    if sensor.pixels_can_be_missing or not unobserved.any():
        return values, np.zeros_like(unobserved)
    medians = np.array([np.median(band[~absent]) for band, absent in zip(values, missing, strict=True)])
    return np.where(missing, medians[:, None, None].astype(values.dtype), values), unobserved


def as_stored(values: np.ndarray, sensor: Modality) -> tuple[np.ndarray, np.float32 | None]:
    """Returns values `[T, bands, rows, columns]` in the contract's data type, and the base of quantised ones.

    Integers are rounded; what they cannot hold becomes the nearest that they can, and that is not nodata.

    Raises:
      ValueError: quantised heights differ by more than can be stored.
    """
    if sensor.quantum is not None:
        return quantised(values, sensor.quantum) if values.size else (values.astype(sensor.dtype), np.float32(0))
    dtype = np.dtype(sensor.dtype)
    if dtype.kind == "f":
        return values.astype(dtype), None
    limits = np.iinfo(dtype)
    low, high = (limit + step * (sensor.nodata == limit) for limit, step in ((limits.min, 1), (limits.max, -1)))
    missing = np.isnan(values)
    whole = np.rint(values).clip(low, high)
    return np.where(missing, 0 if sensor.nodata is None else sensor.nodata, whole).astype(dtype), None
