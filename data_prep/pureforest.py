"""PureForest: forest patches of 50 m in France with one kind of tree each, an aerial image and a lidar point cloud.

Published layout (IGNF/PureForest on Hugging Face, Etalab-2.0; Gaydon and Roche 2024, arXiv 2404.12064), unzipped:
`imagery/{split}/*.tiff` and `lidar/{split}/*.laz`, named `{SPLIT}-{Species}-C{class}-{forest}_{a}_{b}`, and
`metadata/PureForest-patches.csv`. Point clouds become height models on the way, see `data_prep.height_model`.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from immutabledict import immutabledict

from data_prep.elevation import quantised
from data_prep.errors import DataPrepError, TileError
from data_prep.height_model import Square, read_points, surface_and_terrain
from data_prep.raw import expect, open_raster
from data_prep.records import Record
from data_prep.shards import Source
from data_prep.splits import SPLITS, read_rows
from mmae_jax.spec import Dataset, Modality, Target

CLASSES = immutabledict(
    {
        "Deciduous oak": "#8db600",
        "Evergreen oak": "#556b2f",
        "Beech": "#f4a460",
        "Chestnut": "#a0522d",
        "Black locust": "#ffd700",
        "Maritime pine": "#00ced1",
        "Scotch pine": "#1e90ff",
        "Black pine": "#191970",
        "Aleppo pine": "#87ceeb",
        "Fir": "#800080",
        "Spruce": "#db7093",
        "Larch": "#ff7f50",
        "Douglas": "#dc143c",
    }
)
"""The 13 published classes, in index order, and a colour for each."""

SPECIES = (
    *("Quercus_robur", "Quercus_pubescens", "Quercus_petraea", "Quercus_rubra", "Quercus_ilex", "Fagus_sylvatica"),
    *("Castanea_sativa", "Robinia_pseudoacacia", "Pinus_pinaster", "Pinus_sylvestris", "Pinus_nigra"),
    *("Pinus_nigra_laricio", "Pinus_halepensis", "Abies_alba", "Abies_nordmanniana", "Picea_abies"),
    *("Larix_decidua", "Pseudotsuga_menziesii"),
)
"""The 18 species of the file names, in the order of their classes."""

UNKNOWN_DATE = (2020, 183, 0)
_DATES = "not published: 1 July 2020 stands for all"

CONTRACT = Dataset(
    name="pureforest",
    version="1.0.0",
    tile_meters=50.0,
    modalities=immutabledict(
        aerial=Modality(
            bands=("NIR", "R", "G", "B"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=0.2,
            size=250,
            value_range=(0.0, 255.0),
            date_convention=_DATES,
        ),
        height=Modality(
            bands=("DSM", "DTM"),
            dtype="uint16",
            unit="metre above the reference of altitudes",
            ground_sample_distance=0.5,
            size=100,
            quantum=0.01,
            value_range=(-100.0, 5000.0),
            date_convention=_DATES,
        ),
    ),
    targets=immutabledict(
        tree_class=Target(kind="classif", classes=tuple(CLASSES), field="tree_class", colours=tuple(CLASSES.values())),
        species=Target(kind="classif", classes=SPECIES, field="species"),
    ),
)

_NAME = re.compile(r"(?:TRAIN|VAL|TEST)-(?P<patch>(?P<species>[A-Za-z_]+)-C(?P<index>\d+)-\w+)")


@dataclasses.dataclass(frozen=True)
class Tile:
    """One patch.

    Attributes:
      split: train, val or test; the folder of its files.
      name: of its files, without ending.
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

    Where `metadata/PureForest-patches.csv` is there, split and class of each patch must be those it lists.

    Raises:
      DataPrepError: there are no images, or the table contradicts them.
    """
    found = {
        split: sorted(path.stem for path in (raw_dir / "imagery" / split).glob("*.tiff"))
        for split in SPLITS
        if (raw_dir / "imagery" / split).is_dir()
    }
    tiles = {split: [Tile(split, name) for name in names] for split, names in found.items() if names}
    if not tiles:
        raise DataPrepError(
            f"{raw_dir / 'imagery'}: expected images {{train,val,test}}/*.tiff, found none; unzip data/imagery-*.zip "
            "and data/lidar-*.zip of Hugging Face IGNF/PureForest there"
        )
    table = raw_dir / "metadata" / "PureForest-patches.csv"
    if table.exists():
        _check_table(table, tiles)
    return tiles


def _check_table(path: Path, tiles: Mapping[str, list[Tile]]) -> None:
    listed = {row["patch_id"]: row for row in read_rows(path, "patch_id", "split", "class_index")}
    for split, members in tiles.items():
        for tile in members:
            match = _NAME.fullmatch(tile.name)
            if not match:
                continue  # reported when it is read
            row = listed.get(match["patch"])
            if row is None:
                raise DataPrepError(f"{path}: expected a line for {match['patch']}, found none")
            for column, expected in (("split", row["split"]), ("class_index", row["class_index"])):
                value = split if column == "split" else match["index"]
                if value != expected:
                    raise DataPrepError(
                        f"{path}: {match['patch']}: {column}: expected {value} as in the file's name, found {expected}"
                    )
    present = sum(map(len, tiles.values()))
    if present < len(listed):
        print(f"{path}: {present} of the {len(listed)} patches listed are in imagery/", file=sys.stderr)


def read_tile(raw_dir: Path, tile: Tile) -> tuple[Record, int]:
    """Returns the record of a patch, and 0: nothing is dropped.

    The height model is missing where there is no point cloud, or no ground in it.

    Raises:
      TileError: a file is absent, damaged or not as published; names file, property, expected and found.
    """
    parts = tile.parts
    record = _read_aerial(raw_dir / "imagery" / tile.split / f"{tile.name}.tiff")
    west, north = record["transform"][2], record["transform"][5]
    record["height"] = _read_height(raw_dir / "lidar" / tile.split / f"{tile.name}.laz", west, north)
    species = (
        SPECIES.index(parts["species"]) if parts["species"] in SPECIES else CONTRACT.targets["species"].missing_value
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
        if all(file.descriptions):
            expect(path, "band descriptions", ("Infrared", "Red", "Green", "Blue"), file.descriptions)
        return {
            "aerial": {"pixels": file.read()[None], "dates": np.array([UNKNOWN_DATE], np.int16)},
            "crs": file.crs.to_wkt() if file.crs else "",
            "transform": np.array(file.transform[:6], np.float64),
        }


def _read_height(path: Path, west: float, north: float) -> Record:
    modality = CONTRACT.modalities["height"]
    assert modality.quantum is not None, "heights are stored in centimetres"
    side = modality.size
    square = Square(west, north, modality.ground_sample_distance, side)
    try:
        heights = surface_and_terrain(read_points(path), square) if path.exists() else None
        if heights is not None:
            quanta, base = quantised(heights, modality.quantum)
            return {"pixels": quanta[None], "dates": np.array([UNKNOWN_DATE], np.int16), "base": base}
    except ValueError as error:
        raise TileError(f"{path}: {error}") from error
    pixels = np.empty((0, len(modality.bands), side, side), modality.dtype)
    return {"pixels": pixels, "dates": np.empty((0, 3), np.int16), "base": np.float32(0)}


SOURCE = Source(
    contract=CONTRACT,
    target_fields={"tree_class": ((), "int32"), "species": ((), "int32")},
    record_bytes=300_000,
    list_tiles=list_tiles,
    read_tile=read_tile,
)
