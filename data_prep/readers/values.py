"""Values as they are stored: heights as integers, masks as percents, classes as they are declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from data_prep.errors import TileError
from mmae_jax.spec import Modality, Target

OVERSHOOT = 1.0
"""Percent by which resampling leaves 0 to 100; flags such as -1 and 255 are further off."""
MOST_SHOWN = 5


def quantised(heights: np.ndarray, quantum: float) -> tuple[np.ndarray, np.float32]:
    """Returns `pixels` (uint16, the shape of `heights`) and `base` with `base + quantum · pixels` ≈ `heights`.

    Centimetres above a base compress to half of what float32 metres do.
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


def are_percents(mask: np.ndarray) -> np.ndarray:
    """Returns which values, bool of their shape, are percents but for what resampling adds; NaN is none."""
    return np.asarray((mask > -OVERSHOOT) & (mask < 100 + OVERSHOOT))


def whole_percents(mask: np.ndarray) -> np.ndarray:
    """Returns percents as uint8, rounded up: what is above 0 stays so."""
    return np.ceil(mask).clip(0, 100).astype(np.uint8)


def mask_sensor(sensor: Modality) -> Modality:
    """Returns what the files of a sensor's masks hold: its mask channels as bands, in percent."""
    return dataclasses.replace(
        sensor,
        bands=sensor.mask_channels,
        dtype="uint8",
        unit="percent",
        scale=1.0,
        offset=0.0,
        nodata=None,
        decibel=False,
        quantum=None,
        mask_channels=(),
    )


def percents(path: Path, mask: np.ndarray) -> np.ndarray:
    """Returns the percents of a file as `whole_percents` does.

    Raises:
      TileError: a value is none, such as a flag for what was not observed: that is not clear sky.
    """
    wrong = mask[~are_percents(mask)]
    if wrong.size:
        raise TileError(f"{path}: expected percents, 0 to 100, found {_listed(np.unique(wrong).tolist())}")
    return whole_percents(mask)


def check_classes(path: Path, values: np.ndarray, target: Target) -> None:
    """Raises a `TileError` unless the values of a file are indices of classes, or what the target leaves out."""
    excluded = sorted({value for value in target.excluded if value >= 0})
    expected = f"classes 0 to {target.num_classes - 1}"
    if excluded:
        expected += f" or {', '.join(map(str, excluded))} (missing or ignored)"
    check_known(path, values, (*range(target.num_classes), *target.excluded), expected)


def check_known(path: Path, values: np.ndarray, known: Collection[int], expected: str, way_out: str = "") -> None:
    """Raises a `TileError` that names the file, if a value of it is none of the `known` ones.

    Args:
      path: the file.
      values: its integers.
      known: values that can be.
      expected: what these are, for the message.
      way_out: what the user can do, with what separates it from the message.
    """
    unknown = [value for value in distinct(values) if value not in known]
    if unknown:
        raise TileError(f"{path}: expected {expected}, found {_listed(unknown)}{way_out}")


def distinct(values: np.ndarray) -> list[int]:
    """Returns the different integers of an array, sorted."""
    # np.unique takes twenty times as long for the pixels of a map
    found = np.flatnonzero(np.bincount(values.ravel())) if values.dtype == np.uint8 else np.unique(values)
    return list(found.tolist())


def _listed(values: Sequence[float]) -> str:
    more = ", …" if len(values) > MOST_SHOWN else ""
    return ", ".join(f"{value:g}" for value in values[:MOST_SHOWN]) + more
