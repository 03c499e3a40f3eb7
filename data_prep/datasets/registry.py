"""The published datasets, by name: a new one is a folder here, a config, and one line in `DATASETS`.

The folder `data_prep/datasets/<name>/` holds three modules, which are imported when they are asked for:
`contract` (the sensor contract, which imports nothing but `mmae_jax.spec`), `read` (see `Reader`) and `synthetic` (see
`Writer`).
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from data_prep.errors import DataPrepError
from data_prep.shards.task import Source

DATASETS = (
    "flair2",
    "flair_hub",
    "pastis_hd",
    "pureforest",
    "s2_naip_urban",
    "treesatai_ts",
    "trial_fields",
)


class Reader(Protocol):
    """What module `read` of a dataset offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the options that only this dataset has."""

    def source(self, options: argparse.Namespace) -> Source:
        """Returns how to read the part of the dataset that the options choose; they hold `raw_dir`, too."""


class Writer(Protocol):
    """What module `synthetic` of a dataset offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the options that only this dataset has: further keyword arguments of `write`."""

    @property
    def write(self) -> Callable[..., None]:
        """Writes made-up raw files: `write(out_dir, tiles=…, seed=…, …)`."""


def reader(name: str) -> Reader:
    """Returns module `read` of one of `DATASETS`."""
    return cast(Reader, _module(name, "read"))


def writer(name: str) -> Writer:
    """Returns module `synthetic` of one of `DATASETS`."""
    return cast(Writer, _module(name, "synthetic"))


def open_source(flag: str, name: str, raw_dir: Path, options: str = "") -> Source:
    """Returns how to read a dataset.

    Args:
      flag: command-line flag that chose the dataset, for messages.
      name: one of `DATASETS`.
      raw_dir: folder of the published files.
      options: options of the dataset as on the command line of `python -m data_prep`, e.g. `--fold=1`.

    Raises:
      DataPrepError: there is no dataset of this name.
      SystemExit: the dataset has no such options; what is wrong with them was printed.
    """
    if name not in DATASETS:
        raise DataPrepError(f"{flag}: expected a dataset of data_prep ({', '.join(DATASETS)}), found {name}")
    chosen = reader(name)
    parser = argparse.ArgumentParser(prog="--raw_options", allow_abbrev=False)
    chosen.add_arguments(parser)
    return chosen.source(parser.parse_args(shlex.split(options), argparse.Namespace(raw_dir=raw_dir)))


def _module(name: str, part: str) -> object:
    return importlib.import_module(f"data_prep.datasets.{name}.{part}")
