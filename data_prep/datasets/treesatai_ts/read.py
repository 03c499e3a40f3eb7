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

import numpy as np

from data_prep.arguments import add_filter_percent
from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from data_prep.datasets.treesatai_ts.sentinel import read_sentinel
from data_prep.errors import DataPrepError
from data_prep.readers import dates, isolated
from data_prep.readers.accepted import refuse
from data_prep.readers.inside import inside
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import georeference
from data_prep.readers.splits import SPLITS, SplitFiles
from data_prep.readers.statements import read_pixels
from data_prep.readers.tables import note, read_rows
from data_prep.shards.records import Record
from data_prep.shards.task import Source

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
      DataPrepError: a csv is absent or empty, its columns differ from `CSV_COLUMNS`, a value cannot be read, or two
        tiles have one series.
    """
    tiles = {split: _read_csv(path) for split, path in splits.require(raw_dir, PUBLISHED_SPLITS).items()}
    places: dict[str, str] = {}
    for split, members in tiles.items():
        for tile in members:
            note(places, tile.sentinel, f"{splits.name(split)}: {tile.aerial}", f"{raw_dir}: sen_name {tile.sentinel}")
    return tiles


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
    sentinel = inside(raw_dir, "sentinel-ts", tile.sentinel)
    if not tile.sentinel.startswith(f"{tile.name}_"):
        refuse("place", f"{sentinel}: expected the series of {tile.name}, after which its name begins")
    record = _read_aerial(inside(raw_dir, "aerial", tile.aerial), tile.aerial_date)
    series, dropped = isolated.call(read_sentinel, sentinel)
    record |= series
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
            "aerial": {"pixels": read_pixels(path, file, modality)[None], "dates": np.array([date], np.int16)},
            **georeference(path, file, modality),
        }


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
