"""S2-NAIP, urban tiles: 640 m of a city in the United States, one aerial image and a season of satellite images.

Published as allenai/s2-naip on Hugging Face (Wolters et al. 2023, arXiv 2311.18082; Apache-2.0); the urban tiles are
those of Labatie et al. 2025 (arXiv 2508.10894). Read as published, see `files`, or as stacked for the
latter: `{sensor}/{id}_stacked.tif` of all bands at 10 m and the scenes in `dates/{sensor}/{id}.txt`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from data_prep.datasets.s2_naip_urban import files, scene_dates
from data_prep.datasets.s2_naip_urban.contract import CONTRACT, CONTRACT_WITH_LANDSAT, TILE_METERS
from data_prep.datasets.s2_naip_urban.files import Position
from data_prep.datasets.s2_naip_urban.sensors import NAIP, SENSORS, Sensor
from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.readers import dates
from data_prep.readers.inside import inside
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import Place, check_against_metadata
from data_prep.readers.splits import SplitFiles, read_column
from data_prep.readers.statements import read_pixels
from data_prep.shards.records import Record
from data_prep.shards.task import Source
from mmae_jax.spec import Dataset, Modality

PUBLISHED_SPLITS = "s2-naip-urban"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclasses.dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes:
      name: `{EPSG}_{column}_{row}`.
      dates: sensor's folder → dates int16 `[T, 3]` of its images or what is wrong with them, from the published tables;
        None in the stacked layout, where they are beside the images.
    """

    name: str
    dates: Mapping[str, np.ndarray | TileError] | None


def list_tiles(all_tiles: bool, raw_dir: Path) -> dict[str, list[Tile]]:
    """Returns the tiles of each split, in the order of its csv.

    Args:
      all_tiles: take every tile that has an aerial image as a training tile, instead of the published splits.
      raw_dir: the files, in either layout.

    Raises:
      DataPrepError: a csv or a table is absent, damaged or lacks a column, or there are no aerial images.
    """
    if all_tiles:
        pngs = sorted({name for name in files.names(raw_dir, NAIP.folder) if name.endswith(".png")})
        if not pngs:
            raise DataPrepError(f"{raw_dir}: expected aerial images naip/*.png or naip_*/*.tar, found none")
        names = {"train": [name.removesuffix(".png") for name in pngs]}
    else:
        otherwise = "or prepare every downloaded tile as a training tile with --split=all"
        paths = SplitFiles().require(raw_dir, PUBLISHED_SPLITS, otherwise)
        names = {split: read_column(path, "name") for split, path in paths.items()}
    if (raw_dir / "dates").is_dir():
        return {split: [Tile(name, None) for name in tiles] for split, tiles in names.items()}
    tables = _read_tables(raw_dir, {name for tiles in names.values() for name in tiles})
    return {
        split: [
            Tile(name, {folder: table[name] for folder, table in tables.items() if name in table}) for name in tiles
        ]
        for split, tiles in names.items()
    }


def _read_tables(raw_dir: Path, tiles: set[str]) -> dict[str, dict[str, np.ndarray | TileError]]:
    """Returns folder → tile → dates, for every sensor there is."""
    tables = {}
    for sensor in (NAIP, *SENSORS.values()):
        path = inside(raw_dir, f"{sensor.folder}.csv")
        if path.exists():
            tables[sensor.folder] = scene_dates.read_table(path, f"{sensor.folder}_scene", sensor.read_dates, tiles)
        elif sensor is NAIP or files.has_sensor(raw_dir, sensor.folder):
            raise DataPrepError(
                f"{path}: not found; the dates of {sensor.folder} are in this table of Hugging Face allenai/s2-naip, "
                f"or in the stacked layout in {raw_dir / 'dates' / sensor.dates_folder}"
            )
    return tables


def read_tile(contract: Dataset, raw_dir: Path, tile: Tile) -> tuple[Record, int]:
    """Returns the record of a tile and the number of acquisitions dropped because no pixel was observed.

    Images are put in chronological order: they are published in any. Sensors without files are missing modalities.

    Raises:
      TileError: a file is damaged or not as published, or there is no aerial image; names file, expected and found.
    """
    frame = _frame(tile)
    aerial = _read_aerial(raw_dir, tile)
    record: Record = {"name": tile.name, "aerial": aerial, "ref_date": aerial["dates"][0]}
    dropped = 0
    for name, sensor in SENSORS.items():
        if name in contract.modalities:
            record[name], lost = _read_series(raw_dir, tile, sensor, contract.modalities[name], frame)
            dropped += lost
    assert frame.crs is not None, "the name tells it"
    record |= {"crs": frame.crs.to_string(), "transform": np.array(frame.transform[:6], np.float64)}
    return record, dropped


