"""Reads made-up trial fields."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import zipfile
from pathlib import Path

import numpy as np

from data_prep.datasets.trial_fields.contract import CONTRACT
from data_prep.datasets.trial_fields.synthetic import SHARES, YEAR
from data_prep.errors import DataPrepError
from data_prep.shards.records import Record
from data_prep.shards.task import Source

AERIAL_DAY = 196
GAP = 100.0
"""Metres from field to field."""
CRS = "EPSG:32632"


@dataclasses.dataclass(frozen=True)
class Field:
    """One field: its split and its number there."""

    split: str
    index: int

    @property
    def name(self) -> str:
        """Names it in records and messages."""
        return f"{self.split}_{self.index:05d}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options that only this dataset has."""


def source(options: argparse.Namespace) -> Source:
    """Returns how to read the fields."""
    return Source(
        contract=CONTRACT,
        target_fields={"crop": ((), "int64")},
        record_bytes=20_000,
        list_tiles=list_tiles,
        read_tile=read_tile,
        metadata_files=tuple(f"{split}.npz" for split in SHARES),
    )


def list_tiles(raw_dir: Path) -> dict[str, list[Field]]:
    """Returns split → fields.

    Raises:
      DataPrepError: a file is absent or damaged.
    """
    return {split: [Field(split, index) for index in range(len(_arrays(raw_dir, split)["crop"]))] for split in SHARES}


def read_tile(raw_dir: Path, field: Field) -> tuple[Record, int]:
    """Returns the record of a field; no date is dropped."""
    arrays, index = _arrays(raw_dir, field.split), field.index
    days = arrays["days"][index]
    dates = np.stack([np.full_like(days, YEAR), days, np.full_like(days, 10)], axis=-1).astype(np.int16)
    of_aerial = np.array([[YEAR, AERIAL_DAY, 10]], np.int16)
    row = list(SHARES).index(field.split)
    return {
        "name": field.name,
        "crs": CRS,
        "transform": np.array([5, 0, 500_000 + GAP * index, 0, -5, 5_000_000 - GAP * row], np.float64),
        "ref_date": of_aerial[0],
        **{name: {"pixels": arrays[name][index], "dates": dates} for name in ("s2", "s1_asc", "s1_des")},
        "aerial": {"pixels": arrays["aerial"][index], "dates": of_aerial},
        "crop": arrays["crop"][index],
    }, 0


@functools.lru_cache(maxsize=len(SHARES))
def _arrays(raw_dir: Path, split: str) -> dict[str, np.ndarray]:
    path = raw_dir / f"{split}.npz"
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataPrepError(f"{path} cannot be read ({error})") from error
