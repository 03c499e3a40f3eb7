"""From a tile's files to its record, each checked against the description."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import rasterio

from data_prep.datasets.folder.description import Column, Files, Folder
from data_prep.datasets.folder.targets import read_raster_target, target_field
from data_prep.datasets.folder.tiles import Acquisition, Date, FolderTile
from data_prep.errors import TileError
from data_prep.readers.raw import expect, open_raster
from data_prep.shards.records import Record
from mmae_jax.spec import Modality

TOLERANCE = 0.01
"""Of resolutions, and of places in pixels of the coarser raster."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a raster lies: coordinate system and north-west corner of what covers the tile."""

    path: Path
    crs: rasterio.crs.CRS | None
    transform: rasterio.Affine
    gsd: float


def read_tile(folder: Folder, raw_dir: Path, tile: FolderTile) -> tuple[Record, int]:
    """Returns the record of a tile, and the number of acquisitions dropped because their file is damaged.

    Raises:
      TileError: a file is not as described, two are not co-registered, or a target is absent.
    """
    record: Record = {"name": tile.name}
    places: dict[str, _Place] = {}
    dropped = 0
    for name, files in folder.modalities.items():
        record[name], place, lost = _read_series(raw_dir, tile.series[name], files)
        dropped += lost
        if place is not None:
            places[name] = place
            _check_registered(next(iter(places.values())), place)
    for name, source in folder.targets.items():
        target = source.target
        found = tile.labels if isinstance(source, Column) else tile.rasters
        if target.field not in found:
            wanted = (
                f"a line for {tile.name} in {source.table}"
                if isinstance(source, Column)
                else f"a file {source.pattern.replace('{tile}', tile.name)}"
            )
            raise TileError(f"target {name}: expected {wanted}, found none")
        record[target.field] = (
            np.array(tile.labels[target.field], target_field(target)[1])
            if isinstance(source, Column)
            else read_raster_target(raw_dir / tile.rasters[target.field], target)
        )
    first = next(record[name]["dates"] for name in folder.modalities if len(record[name]["dates"]))
    crs = next(iter(places.values())).crs if places else None
    record |= {"ref_date": first[0], "crs": crs.to_wkt() if crs else "", "transform": _transform(folder, places)}
    return record, dropped


def _read_series(
    raw_dir: Path, acquisitions: tuple[Acquisition, ...], files: Files
) -> tuple[Record, _Place | None, int]:
    sensor = files.sensor
    side = sensor.size + 2 * sensor.frame
    pixels, masks, dates = [], [], list[Date]()
    place, damage, dropped = None, None, 0
    for acquisition in acquisitions:
        path = raw_dir / acquisition.path
        try:
            values, found = _read_raster(path, files, len(acquisition.dates))
            mask = _read_mask(raw_dir, acquisition, files)
        except TileError as error:
            damage, dropped = error, dropped + max(1, len(acquisition.dates))
            continue
        place = place or found
        pixels.append(values)
        masks.append(mask)
        dates += acquisition.dates
    if damage is not None and not pixels:
        raise damage
    empty = np.empty((0, len(sensor.bands), side, side), sensor.dtype)
    stored = {"pixels": np.concatenate([empty, *pixels]), "dates": np.array(dates, np.int16).reshape(-1, 3)}
    if sensor.mask_channels:
        stored["mask"] = np.concatenate([np.empty((0, len(sensor.mask_channels), side, side), np.uint8), *masks])
    return stored, place, dropped


def _read_raster(path: Path, files: Files, num_dates: int) -> tuple[np.ndarray, _Place | None]:
    sensor = files.sensor
    side, bands = sensor.size + 2 * sensor.frame, len(sensor.bands)
    with open_raster(path) as file:
        if file.count != bands * num_dates:
            raise TileError(
                f"{path}: bands: expected {bands} bands × {num_dates} dates = {bands * num_dates}, found {file.count}"
            )
        expect(path, "size", (side, side), file.shape)
        for dtype in file.dtypes:
            expect(path, "dtype", sensor.dtype, dtype)
        _check_names(path, file, sensor)
        if file.nodata is not None and not np.isnan(file.nodata):
            expect(path, "nodata (as the sensor in the description says)", sensor.nodata, file.nodata)
        place = _place(path, file, sensor) if files.georeferenced else None
        return file.read().reshape(num_dates, bands, side, side), place


def _place(path: Path, file: rasterio.DatasetReader, sensor: Modality) -> _Place:
    if file.crs is not None:
        _check_resolution(path, file, sensor.ground_sample_distance)
    return _Place(path, file.crs, _moved(file.transform, sensor.frame), sensor.ground_sample_distance)


def _moved(transform: rasterio.Affine, pixels: int) -> rasterio.Affine:
    """Returns the affine of a raster that begins some pixels further down and right."""
    a, b, c, d, e, f = transform[:6]
    return rasterio.Affine(a, b, c + (a + b) * pixels, d, e, f + (d + e) * pixels)


def _check_names(path: Path, file: rasterio.DatasetReader, sensor: Modality) -> None:
    """Band names in the file are believed where they are those of the contract: then the order must be the same."""
    named = tuple(file.descriptions[: len(sensor.bands)])
    if named != sensor.bands and set(named) == set(sensor.bands):
        raise TileError(f"{path}: band names: expected {', '.join(sensor.bands)}, found {', '.join(map(str, named))}")


def _check_resolution(path: Path, file: rasterio.DatasetReader, gsd: float) -> None:
    if not file.crs.is_projected:
        raise TileError(f"{path}: coordinate system: expected a projected one, in metres, found {file.crs}")
    for found in file.res:
        if abs(found / gsd - 1) > TOLERANCE:
            raise TileError(f"{path}: ground sample distance: expected {gsd:g} m, found {found:g}")


def _read_mask(raw_dir: Path, acquisition: Acquisition, files: Files) -> np.ndarray | None:
    if not files.sensor.mask_channels:
        return None
    if acquisition.mask is None:
        raise TileError(f"{raw_dir / acquisition.path}: expected a mask file {files.masks} beside it, found none")
    as_sensor = dataclasses.replace(files.sensor, bands=files.sensor.mask_channels, dtype="uint8", nodata=None)
    as_files = dataclasses.replace(files, sensor=as_sensor)
    return _read_raster(raw_dir / acquisition.mask, as_files, len(acquisition.dates))[0]


def _check_registered(first: _Place, other: _Place) -> None:
    if first.crs is None or other.crs is None:
        return
    expect(other.path, f"coordinate system, as in {first.path}", first.crs, other.crs)
    corner, found = (first.transform.c, first.transform.f), (other.transform.c, other.transform.f)
    allowed = TOLERANCE * max(first.gsd, other.gsd)
    if max(abs(a - b) for a, b in zip(corner, found, strict=True)) > allowed:
        raise TileError(f"{other.path}: north-west corner: expected {corner} as in {first.path}, found {found}")


def _transform(folder: Folder, places: dict[str, _Place]) -> np.ndarray:
    """Returns the affine of the finest modality's pixels, whether or not the tile has it."""
    if not places:
        return np.array(rasterio.Affine.identity()[:6], np.float64)
    finest = max((files.sensor for files in folder.modalities.values()), key=lambda sensor: sensor.size)
    name, place = next(iter(places.items()))
    scale = folder.modalities[name].sensor.size / finest.size
    a, b, c, d, e, f = place.transform[:6]
    finer = rasterio.Affine(a * scale, b * scale, c, d * scale, e * scale, f)
    return np.array(_moved(finer, -finest.frame)[:6], np.float64)
