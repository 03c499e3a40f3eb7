"""A height model from a classified point cloud: the highest return and the ground in each cell of a square."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.readers.inside import check_file

PROJECTED_CRS = 3072
"""Key of GeoTIFF, which LAS files have, too."""
GROUND = 2
"""Class of ground points in the LAS standard."""
LARGEST_CLOUD = 100_000_000
"""Points: a thousand times those of a patch."""
NOISE = (7, 18, 65)
"""Classes that no surface consists of: low noise, high noise, artefacts (the last is of the French Lidar HD)."""


@dataclasses.dataclass(frozen=True)
class Points:
    """A point cloud: map coordinates and altitude in metres, float64 `[N]`, and LAS classes uint8 `[N]`.

    `crs` is the coordinate system that the file states, as WKT or by its code; empty where it states none.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    classes: np.ndarray
    crs: str = ""

    def __getitem__(self, chosen: np.ndarray) -> Points:
        return Points(self.x[chosen], self.y[chosen], self.z[chosen], self.classes[chosen], self.crs)


@dataclasses.dataclass(frozen=True)
class Square:
    """Where the model is made: north-west corner, metres a cell, cells a side."""

    west: float
    north: float
    cell: float
    side: int

    def cells(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Returns the cell of each point, row major, and which points are inside; those on an edge are."""
        end, edge = self.side * self.cell, 1e-6
        down, right = self.north - points.y, points.x - self.west
        inside = (np.minimum(down, right) > -edge) & (np.maximum(down, right) < end + edge)
        row, column = (np.floor(way / self.cell).clip(0, self.side - 1) for way in (down, right))
        return (row * self.side + column).astype(int), inside


def read_points(path: Path) -> Points:
    """Returns the points of a LAS or LAZ file, without noise and withheld points.

    Raises:
      TileError: the file is damaged.
      DataPrepError: laspy is not installed.
    """
    try:
        import laspy
    except ImportError as error:
        raise DataPrepError(f"{path}: needs laspy and lazrs to be read: pip install 'mmae_jax[prep]'") from error
    fields = laspy.DecompressionSelection
    wanted = fields.XY_RETURNS_CHANNEL | fields.Z | fields.CLASSIFICATION | fields.FLAGS
    check_file(path)
    with naming_errors(path):
        with path.open("rb") as file, laspy.open(file, decompression_selection=wanted) as cloud_file:
            declared = cloud_file.header.point_count
            if declared > LARGEST_CLOUD:
                raise TileError(f"{path}: expected at most {LARGEST_CLOUD} points, found {declared}")
            cloud = cloud_file.read()
        classes = np.asarray(cloud.classification, np.uint8)
        usable = ~np.isin(classes, NOISE) & ~np.asarray(cloud.withheld, bool)
        x, y, z = (np.asarray(part, float) for part in (cloud.x, cloud.y, cloud.z))
        return Points(x, y, z, classes, _crs(cloud.header.vlrs))[usable]


def _crs(headers: Iterable[Any]) -> str:
    """Returns the coordinate system that the headers of a LAS file state, as WKT or by the key of GeoTIFF."""
    for header in headers:
        if text := getattr(header, "string", ""):
            return str(text)
        for key in getattr(header, "geo_keys", ()):
            if key.id == PROJECTED_CRS and key.tiff_tag_location == 0:
                return f"EPSG:{key.value_offset}"
    return ""


def surface_and_terrain(points: Points, square: Square) -> np.ndarray | None:
    """Returns altitudes in metres, float64 `[2, side, side]`: surface (DSM) and terrain (DTM), without gaps.

    The surface is the highest point in each cell, or that of the nearest cell with one. The terrain is the mean of the
    ground points in a cell; between them, what the nearest such cell departs from the plane through all of them, on
    that plane. The surface is nowhere below the terrain.

    Args:
      points: the points, without noise; those outside the square are left out.
      square: what is modelled.

    Returns:
      None where no point is ground.

    Raises:
      ValueError: all points are outside.
    """
    cells, inside = square.cells(points)
    if len(inside) and not inside.any():
        raise ValueError(
            f"expected points east of {square.west:.0f} and south of {square.north:.0f}, found them around "
            f"{points.x.mean():.0f}, {points.y.mean():.0f}"
        )
    cells, points = cells[inside], points[inside]
    ground = points.classes == GROUND
    if not ground.any():
        return None
    shape = (square.side, square.side)
    number = np.bincount(cells[ground], minlength=square.side**2).reshape(shape)
    total = np.bincount(cells[ground], points.z[ground], square.side**2).reshape(shape)
    known = number > 0
    terrain = np.where(known, total / np.maximum(number, 1), np.nan)
    plane = _plane(terrain, known)
    terrain = plane + _from_nearest(terrain - plane, known)
    surface = np.full(square.side**2, -np.inf)
    np.maximum.at(surface, cells, points.z)
    surface = surface.reshape(shape)
    surface = _from_nearest(surface, np.isfinite(surface))
    return np.stack([np.maximum(surface, terrain), terrain])


def _plane(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the plane that fits the known values best, at all cells; with too few of them, the flattest that does."""
    rows, columns = np.indices(values.shape) - (len(values) - 1) / 2
    level = np.mean(values[known])
    terms = np.stack([rows, columns, np.ones_like(rows)], -1)
    slopes, *_ = np.linalg.lstsq(terms[known], values[known] - level)
    return np.asarray(level + terms @ slopes)


def _from_nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns `values` with the unknown ones taken from the nearest known cell."""
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[tuple(nearest)]
