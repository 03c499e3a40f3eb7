"""From a tile's files to its record, each checked against the description."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from immutabledict import immutabledict

from data_prep.datasets.folder.description import Column, Files, Folder, Raster
from data_prep.datasets.folder.offsets import offsets_of, with_one_offset
from data_prep.datasets.folder.series import Acquisition
from data_prep.datasets.folder.targets import read_raster_target, target_field
from data_prep.datasets.folder.tiles import FolderTile
from data_prep.errors import TileError
from data_prep.problems import DATE, Problem, report
from data_prep.readers.dates import Date, are_one, in_time
from data_prep.readers.inside import inside
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import Place, check_frame, check_registered, commonest, moved, scaled
from data_prep.readers.statements import read_pixels
from data_prep.readers.values import mask_sensor, percents
from data_prep.shards.records import Record
from mmae_jax.spec import Modality


@dataclasses.dataclass(frozen=True)
class _Image:
    """What one file of a modality, and its mask, hold; `places` are those of both, none where they are not checked."""

    acquisition: Acquisition
    pixels: np.ndarray
    mask: np.ndarray | None
    places: tuple[Place, ...]


def read_tile(folder: Folder, raw_dir: Path, tile: FolderTile) -> tuple[Record, int]:
    """Returns the record of a tile, and the number of acquisitions dropped because of their file, which is logged.

    The frame of the tile is the place that most files of its first modality have.

    Raises:
      TileError: a file is not as described, two are not co-registered, or a target is absent.
    """
    record: Record = {"name": tile.name}
    frame: Place | None = None
    dropped = 0
    for name, files in folder.modalities.items():
        images, problems = _read_images(raw_dir, tile.series[name], files)
        frame = frame or commonest([image.places[0] for image in images if image.places])
        images, others = _registered(frame, images)
        images, twice = _distinct(images)
        others += twice
        if (problems or others) and not images:
            raise [*problems, *others][-1][1]
        for acquisition, error in (*problems, *others):
            report(Problem(tile.name, DATE, str(error)))
            dropped += max(1, len(acquisition.dates))
        record[name] = _series(images, files.sensor)
    for source in folder.targets.values():
        record[source.target.field] = _read_target(folder, raw_dir, tile, source, frame)
    first = next(record[name]["dates"] for name in folder.modalities if len(record[name]["dates"]))
    crs = frame.crs.to_wkt() if frame is not None and frame.crs else ""
    return record | {"ref_date": first[0], "crs": crs, "transform": _transform(folder, frame)}, dropped


_Problems = list[tuple[Acquisition, TileError]]


def _read_images(raw_dir: Path, acquisitions: tuple[Acquisition, ...], files: Files) -> tuple[list[_Image], _Problems]:
    images, problems = list[_Image](), _Problems()
    for acquisition in acquisitions:
        try:
            images.append(_read_image(raw_dir, acquisition, files))
        except TileError as error:
            problems.append((acquisition, error))
    return images, problems


def _registered(frame: Place | None, images: list[_Image]) -> tuple[list[_Image], _Problems]:
    """Returns the images that lie where the frame does, and what is wrong with the others."""
    kept, problems = list[_Image](), _Problems()
    for image in images:
        try:
            for place in image.places:
                assert frame is not None, "the frame is one of the places"
                check_registered(frame, place)
            kept.append(image)
        except TileError as error:
            problems.append((image.acquisition, error))
    return kept, problems


def _distinct(images: list[_Image]) -> tuple[list[_Image], _Problems]:
    """Returns the images without those that are there twice under two names, and these."""
    kept, problems = list[_Image](), _Problems()
    for image in images:
        at_once = (other for other in kept if other.acquisition.dates == image.acquisition.dates)
        same = next((other for other in at_once if are_one(other.pixels, image.pixels)), None)
        if same is None:
            kept.append(image)
        else:
            path, other = image.acquisition.path, same.acquisition.path
            error = TileError(f"{path}: expected another acquisition, found the pixels of {other}, of the same time")
            problems.append((image.acquisition, error))
    return kept, problems


def _series(images: list[_Image], sensor: Modality) -> Record:
    side = sensor.size + 2 * sensor.frame
    dates = [date for image in images for date in image.acquisition.dates]
    empty = np.empty((0, len(sensor.bands), side, side), sensor.dtype)
    stored = {
        "pixels": np.concatenate([empty, *(image.pixels for image in images)]),
        "dates": np.array(dates, np.int16).reshape(-1, 3),
    }
    if sensor.mask_channels:
        masks = [image.mask for image in images if image.mask is not None]
        stored["mask"] = np.concatenate([np.empty((0, len(sensor.mask_channels), side, side), np.uint8), *masks])
    return in_time(stored)


def _read_image(raw_dir: Path, acquisition: Acquisition, files: Files) -> _Image:
    path = inside(raw_dir, acquisition.path)
    pixels, places = _read_raster(path, files, acquisition.dates)
    if not files.sensor.mask_channels:
        return _Image(acquisition, pixels, None, places)
    if acquisition.mask is None:
        raise TileError(f"{path}: expected a mask file {files.masks} beside it, found none")
    as_sensor = mask_sensor(files.sensor)
    as_files = dataclasses.replace(files, sensor=as_sensor, offsets=immutabledict())
    mask_path = inside(raw_dir, acquisition.mask)
    mask, of_mask = _read_raster(mask_path, as_files, acquisition.dates)
    return _Image(acquisition, pixels, percents(mask_path, mask), (*places, *of_mask))


def _read_raster(path: Path, files: Files, dates: Sequence[Date]) -> tuple[np.ndarray, tuple[Place, ...]]:
    sensor, num_dates = files.sensor, len(dates)
    side, bands, offsets = sensor.size + 2 * sensor.frame, len(sensor.bands), offsets_of(sensor, files.offsets, dates)
    if not num_dates:
        raise TileError(f"{path}: expected dates of its tile in {files.dates}, found none")
    with open_raster(path) as file:
        if file.count != bands * num_dates:
            of_dates = f" × {num_dates} dates = {bands * num_dates}" if num_dates != 1 else ""
            raise TileError(f"{path}: expected {bands} bands{of_dates}, found {file.count}")
        expect(path, "size", (side, side), file.shape)
        for dtype in file.dtypes:
            expect(path, "dtype", sensor.dtype, dtype)
        places = _places(path, file, files)
        pixels = read_pixels(path, file, sensor, offsets=offsets).reshape(num_dates, bands, side, side)
        return with_one_offset(pixels, sensor, offsets), places


def _places(path: Path, file: rasterio.DatasetReader, files: Files) -> tuple[Place, ...]:
    if not files.georeferenced:
        return ()
    sensor = files.sensor
    place = Place.of(path, file, sensor.ground_sample_distance, sensor.size, sensor.frame)
    check_frame(place)
    return (place,)


def _read_target(
    folder: Folder, raw_dir: Path, tile: FolderTile, source: Raster | Column, frame: Place | None
) -> np.ndarray:
    target = source.target
    found = tile.labels if isinstance(source, Column) else tile.rasters
    if target.field not in found:
        name = next(name for name, each in folder.targets.items() if each is source)
        wanted = (
            f"a line for {tile.name} in {source.table}"
            if isinstance(source, Column)
            else f"a file {source.pattern.replace('{tile}', tile.name)}"
        )
        raise TileError(f"target {name}: expected {wanted}, found none")
    if isinstance(source, Column):
        return np.array(tile.labels[target.field], target_field(target)[1])
    values, place = read_raster_target(inside(raw_dir, tile.rasters[target.field]), source, folder.tile_meters)
    if source.georeferenced and frame is not None:
        check_registered(frame, place)
    return values


def _transform(folder: Folder, frame: Place | None) -> np.ndarray:
    """Returns the affine of the finest modality's pixels, whether or not the tile has it."""
    if frame is None:
        return np.array(rasterio.Affine.identity()[:6], np.float64)
    finest = max((files.sensor for files in folder.modalities.values()), key=lambda sensor: sensor.size)
    finer = scaled(frame.transform, frame.side / finest.size)
    return np.array(moved(finer, -finest.frame)[:6], np.float64)
