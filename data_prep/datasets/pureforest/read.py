"""PureForest: forest patches of 50 m in France with one kind of tree each, an aerial image and a lidar point cloud.

Published layout (IGNF/PureForest on Hugging Face, Etalab-2.0; Gaydon and Roche 2024, arXiv 2404.12064), unzipped:
`imagery/{split}/*.tiff` and `lidar/{split}/*.laz`, named `{SPLIT}-{Species}-C{class}-{forest}_{a}_{b}`, and
`metadata/PureForest-patches.csv`. Point clouds become height models on the way, see `height_model`.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from data_prep.datasets.pureforest.contract import CLASSES, CONTRACT, SPECIES, UNKNOWN_DATE
from data_prep.datasets.pureforest.height_model import Points, Square, read_points, surface_and_terrain
from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.readers import isolated
from data_prep.readers.accepted import refuse
from data_prep.readers.inside import inside
from data_prep.readers.listing import find_files
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import georeference, same_crs
from data_prep.readers.splits import SPLITS
from data_prep.readers.statements import read_pixels
from data_prep.readers.tables import note, read_rows
from data_prep.readers.values import quantised
from data_prep.shards.records import Record
from data_prep.shards.task import Source

LEAST_INSIDE = 0.95
"""Share of the points that lie on their patch: clouds are cut to it."""
TABLE = "metadata/PureForest-patches.csv"
_NAME = re.compile(r"(?P<split>TRAIN|VAL|TEST)-(?P<patch>(?P<species>[A-Za-z_]+)-C(?P<index>\d+)-\w+)")


@dataclasses.dataclass(frozen=True)
class Tile:
    """One patch.

    Attributes:
      split: train, val or test; the folder of its files.
      name: name of the tile's files, without ending.
    """

    split: str
    name: str

    @property
    def parts(self) -> re.Match[str]:
        """What the name tells: groups `patch`, `species` and `index` (of the class)."""
        match = _NAME.fullmatch(self.name)
        if not match or int(match["index"]) >= len(CLASSES):
            raise TileError(
                f"{self.name}: expected a name SPLIT-Species-Cclass-forest_a_b with a class below {len(CLASSES)}"
            )
        return match


def list_tiles(raw_dir: Path) -> dict[str, list[Tile]]:
    """Returns the patches of each split of which there is an image, by name.

    Where `TABLE` is there, split and class of each patch must be those it lists.

    Raises:
      DataPrepError: there are no images, or their names, folders and the table contradict each other.
    """
    found = {
        split: [name.removesuffix(".tiff") for name in find_files(raw_dir / "imagery" / split, "*.tiff")]
        for split in SPLITS
    }
    tiles = {split: [Tile(split, name) for name in names] for split, names in found.items() if names}
    if not tiles:
        raise DataPrepError(
            f"{raw_dir / 'imagery'}: expected images {{train,val,test}}/*.tiff, found none; unzip data/imagery-*.zip "
            "and data/lidar-*.zip of Hugging Face IGNF/PureForest there"
        )
    _check_once(tiles)
    table = inside(raw_dir, TABLE)
    if table.exists():
        _check_table(table, tiles)
    return tiles


def _check_once(tiles: Mapping[str, list[Tile]]) -> None:
    """The names of a patch's files begin with its split: a patch in two splits has two names."""
    places: dict[str, str] = {}
    for split, members in tiles.items():
        for tile in members:
            match, file = _NAME.fullmatch(tile.name), f"imagery/{split}/{tile.name}.tiff"
            patch = match["patch"] if match else tile.name
            note(places, patch, file, f"patch {patch}")
            if match and match["split"].lower() != split:
                raise DataPrepError(
                    f"{file}: expected an image of {split.upper()} as its folder says, found {match['split']}"
                )


