"""TreeSatAI-Time-Series: forest tiles of 60 m in Germany, one aerial image and one year of Sentinel-1 and -2 each.

Published layout (IGNF/TreeSatAI-Time-Series; Ahlswede et al. 2023, https://doi.org/10.5194/essd-15-681-2023; Astruc et
al. 2024, arXiv 2404.08351): `aerial/*.tif`, `sentinel-ts/*.h5`, and the splits `train.csv`, `val.csv`, `test.csv`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from data_prep.arguments import add_filter_percent
from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from data_prep.errors import DataPrepError, TileError
from data_prep.readers import dates
from data_prep.readers.raw import expect, get_array, open_hdf5, open_raster, read_array
from data_prep.readers.registration import georeference
from data_prep.readers.splits import SPLITS, SplitFiles
from data_prep.readers.tables import read_rows
from data_prep.shards.records import Record
from data_prep.shards.task import Source
from mmae_jax.spec import Modality

PUBLISHED_SPLITS = "TreeSatAI-TS"

CSV_COLUMNS = ("aerial_name", "sen_name", "aerial_date", *GENERA)


@dataclasses.dataclass(frozen=True)
class Tile:
    """One line of a split's csv.

    Attributes:
      aerial: file name in `aerial/`.
      sentinel: file name in `sentinel-ts/`.
      aerial_date: `(year, day of year, hour)`.
      proportions: cover of each genus in [0, 1]; they may add up to less than 1.
    """

    aerial: str
    sentinel: str
    aerial_date: tuple[int, int, int]
    proportions: tuple[float, ...]

    @property
    def name(self) -> str:
        """Name of the tile: the aerial file without its ending."""
        return Path(self.aerial).stem


def list_tiles(splits: SplitFiles, raw_dir: Path) -> dict[str, list[Tile]]:
    """Returns the tiles of each split, in the order of its csv.

    Raises:
      DataPrepError: a csv is absent or empty, its columns differ from `CSV_COLUMNS`, or a value cannot be read.
    """
    return {split: _read_csv(path) for split, path in splits.require(raw_dir, PUBLISHED_SPLITS).items()}


def _read_csv(path: Path) -> list[Tile]:
    rows = read_rows(path)
    header = tuple(next(iter(rows.values())))
    if header != CSV_COLUMNS:
        raise DataPrepError(f"{path}: expected the columns {','.join(CSV_COLUMNS)}, found {','.join(header)}")
    return [_parse(row, f"{path}: {place}") for place, row in rows.items()]


def _parse(row: Mapping[str, str], where: str) -> Tile:
    aerial, sentinel, day, *cover = row.values()
    try:
        proportions = tuple(float(value) for value in cover)
        aerial_date = dates.from_compact(day)
    except ValueError as error:
        raise DataPrepError(f"{where}: {error}") from error
    for genus, value in zip(GENERA, proportions, strict=True):
        if not 0 <= value <= 1:
            raise DataPrepError(f"{where}: {genus}: expected a proportion in [0, 1], found {value}")
    return Tile(aerial, sentinel, aerial_date, proportions)


def read_tile(raw_dir: Path, tile: Tile) -> tuple[Record, int]:
    """Returns the record of a tile and the number of Sentinel-2 acquisitions dropped because a value is damaged.

    Values stay as published. Mask percents are rounded up: what was above 0 stays so.

    Raises:
      TileError: a file is absent, damaged or not as published; names file, key, expected and found.
    """
    sentinel = raw_dir / "sentinel-ts" / tile.sentinel
    record = _read_aerial(raw_dir / "aerial" / tile.aerial, tile.aerial_date)
    with open_hdf5(sentinel) as file:
        s2, dropped = _read_s2(file, sentinel)
        record |= {
            "s2": s2,
            "s1_asc": _read_s1(file, "sen-1-asc", sentinel),
            "s1_des": _read_s1(file, "sen-1-des", sentinel),
        }
    record |= {
        "name": tile.name,
        "ref_date": np.array(tile.aerial_date, np.int16),
        "proportions": np.array(tile.proportions, np.float32),
    }
    return record, dropped


def _read_aerial(path: Path, date: tuple[int, int, int]) -> Record:
    modality = CONTRACT.modalities["aerial"]
    with open_raster(path) as file:
        expect(path, "bands", len(modality.bands), file.count)
        side = CONTRACT.stored_side(modality)
        expect(path, "size", (side, side), file.shape)
        expect(path, "dtype", modality.dtype, file.dtypes[0])
        return {
            "aerial": {"pixels": file.read()[None], "dates": np.array([date], np.int16)},
            **georeference(path, file, modality),
        }


def _read_s1(file: h5py.File, key: str, path: Path) -> Record:
    pixels, days = _read_series(file, key, path, CONTRACT.modalities["s1_asc"])
    expect(path, f"{key}-data: dtype", "float32", pixels.dtype.name)
    return {"pixels": pixels.astype(np.float32, copy=False), "dates": days}


def _read_s2(file: h5py.File, path: Path) -> tuple[Record, int]:
    pixels, days = _read_series(file, "sen-2", path, CONTRACT.modalities["s2"])
    if not len(days):
        return {
            "pixels": pixels.astype(np.uint16),
            "dates": days,
            "mask": np.empty((0, 2, *pixels.shape[2:]), np.uint8),
        }, 0
    mask = read_array(file, "sen-2-masks", path, (len(pixels), None, *pixels.shape[2:]))
    # comparisons are false for NaN; masks come from resampling, which overshoots by rounding errors
    usable = (pixels >= 0) & (pixels <= np.iinfo(np.uint16).max) & (pixels == np.rint(pixels))
    readable = (mask >= -1) & (mask <= 101)
    keep = usable.all((1, 2, 3)) & readable.all((1, 2, 3))
    if not keep.any():
        raise TileError(
            f"{path}: sen-2-data: expected dates with whole numbers 0 to 65535, and sen-2-masks from 0 to 100 %, "
            f"found {len(pixels)} dates of which none is so"
        )
    return {
        "pixels": pixels[keep].astype(np.uint16),
        "dates": days[keep],
        "mask": np.ceil(mask[keep]).clip(0, 100).astype(np.uint8),
    }, int((~keep).sum())


def _read_series(file: h5py.File, key: str, path: Path, modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels `[T, bands, side, side]` and dates `[T, 3]`; T = 0 if the file has neither."""
    side = CONTRACT.stored_side(modality)
    shape = (len(modality.bands), side, side)
    if f"{key}-data" not in file and f"{key}-products" not in file:
        return np.empty((0, *shape), np.float32), np.empty((0, 3), np.int16)
    pixels = read_array(file, f"{key}-data", path, (None, *shape))
    try:
        names = get_array(file, f"{key}-products", path).asstr()[()]
        days = dates.from_products(names, dates.SENTINEL_TOKEN)
    except (ValueError, TypeError) as error:
        raise TileError(f"{path}: {key}-products: {error}") from error
    expect(path, f"{key}-products: dates", len(pixels), len(days))
    return pixels, days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    add_filter_percent(parser)


def source(options: argparse.Namespace) -> Source:
    """Returns the dataset with the splits that `options` choose."""
    splits = SplitFiles(filter_percent=options.filter_percent)
    return Source(
        contract=CONTRACT,
        target_fields={"proportions": ((len(GENERA),), "float32")},
        record_bytes=500_000,
        list_tiles=functools.partial(list_tiles, splits),
        read_tile=read_tile,
        metadata_files=tuple(splits.name(split) for split in SPLITS),
        compressed=False,
    )
