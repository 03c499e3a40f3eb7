"""What a series has on a square, put together from larger parts of the ground that are kept for the next squares.

A square has few pixels of a satellite: to read a hundred dates takes as long as to read a hundred times more of each.
As parts begin at fixed places, a pixel has the same value in whatever square it is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping

import numpy as np

from mmae_jax.data.crops import Cell

PART_PIXELS = 64
"""Along a side of a part."""
MOST_BYTES = 256 * 2**20
"""Of the parts that a process keeps."""
UNKNOWN = 100
"""Percent of pixels that no mask covers: what is not known to be clear is not clear."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """The acquisitions that touch a square.

    Attributes:
      numbers: which ones of the series.
      images: stored values that are not rounded yet, `[T, bands, rows, columns]`, NaN where missing.
      masks: percent, uint8 `[T, M, rows, columns]`; M may be 0.
    """

    numbers: tuple[int, ...]
    images: np.ndarray
    masks: np.ndarray


class Recent:
    """Parts that were read last; a copy in another process begins with none."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Seen] = {}

    def __reduce__(self) -> tuple[type[Recent], tuple[()]]:
        return Recent, ()

    def get(self, key: Hashable, read: Callable[[], Seen]) -> Seen:
        """Returns a part, which is read if it is not kept; threads may do this twice."""
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = read()
            kept = list(self._parts.items())
            total = sum(each.images.nbytes + each.masks.nbytes for _, each in kept)
            for oldest, each in kept[:-1]:
                if total <= MOST_BYTES:
                    break
                self._parts.pop(oldest, None)
                total -= each.images.nbytes + each.masks.nbytes
        return part


def stitched(parts: Mapping[Cell, Seen], side: int, start: Cell, length: int) -> Seen:
    """Returns what a square has.

    Args:
      parts: row and column of parts → what is seen there; those that the square touches.
      side: pixels along a side of a part.
      start: first row and column of the square, in pixels.
      length: its side in pixels.
    """
    numbers = sorted({number for part in parts.values() for number in part.numbers})
    first = next(iter(parts.values()))
    dtype = np.result_type(*(part.images for part in parts.values()))
    shape = (length, length)
    images = np.full((len(numbers), first.images.shape[1], *shape), np.nan, dtype)
    masks = np.full((len(numbers), first.masks.shape[1], *shape), UNKNOWN, np.uint8)
    for at, part in parts.items():
        rows, own_rows = _overlap(at[0] * side - start[0], side, length)
        columns, own_columns = _overlap(at[1] * side - start[1], side, length)
        members = np.searchsorted(numbers, part.numbers)
        images[members, :, rows, columns] = part.images[:, :, own_rows, own_columns]
        masks[members, :, rows, columns] = part.masks[:, :, own_rows, own_columns]
    return Seen(tuple(numbers), images, masks)


def _overlap(begin: int, side: int, length: int) -> tuple[slice, slice]:
    """Returns the pixels that a part which begins at `begin` has of a square, in the square and in the part."""
    first, last = max(begin, 0), min(begin + side, length)
    return slice(first, last), slice(first - begin, last - begin)