def _check_table(path: Path, tiles: Mapping[str, list[Tile]]) -> None:
    listed, places = dict[str, Mapping[str, str]](), dict[str, str]()
    for place, row in read_rows(path, "patch_id", "split", "class_index").items():
        note(places, row["patch_id"], place, f"{path}: {row['patch_id']}")
        listed[row["patch_id"]] = row
    matches = {split: [_NAME.fullmatch(tile.name) for tile in members] for split, members in tiles.items()}
    for split, members in matches.items():
        for match in filter(None, members):  # others are reported when they are read
            patch = match["patch"]
            if patch not in listed:
                raise DataPrepError(f"{path}: expected a line for {patch}, found none")
            for column, expected in (("split", split), ("class_index", match["index"])):
                if (found := listed[patch][column]) != expected:
                    raise DataPrepError(
                        f"{path}: {patch}: {column}: expected {expected} as in the file's name, found {found}"
                    )
    present = sum(map(len, tiles.values()))
    if present < len(listed):
        print(
            f"{path}: {present} of the {len(listed)} patches listed are in imagery/; the others are left out",
            file=sys.stderr,
        )


def read_tile(raw_dir: Path, tile: Tile) -> tuple[Record, int]:
    """Returns the record of a patch, and 0: nothing is dropped.

    The height model is missing where there is no point cloud, or no ground in it.

    Raises:
      TileError: a file is absent, damaged or not as published; names file, property, expected and found.
    """
    parts = tile.parts
    record = _read_aerial(inside(raw_dir, "imagery", tile.split, f"{tile.name}.tiff"))
    record["height"] = _read_height(inside(raw_dir, "lidar", tile.split, f"{tile.name}.laz"), record)
    species = {name: index for index, name in enumerate(SPECIES)}.get(
        parts["species"], CONTRACT.targets["species"].missing_value
    )
    record |= {
        "name": parts["patch"],
        "ref_date": np.array(UNKNOWN_DATE, np.int16),
        "tree_class": np.int32(parts["index"]),
        "species": np.int32(species),
    }
    return record, 0


def _read_aerial(path: Path) -> Record:
    modality = CONTRACT.modalities["aerial"]
    with open_raster(path) as file:
        expect(path, "bands", len(modality.bands), file.count)
        expect(path, "size", (modality.size, modality.size), file.shape)
        expect(path, "dtype", modality.dtype, file.dtypes[0])
        return {
            "aerial": {"pixels": read_pixels(path, file, modality)[None], "dates": np.array([UNKNOWN_DATE], np.int16)},
            **georeference(path, file, modality),
        }


def _read_height(path: Path, aerial: Record) -> Record:
    """Returns the height model of the place where the aerial image lies."""
    modality = CONTRACT.modalities["height"]
    assert modality.quantum is not None, "heights are stored in centimetres"
    side = modality.size
    square = Square(aerial["transform"][2], aerial["transform"][5], modality.ground_sample_distance, side)
    try:
        points = isolated.call(read_points, path) if path.exists() else None
        heights = None if points is None else _heights(path, points, square, aerial["crs"])
        if heights is not None:
            quanta, base = quantised(heights, modality.quantum)
            return {"pixels": quanta[None], "dates": np.array([UNKNOWN_DATE], np.int16), "base": base}
    except TileError:
        raise
    except ValueError as error:
        raise TileError(f"{path}: {error}") from error
    pixels = np.empty((0, len(modality.bands), side, side), modality.dtype)
    return {"pixels": pixels, "dates": np.empty((0, 3), np.int16), "base": np.float32(0)}


def _heights(path: Path, points: Points, square: Square, crs: str) -> np.ndarray | None:
    if points.crs and crs:
        with naming_errors(f"{path}: coordinate system"):
            found, expected = CRS.from_string(points.crs), CRS.from_string(crs)
        if not same_crs(expected, found):
            names = [each.to_string()[:40] for each in (expected, found)]
            refuse("place", f"{path}: coordinate system, as in the image: expected {names[0]}, found {names[1]}")
    on_image = square.cells(points)[1]
    if LEAST_INSIDE * len(on_image) > np.count_nonzero(on_image) > 0:
        refuse("place", f"{path}: expected points on the image, found {1 - on_image.mean():.0%} of them beside it")
    return surface_and_terrain(points, square)


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has: none."""


def source(_options: argparse.Namespace) -> Source:
    """Returns how to read the dataset."""
    return Source(
        contract=CONTRACT,
        target_fields={"tree_class": ((), "int32"), "species": ((), "int32")},
        record_bytes=300_000,
        list_tiles=list_tiles,
        read_tile=read_tile,
        metadata_files=(TABLE,),
    )
