"""The area of a scene, on the grid of its reference sensor."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence

from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.registration import same_crs
from data_prep.scenes.described.description import Scene
from data_prep.scenes.grid import Bounds, Grid
from data_prep.scenes.layers import Layer
from data_prep.scenes.series import Acquisition
from mmae_jax.scenes.scene import Frame

_log = logging.getLogger(__name__)
SLACK = 1e-6
"""Of a cell: rounding."""


def build_frame(described: Scene, reference: str, series: Sequence[Acquisition], cell: float) -> Frame:
    """Returns the frame of a scene.

    Args:
      described: the description.
      reference: name of the sensor that tells area and grid.
      series: its acquisitions.
      cell: side of a cell [m].

    Raises:
      DataPrepError: the coordinate system is not one in metres, or the region is outside; names field or file.
    """
    layers = sorted({layer.path: layer for each in series for layer in each.layers}.items())
    first = layers[0][1]
    crs = _crs("crs", described.crs) if described.crs is not None else CRS.from_wkt(first.grid.crs)
    if not crs.is_projected or abs(crs.linear_units_factor[1] - 1) > 1e-9:
        where = "crs" if described.crs is not None else first.path
        raise DataPrepError(
            f"{where}: coordinate system: expected a projected one in metres, found {crs.to_string()[:40]}; "
            "name one with crs=…"
        )
    wkt = crs.to_wkt()
    bounds = [bounds_of(layer, wkt) for _, layer in layers]
    west, south, east, north = _union(bounds)
    on_grid = same_crs(crs, CRS.from_wkt(first.grid.crs)) and first.grid.is_north_up
    corner = (first.grid.transform[2], first.grid.transform[5]) if on_grid else (0.0, 0.0)
    if described.region:
        region = _region(described, crs)
        west, south = max(west, region[0]), max(south, region[1])
        east, north = min(east, region[2]), min(north, region[3])
        if not (west < east and south < north):
            raise DataPrepError(
                f"region: expected a part of {_numbers(_union(bounds))}, where images are, the first {first.path}, "
                f"found {_numbers(region)}"
            )
        if any(abs(cut - asked) > cell for cut, asked in zip((west, south, east, north), region, strict=True)):
            _log.warning(
                "region: cut to where images are, %s, from %s", _numbers((west, south, east, north)), _numbers(region)
            )
    left = corner[0] + cell * math.floor((west - corner[0]) / cell + SLACK)
    top = corner[1] - cell * math.floor((corner[1] - north) / cell + SLACK)
    return Frame(wkt, left, top, east - left, top - south, cell)


def bounds_of(layer: Layer, crs: str) -> Bounds:
    """Returns what an image covers; raises a `TileError` that names the file where that has no place there."""
    with naming_errors(layer.path):
        try:
            return layer.grid.bounds_in(crs)
        except ValueError as error:
            raise DataPrepError(f"{layer.path}: {error}") from error


def frame_bounds(frame: Frame) -> Bounds:
    """Returns west, south, east and north of a frame."""
    return frame.left, frame.top - frame.height, frame.left + frame.width, frame.top


def touch(first: Bounds, second: Bounds) -> bool:
    """Returns whether two rectangles have more than an edge in common."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def grid_of(frame: Frame, start: tuple[int, int], cells: int, pixels: int) -> Grid:
    """Returns the grid of a square of the frame, of `pixels` a cell; it begins at row and column `start`, in cells."""
    size, (row, column) = frame.cell / pixels, start
    left, top = frame.left + column * frame.cell, frame.top - row * frame.cell
    return Grid(frame.crs, (size, 0.0, left, 0.0, -size, top), cells * pixels, cells * pixels)


def _union(bounds: Iterable[Bounds]) -> Bounds:
    west, south, east, north = zip(*bounds, strict=True)
    return min(west), min(south), max(east), max(north)


def _region(described: Scene, crs: CRS) -> Bounds:
    west, south, east, north = described.region
    if described.region_crs is None:
        return west, south, east, north
    with naming_errors("region", DataPrepError):
        found: Bounds = transform_bounds(_crs("region_crs", described.region_crs), crs, west, south, east, north)
    return found


def _crs(field: str, text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise DataPrepError(f"{field}: expected a coordinate system such as EPSG:25832, found {text!r}") from error


def _numbers(bounds: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:.6g}" if abs(value) < 1000 else f"{value:.0f}" for value in bounds) + ")"
