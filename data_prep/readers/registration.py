"""The one rule of registration, for every raster of a tile: each date, mask, label and sensor.

All have the coordinate system of the tile's frame, which is projected, and differ from it by the size of their pixels
alone: the same corner and the same orientation, north up unless published metadata turn the frame. A pixel has the
ground sample distance of the contract, whatever the unit of the coordinate system.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
from rasterio.crs import CRS

from data_prep.readers.accepted import refuse
from data_prep.shards.records import Record
from mmae_jax.spec import Modality

TOLERANCE = 0.01
"""Of pixel sizes, and of corners in pixels of the coarser raster."""
FAR_TOLERANCE = 0.1
"""Of the other corners, likewise: what rounded resolutions add up to along a side."""
_LOCAL = ("LOCAL_CS", "ENGCRS")
_CONFIDENT = 100
"""Percent, of a code that is found for a coordinate system."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the part of a raster that covers its tile lies.

    Attributes:
      path: the raster, for messages.
      crs: its coordinate system.
      transform: affine from column and row of that part to map coordinates.
      pixel: ground sample distance by the contract [m].
      side: pixels that cover the tile, along a side.
    """

    path: Path
    crs: CRS | None
    transform: rasterio.Affine
    pixel: float
    side: int

    @classmethod
    def of(cls, path: Path, file: rasterio.DatasetReader, pixel: float, side: int, frame: int = 0) -> Place:
        """Returns the place of an open raster that stores `frame` pixels more on each side; nothing is checked."""
        crs = None if file.crs is None and file.gcps[0] else file.crs
        return cls(path, crs, moved(file.transform, frame), pixel, side)

    @property
    def is_silent(self) -> bool:
        """Whether the raster says nothing of where it lies."""
        return self.crs is None and self.transform[:6] == rasterio.Affine.identity()[:6]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Returns the map coordinates of what is `x`, `y` metres right of and below the corner, by the contract."""
        a, b, c, d, e, f = self.transform[:6]
        column, row = x / self.pixel, y / self.pixel
        return a * column + b * row + c, d * column + e * row + f


def moved(transform: rasterio.Affine, pixels: int) -> rasterio.Affine:
    """Returns the affine of a raster that begins some pixels further down and right."""
    a, b, c, d, e, f = transform[:6]
    return rasterio.Affine(a, b, c + (a + b) * pixels, d, e, f + (d + e) * pixels)


def scaled(transform: rasterio.Affine, factor: float) -> rasterio.Affine:
    """Returns the affine of pixels `factor` times as large that begin at the same corner."""
    a, b, c, d, e, f = transform[:6]
    return rasterio.Affine(a * factor, b * factor, c, d * factor, e * factor, f)


def georeference(path: Path, file: rasterio.DatasetReader, modality: Modality) -> Record:
    """Returns the fields `crs` and `transform` of a record whose frame is the open raster of this modality.

    Raises:
      TileError: it cannot be the frame.
    """
    frame = Place.of(path, file, modality.ground_sample_distance, modality.size, modality.frame)
    check_frame(frame)
    return {"crs": file.crs.to_wkt() if file.crs else "", "transform": np.array(file.transform[:6], np.float64)}


def check_frame(place: Place, north_up: bool = True) -> None:
    """Checks what can be the frame of a tile: projected, pixels of the contract's size, and north up.

    Raises:
      TileError: it is not; names the file, what was expected and what was found.
    """
    path, crs = place.path, place.crs
    if crs is None or not crs.is_projected:
        found = "none" if crs is None else crs.to_string()[:40]
        refuse("place", f"{path}: coordinate system: expected a projected one, in metres, found {found}")
        return
    _check_pixels(place, crs)
    a, b, _, d, e, _ = place.transform[:6]
    if north_up and not (a > 0 > e and max(abs(b), abs(d)) * place.side <= TOLERANCE * a):
        refuse("place", f"{path}: orientation: expected north up, found the affine {_numbers(a, b, d, e)}")


def check_against_metadata(frame: Place, place: Place) -> None:
    """As `check_registered`, where published metadata tell the frame: a raster that says nothing lies there."""
    if not place.is_silent:
        check_registered(frame, place)


def check_registered(frame: Place, place: Place) -> None:
    """Checks that a raster lies where the frame of its tile does, and differs by the size of its pixels alone.

    Raises:
      TileError: it does not; names both files, what was expected and what was found.
    """
    path, as_in = place.path, f"as in {frame.path}"
    if frame.crs is None or place.crs is None or not same_crs(frame.crs, place.crs):
        expected, found = ("none" if crs is None else crs.to_string()[:40] for crs in (frame.crs, place.crs))
        refuse("place", f"{path}: coordinate system, {as_in}: expected {expected}, found {found}")
        return
    _check_pixels(place, frame.crs)
    coarser = max(frame.pixel, place.pixel)
    reach = min(frame.pixel * frame.side, place.pixel * place.side)
    to_pixels = _metres(frame.crs) / coarser
    # Asked so that what is no number is refused.
    if not math.dist(frame.at(0, 0), place.at(0, 0)) * to_pixels <= TOLERANCE:
        expected, found = (_numbers(*each.at(0, 0)) for each in (frame, place))
        refuse("place", f"{path}: north-west corner: expected {expected} {as_in}, found {found}")
        return
    off = max(math.dist(frame.at(*at), place.at(*at)) for at in ((reach, 0), (0, reach), (reach, reach))) * to_pixels
    if not off <= FAR_TOLERANCE:
        expected, found = (_numbers(*(each.transform[i] for i in (0, 1, 3, 4))) for each in (frame, place))
        refuse(
            "place", f"{path}: affine: expected {expected} {as_in} but for scale, found {found}, {off:.2g} pixels off"
        )


