"""The smallest dataset: tiles of one pixel, which a test may make unreadable in any way."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from immutabledict import immutabledict

from data_prep.shards.records import Record
from data_prep.shards.task import Source
from mmae_jax.spec import Dataset, Modality

CONTRACT = Dataset("tiny", "1.0.0", 10.0, immutabledict(s=Modality(("b",), "uint8", "", 10.0, size=1)), immutabledict())


@dataclasses.dataclass(frozen=True)
class Tile:
    """A tile, and what reading it raises."""

    name: str
    raises: Exception | None = None


def tile_record(name: str, dates: Sequence[tuple[int, int, int]] = ((2020, 1, 0),)) -> Record:
    series = {"pixels": np.ones((len(dates), 1, 1, 1), np.uint8), "dates": np.array(dates, np.int16)}
    place = {"crs": "", "transform": np.zeros(6), "ref_date": np.array((2020, 1, 0), np.int16)}
    return {"name": name, "s": series} | place


def read_tile(_raw_dir: Path, tile: Tile) -> tuple[Record, int]:
    if tile.raises is not None:
        raise tile.raises
    return tile_record(tile.name), 0


def _tiles(splits: Mapping[str, Sequence[Tile]], _raw_dir: Path) -> Mapping[str, Sequence[Tile]]:
    return splits


def source(splits: Mapping[str, Sequence[Tile]], read=read_tile) -> Source:
    """Returns a dataset of these tiles."""
    return Source(CONTRACT, {}, 1, functools.partial(_tiles, splits), read)
