"""Where places are, as records keep it: a coordinate system, and the affine of the one pixel around the place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from rasterio.crs import CRS

from data_prep.datasets.series import tables
from data_prep.errors import DataPrepError, naming_errors

DEGREES = "EPSG:4326"
METRES = 6_371_008.8 * math.pi / 180
"""Of a degree on a sphere of the Earth's mean radius: what a pixel's side is in degrees need not be exact."""


class Point(NamedTuple):
    """A place: coordinates, and the system they are in; an empty text where that is not known."""

    x: float
    y: float
    crs: str


def system(path: Path, column: str) -> str:
    """Returns the coordinate system of a column of geometries: an EPSG code or WKT; degrees where nothing is said.

    Raises:
      DataPrepError: what a GeoParquet file says is no coordinate system.
    """
    content = tables.geo_metadata(path)
    if content is None:
        return DEGREES
    with naming_errors(f"{path}: geo", DataPrepError):
        known: Mapping[str, Any] = json.loads(content)["columns"].get(column, {})
        if "crs" not in known:
            return DEGREES
        if known["crs"] is None:
            return ""
        found = CRS.from_user_input(json.dumps(known["crs"]))
        return (
            DEGREES if found.to_epsg() == 4326 or known["crs"].get("id", {}).get("code") == "CRS84" else found.to_wkt()
        )


def points(geometries: list[object], crs: str, where: str) -> list[Point | None]:
    """Returns the centres of geometries in WKB or WKT; None where a cell is empty.

    Raises:
      DataPrepError: one cannot be read.
    """
    with naming_errors(where, DataPrepError):
        given = np.array(geometries, object)
        read = shapely.from_wkt if any(isinstance(one, str) for one in geometries) else shapely.from_wkb
        centres = shapely.centroid(read(given))
    empty = shapely.is_missing(centres) | shapely.is_empty(centres)
    xs, ys = shapely.get_x(centres), shapely.get_y(centres)
    return [None if gone else Point(float(x), float(y), crs) for gone, x, y in zip(empty, xs, ys, strict=True)]


def affine(point: Point, meters: float) -> np.ndarray:
    """Returns the affine a b c d e f, float64 `[6]`, of a pixel of `meters` whose centre is the point."""
    width = height = meters
    if point.crs == DEGREES:
        height = meters / METRES
        width = height / max(math.cos(math.radians(point.y)), 1e-6)
    return np.array([width, 0, point.x - width / 2, 0, -height, point.y + height / 2], np.float64)
