"""Reads what an image has on a square of the scene's ground: as it is where grids coincide, else resampled."""

from __future__ import annotations

import math

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


def read_square(layer: Layer, square: Grid, resampling: str) -> np.ndarray:
    """Returns stored values that are not rounded yet, `[bands, rows, columns]`, of a layer's bands; NaN where missing.

    Pixels that are not missing never take part of their values from missing ones.

    Raises:
      TileError: the file cannot be read any more.
    """
    shape = (len(layer.indexes), square.height, square.width)
    with naming_errors(layer.path):
        shift = layer.grid.shift_to(square)
        if shift is not None:
            return _moved(layer, shift, shape)
        finer = max(1.0, _ratio(layer.grid, square))
        window = layer.grid.window_of(square, math.ceil(finer) + KERNEL)
        if not (window.width and window.height):
            return np.full(shape, np.nan, np.float32)
        values = _values(layer, window)
        found = np.full(shape, np.nan, values.dtype)
        rasterio.warp.reproject(
            values,
            found,
            src_transform=layer.grid.part(window).affine,
            src_crs=layer.grid.crs,
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


def usual_resampling(grid: Grid, square: Grid) -> str:
    """Returns how numbers are resampled: averaged where the image is finer, else linearly."""
    return "average" if _ratio(grid, square) > FINER else "bilinear"


def _ratio(grid: Grid, square: Grid) -> float:
    """Returns how many of the image's pixels are along one of the square's."""
    west, south, east, north = grid.bounds_in(square.crs)
    own = math.sqrt((east - west) * (north - south) / (grid.width * grid.height))
    return abs(square.transform[0]) / own


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
    file = opened(layer.path)
    raw = file.read(list(layer.indexes), window=window)
    small = raw.dtype.itemsize <= 2 or raw.dtype == np.float32
    exact = np.float32 if small and layer.conversion.changes_nothing else np.float64
    values = raw.astype(exact)
    for band, nodata in enumerate(layer.nodata):
        if nodata is not None:
            values[band][raw[band] == nodata] = np.nan
    if layer.masked is not None:
        opacity = file.read_masks(1, window=window) if layer.masked == 0 else file.read(layer.masked, window=window)
        values[:, opacity == 0] = np.nan
    if raw.dtype.kind == "f":
        values[~np.isfinite(values)] = np.nan
    return layer.conversion(values)