def same_crs(first: CRS, second: CRS) -> bool:
    """Returns whether two coordinate systems are one for maps, however they are written.

    Heights and the order of axes make no other one. Files written without the parameters of a projection name it as a
    local system: the name is believed then. One without a code, as PROJ's texts make them, has parameters alone.
    """
    if first == second:
        return True
    return _same(first.to_wkt(), second.to_wkt())


@functools.lru_cache(maxsize=256)  # of few systems, asked for each file, and slow where one has no code
def _same(*texts: str) -> bool:
    first, second = map(CRS.from_wkt, texts)
    if any(text.startswith(_LOCAL) for text in texts):
        return _name(first) == _name(second) is not None
    first, second = _of_maps(first), _of_maps(second)
    coded = ["id" in crs.to_dict(projjson=True) for crs in (first, second)]
    if first == second or (not all(coded) and _parameters(first) == _parameters(second) != ""):
        return True
    codes = [crs.to_epsg(_CONFIDENT) for crs in (first, second)]
    return codes[0] == codes[1] is not None or _projection(first) == _projection(second) is not None


def _of_maps(crs: CRS) -> CRS:
    """Returns the part of a coordinate system that tells places on a map, without heights."""
    parts = crs.to_dict(projjson=True)
    if parts.get("type") != "CompoundCRS":
        return crs
    # By its WKT, as the class keeps the JSON of its parts otherwise.
    return CRS.from_wkt(CRS.from_string(json.dumps(parts["components"][0])).to_wkt())


def _parameters(crs: CRS) -> str:
    """Returns PROJ's text; a datum that differs from WGS 84 by nothing is told by its ellipsoid alone."""
    return re.sub(r" \+towgs84=0(,0)*(?= )", "", crs.to_proj4())


def _projection(crs: CRS) -> object:
    """Returns datum and projection, without the order of axes, which GIS do not follow; None of others."""
    parts = crs.to_dict(projjson=True)
    if parts.get("type") != "ProjectedCRS":
        return None
    axes = sorted((axis["direction"], str(axis["unit"])) for axis in parts["coordinate_system"]["axis"])
    return parts["base_crs"]["name"], parts["conversion"]["method"], parts["conversion"]["parameters"], axes


def reprojected(frame: Place, crs: CRS) -> Place:
    """Returns a frame in a coordinate system of its own region; as it is where `crs` is none of metres."""
    assert frame.crs is not None, "asked of frames that are known"
    if not crs.is_projected or frame.crs == crs:
        return frame
    side = frame.pixel * frame.side
    corners = zip(frame.at(0, 0), frame.at(side, 0), frame.at(0, side), strict=True)
    (c, east, south), (f, east_y, south_y) = rasterio.warp.transform(frame.crs, crs, *corners)
    n = frame.side
    transform = rasterio.Affine((east - c) / n, (south - c) / n, c, (east_y - f) / n, (south_y - f) / n, f)
    return dataclasses.replace(frame, crs=crs, transform=transform)


def commonest(places: Sequence[Place]) -> Place | None:
    """Returns the first of the places that most of a series have; None of none."""
    numbers = collections.Counter((str(place.crs), place.transform) for place in places)
    return max(places, key=lambda place: numbers[str(place.crs), place.transform], default=None)


def _check_pixels(place: Place, crs: CRS) -> None:
    a, b, _, d, e, _ = place.transform[:6]
    factor = _metres(crs)
    for found in (math.hypot(a, d) * factor, math.hypot(b, e) * factor):
        if not abs(found / place.pixel - 1) <= TOLERANCE:
            unit = "" if factor == 1 else f" (the coordinate system counts in {crs.linear_units})"
            refuse(
                "place",
                f"{place.path}: ground sample distance: expected {place.pixel:g} m, found {found:.5g} m{unit}",
            )
            return


def _metres(crs: CRS) -> float:
    """Returns how many metres the unit of a coordinate system has."""
    return float(crs.linear_units_factor[1])


def _name(crs: CRS) -> str | None:
    match = re.match(r'\w+\["([^"]*)"', crs.to_wkt())
    return match[1] if match else None


def _numbers(*values: float) -> str:
    return "(" + ", ".join(repr(round(float(value), 6)) for value in values) + ")"
