"""Squares that cover a frame, each overlapping its neighbours, and how they are blended."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from mmae_jax.data.crops import Cell


@dataclasses.dataclass(frozen=True)
class Tiling:
    """Squares that cover a frame, row by row; the last of a row or column ends with the frame.

    Attributes:
      frame: rows and columns of the frame's cells.
      cells: side of a square, in cells.
      overlap: cells that a square shares with the next one, at least.
    """

    frame: Cell
    cells: int
    overlap: int

    # Kept, as every square asks for them.
    @functools.cached_property
    def rows(self) -> tuple[int, ...]:
        """First cell of each row of squares."""
        return _starts(self.frame[0], self.cells, self.overlap)

    @functools.cached_property
    def columns(self) -> tuple[int, ...]:
        """First cell of each column of squares."""
        return _starts(self.frame[1], self.cells, self.overlap)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def start(self, index: int) -> Cell:
        """Returns first row and column of a square, in cells."""
        row, column = divmod(index, len(self.columns))
        return self.rows[row], self.columns[column]


def tiling(frame: Cell, cells: int, overlap: float) -> Tiling:
    """Returns the squares that cover a frame.

    Args:
      frame: rows and columns of its cells.
      cells: side of a square.
      overlap: share of the side of a square that it shares with the next one, from 0 to below 1; rounded to cells.
    """
    return Tiling(frame, cells, min(round(overlap * cells), cells - 1))


def _starts(length: int, cells: int, overlap: int) -> tuple[int, ...]:
    stride = cells - overlap
    number = max(1, math.ceil((length - overlap) / stride))
    return tuple(min(index * stride, max(0, length - cells)) for index in range(number))


def spans(starts: tuple[int, ...], length: int) -> tuple[tuple[int, int], ...]:
    """Returns from which cell to which each square's own part reaches, along one axis: parts follow on each other."""
    return tuple(zip((0, *starts[1:]), (*starts[1:], length), strict=True))


def touching(starts: tuple[int, ...], cells: int, overlap: int, part: int, span: tuple[int, int]) -> range:
    """Returns which squares tell of a part along one axis: without overlap, its own alone."""
    if not overlap:
        return range(part, part + 1)
    inside = [index for index, start in enumerate(starts) if start < span[1] and start + cells > span[0]]
    return range(inside[0], inside[-1] + 1)


def window(side: int, ramp: int) -> np.ndarray:
    """Returns how much each pixel of a square counts, float32 `[side, side]`, above 0.

    It rises as a cosine over `ramp` pixels from every edge to 1: where two squares overlap by so much, their weights
    add up to 1.
    """
    position = np.arange(side) + 0.5
    from_edge = np.minimum(position, side - position)
    weight = np.sin(np.pi / 2 * np.minimum(from_edge / ramp, 1)) ** 2 if ramp else np.ones(side)
    return np.outer(weight, weight).astype(np.float32)
