"""Reads what an image has on a square of the scene's ground: as it is where grids coincide, else resampled."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import rasterio.warp
from rasterio.enums import Resampling
from rasterio.windows import Window

from data_prep.errors import naming_errors
from data_prep.scenes.files import opened
from data_prep.scenes.grid import Grid
from data_prep.scenes.layers import Layer

FINER = 1.5
"""Images whose pixels are smaller by more than this are averaged."""
KERNEL = 3
"""Pixels around a place from which its value may come."""


@dataclasses.dataclass(frozen=True)
class _Relation:
    """How a square lies on an image.

    Attributes:
      shift: row and column of the image at which the square begins, where both have the same pixels.
      window: pixels of the image from which those of the square may come.
      resampling: how they do, unless a description says otherwise.
    """

    shift: tuple[int, int] | None
    window: Window
    resampling: str


def read_squares(layers: Sequence[Layer], square: Grid, resampling: str | None) -> list[np.ndarray]:
    """Returns stored values that are not rounded yet, of each layer `[bands, rows, columns]`; NaN where missing.

    Pixels that are not missing never take part of their values from missing ones. Layers on one grid, such as the dates
    of a tile, are resampled together.

    Raises:
      TileError: a file cannot be read any more.
    """
    found: list[np.ndarray] = []
    together: dict[Grid, list[int]] = collections.defaultdict(list)
    for number, layer in enumerate(layers):
        shape = (len(layer.indexes), square.height, square.width)
        with naming_errors(layer.path):
            relation = _relation(layer.grid, square)
            if relation.shift is not None:
                found.append(_moved(layer, relation.shift, shape))
                continue
        found.append(np.full(shape, np.nan, np.float32))
        if relation.window.width and relation.window.height:
            together[layer.grid].append(number)
    for grid, members in together.items():
        relation = _relation(grid, square)
        values = [_values(layers[number], relation.window) for number in members]
        with naming_errors(layers[members[0]].path):
            warped = _warped(
                np.concatenate(values), grid.part(relation.window), square, resampling or relation.resampling
            )
        ends = np.cumsum([len(each) for each in values])
        for number, part in zip(members, np.split(warped, ends[:-1]), strict=True):
            found[number] = part
    return found


@functools.lru_cache(maxsize=512)
def _relation(grid: Grid, square: Grid) -> _Relation:
    west, south, east, north = grid.bounds_in(square.crs)
    own = math.sqrt((east - west) * (north - south) / (grid.width * grid.height))
    finer = abs(square.transform[0]) / own
    window = grid.window_of(square, math.ceil(max(1.0, finer)) + KERNEL)
    return _Relation(grid.shift_to(square), window, "average" if finer > FINER else "bilinear")


def _warped(values: np.ndarray, grid: Grid, square: Grid, resampling: str) -> np.ndarray:
    """Returns values `[bands, rows, columns]` of a grid on the pixels of a square."""
    found = np.full((len(values), square.height, square.width), np.nan, values.dtype)
    rasterio.warp.reproject(
        values,
        found,
        src_transform=grid.affine,
        src_crs=grid.crs,
        dst_transform=square.affine,
        dst_crs=square.crs,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling[resampling],
        tolerance=0,  # an approximation would depend on the square
        XSCALE=1,  # GDAL would derive the width of its kernel from the size of the window
        YSCALE=1,
        UNIFIED_SRC_NODATA="NO",  # each band has missing pixels of its own
    )
    return found


def _moved(layer: Layer, shift: tuple[int, int], shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the pixels of a square that begins at row and column `shift` of an image on the same grid."""
    _, height, width = shape
    (top, bottom), (left, right) = (
        (min(max(first, 0), size), max(min(first + length, size), 0))
        for first, length, size in ((shift[0], height, layer.grid.height), (shift[1], width, layer.grid.width))
    )
    if top >= bottom or left >= right:
        return np.full(shape, np.nan, np.float32)
    values = _values(layer, Window(left, top, right - left, bottom - top))
    found = np.full(shape, np.nan, values.dtype)
    found[:, top - shift[0] : bottom - shift[0], left - shift[1] : right - shift[1]] = values
    return found


def _values(layer: Layer, window: Window) -> np.ndarray:
    """Returns stored values of a window of the file, `[bands, rows, columns]`, NaN where missing."""
    with naming_errors(layer.path):
        file = opened(layer.path)
        raw = file.read(list(layer.indexes), window=window)
        opacity = None
        if layer.masked is not None:
            opacity = file.read_masks(1, window=window) if layer.masked == 0 else file.read(layer.masked, window=window)
    small = raw.dtype.itemsize <= 2 or raw.dtype == np.float32
    exact = np.float32 if small and layer.conversion.changes_nothing else np.float64
    values = raw.astype(exact)
    for band, nodata in enumerate(layer.nodata):
        if nodata is not None:
            values[band][raw[band] == nodata] = np.nan
    if opacity is not None:
        values[:, opacity == 0] = np.nan
    if raw.dtype.kind == "f":
        values[~np.isfinite(values)] = np.nan
    return layer.conversion(values)
