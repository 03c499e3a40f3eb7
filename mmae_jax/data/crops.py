"""Where a sample is cut from its tile (docs/method.md §2.1), in cells of the grid that all rasters share."""

from __future__ import annotations

import numpy as np

Cell = tuple[int, int]


def random_start(rng: np.random.Generator, grid: int, cells: int) -> Cell:
    """Returns a crop's first row and column, uniform in `{0 … grid − cells}²`."""
    row, column = rng.integers(0, grid - cells + 1, size=2)
    return int(row), int(column)


def fixed_start(index: int, repeats: int, grid: int) -> Cell:
    """Returns first row and column of crop `index` of the `repeats²` fixed crops, row major."""
    row, column = divmod(index, repeats)
    return row * grid // repeats, column * grid // repeats


def fixed_crops_fit(repeats: int, grid: int, cells: int) -> bool:
    """Returns whether every fixed crop lies inside the tile."""
    return (repeats - 1) * grid // repeats + cells <= grid


def cut(raster: np.ndarray, start: Cell, cells: int, scale: int, frame: int = 0) -> np.ndarray:
    """Returns the view `[..., cells·scale, cells·scale]` of a raster.

    Args:
      raster: `[..., side, side]`.
      start: first row and column, in cells.
      cells: side of the crop, in cells.
      scale: pixels per cell.
      frame: pixels stored around the raster.
    """
    rows, columns = (slice(frame + first * scale, frame + (first + cells) * scale) for first in start)
    return raster[..., rows, columns]
