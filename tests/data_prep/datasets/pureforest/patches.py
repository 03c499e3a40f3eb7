"""How tests prepare, find and read PureForest patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.__main__ import main
from data_prep.datasets.pureforest import read as pureforest


def prepare(*arguments: str) -> None:
    assert main(arguments) == 0


def first(raw_dir: Path) -> pureforest.Tile:
    """The first patch of train that has a point cloud."""
    tiles = pureforest.list_tiles(raw_dir)["train"]
    return next(tile for tile in tiles if (raw_dir / "lidar" / "train" / f"{tile.name}.laz").exists())


def read(raw_dir: Path) -> dict:
    return pureforest.read_tile(raw_dir, first(raw_dir))[0]


def heights_of(record: dict) -> np.ndarray:
    return record["height"]["base"] + 0.01 * record["height"]["pixels"].astype(float)
