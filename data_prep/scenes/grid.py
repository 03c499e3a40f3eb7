"""Where rasters lie on the ground of a scene: grids, squares of them, and what a file covers."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio
import rasterio.warp
from rasterio.crs import CRS
from rasterio.windows import Window

from data_prep.readers.registration import same_crs

COINCIDES = 1e-3
"""Of a pixel: corners and sides that differ by less are one grid."""
EDGE_POINTS = 17
"""On each side of what is brought to another coordinate system, as straight lines become bent."""

Bounds = tuple[float, float, float, float]
"""West, south, east and north."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """Pixels on the ground.

    Attributes:
      crs: coordinate system as WKT.
      transform: affine a, b, c, d, e, f from column and row to map coordinates.
      height, width: number of rows and columns.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    height: int
    width: int

    @classmethod
    def of(cls, file: rasterio.DatasetReader) -> Grid:
        """Returns the grid of an open file that has a coordinate system."""
        return cls(file.crs.to_wkt(), tuple(file.transform[:6]), file.height, file.width)

    @property
    def affine(self) -> rasterio.Affine:
        """The same, to compute with."""
        return rasterio.Affine(*self.transform)

    @property
    def is_north_up(self) -> bool:
        """Whether rows go south and columns east."""
        a, b, _, d, e, _ = self.transform
        return a > 0 > e and b == 0 == d

    def part(self, window: Window) -> Grid:
        """Returns the grid of a window."""
        a, b, _, d, e, _ = self.transform
        x, y = _at(self.transform, window.col_off, window.row_off)
        return Grid(self.crs, (a, b, x, d, e, y), int(window.height), int(window.width))

    def bounds_in(self, crs: str) -> Bounds:
        """Returns the least rectangle in another coordinate system that holds the grid; may raise what PROJ does."""
        return _extent(*self._edge(crs))

    def window_of(self, other: Grid, margin: int) -> Window:
        """Returns the pixels here that another grid lies on, with some more on each side; may be empty."""
        x, y = other._edge(self.crs)
        columns, rows = _at((~self.affine)[:6], x, y)
        left, top, right, bottom = _extent(columns, rows)
        first_row, last_row = _within(top, bottom, margin, self.height)
        first_column, last_column = _within(left, right, margin, self.width)
        return Window(first_column, first_row, last_column - first_column, last_row - first_row)

    def shift_to(self, other: Grid) -> tuple[int, int] | None:
        """Returns row and column here of the first pixel of another grid that has the same pixels; None of others.

        Coordinate systems may differ by name, as those of ETRS89 and WGS 84 do.
        """
        x, y = other._edge(self.crs)
        columns, rows = _at((~self.affine)[:6], x, y)
        first = round(float(rows[0])), round(float(columns[0]))
        own_columns, own_rows = _around(other.width, other.height)
        off = np.maximum(np.abs(columns - first[1] - own_columns), np.abs(rows - first[0] - own_rows)).max()
        return first if off < COINCIDES else None

    def _edge(self, crs: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns x and y of points around the grid, in another coordinate system."""
        x, y = _at(self.transform, *_around(self.width, self.height))
        if not _is_same(self.crs, crs):
            x, y = map(np.array, rasterio.warp.transform(_crs(self.crs), _crs(crs), x, y))
        return x, y


def _around(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns columns and rows of points around a raster; the first is its corner."""
    along = np.linspace(0, 1, EDGE_POINTS)
    zeros, ones = np.zeros_like(along), np.ones_like(along)
    return np.concatenate([along, along, zeros, ones]) * width, np.concatenate([zeros, ones, along, along]) * height


def _at(transform: Sequence[float], x: Any, y: Any) -> tuple[Any, Any]:
    """Returns where an affine brings numbers or arrays."""
    a, b, c, d, e, f = transform
    return a * x + b * y + c, d * x + e * y + f


def _extent(x: np.ndarray, y: np.ndarray) -> Bounds:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("it has no place in the coordinate system of the scene")
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _within(first: float, last: float, margin: int, size: int) -> tuple[int, int]:
    begin = min(max(math.floor(first) - margin, 0), size)
    return begin, min(max(math.ceil(last) + margin, begin), size)


@functools.lru_cache(maxsize=64)
def _crs(text: str) -> CRS:
    return CRS.from_wkt(text)


@functools.lru_cache(maxsize=256)
def _is_same(first: str, second: str) -> bool:
    return first == second or same_crs(_crs(first), _crs(second))
