"""Flips and transposition, docs/method.md §2.4: one draw for every raster of a sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Flips(NamedTuple):
    """What is done to the last two axes (rows, columns) of every raster of a sample, in this order."""

    rows: bool
    columns: bool
    transpose: bool


def draw_flips(rng: np.random.Generator) -> Flips:
    """Returns flips that are each done with probability ½."""
    rows, columns, transpose = rng.integers(0, 2, size=3).astype(bool)
    return Flips(bool(rows), bool(columns), bool(transpose))


def apply_flips(raster: np.ndarray, flips: Flips) -> np.ndarray:
    """Returns the flipped `raster` `[..., h, w]` (h = w), contiguous."""
    if flips.rows:
        raster = raster[..., ::-1, :]
    if flips.columns:
        raster = raster[..., ::-1]
    if flips.transpose:
        raster = raster.swapaxes(-1, -2)
    return np.ascontiguousarray(raster)