def _frame(tile: Tile) -> Place:
    """Returns where the aerial image lies, which the tile's name tells.

    Raises:
      TileError: it does not.
    """
    aerial, at = CONTRACT.modalities["aerial"], Position.of(tile.name)
    pixel = aerial.ground_sample_distance
    transform = rasterio.Affine(pixel, 0, at.column * TILE_METERS, 0, -pixel, -at.row * TILE_METERS)
    with naming_errors(Path(tile.name)):
        return Place(Path(tile.name), CRS.from_epsg(at.epsg), transform, pixel, aerial.size)


def _read_aerial(raw_dir: Path, tile: Tile) -> Record:
    path = files.find(raw_dir, NAIP.folder, tile.name, ".png")
    if path is None:
        raise TileError(f"{raw_dir / NAIP.folder / tile.name}.png: not found")
    if files.last_bytes(path, len(PNG_END)) != PNG_END:  # GDAL fills what is cut off with zeros
        raise TileError(f"{path}: cannot be read (the file ends too early)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the name says where a tile is
        pixels = _read_images(path, ".png", *NAIP.parts[".png"], CONTRACT.modalities["aerial"], None)
    days = _dates(raw_dir, tile, NAIP)
    expect(path, "images", 1, len(pixels))
    expect(path, "dates", 1, len(days))
    return {"pixels": pixels, "dates": days}


def _read_series(raw_dir: Path, tile: Tile, sensor: Sensor, modality: Modality, frame: Place) -> tuple[Record, int]:
    """Returns pixels and dates in chronological order, and the number of images without any observed pixel."""
    parts = sensor.parts if tile.dates is not None else sensor.stacked
    paths = {ending: files.find(raw_dir, sensor.folder, tile.name, ending) for ending in parts}
    if not any(paths.values()):
        shape = (0, len(modality.bands), modality.size, modality.size)
        return {"pixels": np.empty(shape, modality.dtype), "dates": np.empty((0, 3), np.int16)}, 0
    days = _dates(raw_dir, tile, sensor)
    images: list[np.ndarray] = []
    bands: list[str] = []
    for ending, (part_bands, side) in parts.items():
        path = paths[ending]
        if path is None:
            raise TileError(
                f"{raw_dir / sensor.folder / tile.name}{ending}: not found, though other bands of it are there"
            )
        pixels = _read_images(path, ending, part_bands, side, modality, frame)
        expect(path, "images", len(days), len(pixels))
        repeat = modality.size // side
        images.append(pixels.repeat(repeat, -2).repeat(repeat, -1))
        bands += part_bands
    pixels = np.concatenate(images, 1)[:, np.array([bands.index(band) for band in modality.bands])]
    observed = np.isfinite(pixels) if modality.nodata is None else pixels != modality.nodata
    kept = observed.any((1, 2, 3))
    pixels, days = pixels[kept], days[kept]
    order = dates.chronological(days)
    return {"pixels": pixels[order], "dates": days[order]}, int((~kept).sum())


def _dates(raw_dir: Path, tile: Tile, sensor: Sensor) -> np.ndarray:
    """Returns dates `[T, 3]` in the order of the images."""
    if tile.dates is None:
        path = inside(raw_dir, "dates", sensor.dates_folder, f"{tile.name}.txt")
        return scene_dates.read_scenes(path, sensor.read_dates)
    found = tile.dates.get(sensor.folder)
    if found is None:
        raise TileError(f"{raw_dir / sensor.folder}.csv: expected lines for {tile.name}, found none")
    if isinstance(found, TileError):
        raise found
    return found


def _read_images(
    path: Path, ending: str, bands: tuple[str, ...], side: int, modality: Modality, frame: Place | None
) -> np.ndarray:
    """Returns `[T, bands, side, side]` of a raster that holds T images, band after band, one image after the other.

    Its place is held against the tile's frame, if there is one.
    """
    with open_raster(path, Path(ending).suffix or ending) as file:
        expect(path, "size", (side, side), file.shape)
        if file.count % len(bands):
            raise TileError(f"{path}: bands: expected {', '.join(bands)} of each image, found {file.count} bands")
        expect(path, "dtype", modality.dtype, file.dtypes[0])
        if frame is not None:
            check_against_metadata(frame, Place.of(path, file, TILE_METERS / side, side))
        pixels = read_pixels(path, file, dataclasses.replace(modality, bands=bands))
    return pixels.reshape(-1, len(bands), side, side)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--landsat", action="store_true", help="store the Landsat images, too (a third more data)")
    parser.add_argument(
        "--split",
        choices=("published", "all"),
        default="published",
        help="tiles of the published train.csv, val.csv and test.csv, or all downloaded tiles as train",
    )


def source(options: argparse.Namespace) -> Source:
    """Returns the dataset with the tiles that `options` choose."""
    contract = CONTRACT_WITH_LANDSAT if options.landsat else CONTRACT
    return Source(
        contract=contract,
        target_fields={},
        record_bytes=3_500_000,
        list_tiles=functools.partial(list_tiles, options.split == "all"),
        read_tile=functools.partial(read_tile, contract),
        metadata_files=("*.csv",),
        compressed=False,
    )
