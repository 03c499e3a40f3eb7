"""`python -m data_prep folder --spec=my_dataset.py --out_dir=SHARDS`: any folder of co-registered rasters."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np

from data_prep.datasets.described import VARIABLE, prepare_described, run_spec
from data_prep.datasets.described import add_arguments as add_described
from data_prep.datasets.folder.description import Column, Files, Folder, Table, check
from data_prep.datasets.folder.offsets import check_offsets
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.targets import target_field
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.errors import DataPrepError
from data_prep.shards.task import Source
from mmae_jax.spec import SpecError

TYPICAL_DATES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_described(parser, "Folder", "the patterns begin")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    folder = load(options.spec)
    prepare_described(options, source(folder), folder)


def load(spec: Path) -> Folder:
    """Returns the description in a Python file.

    Raises:
      DataPrepError: the file cannot be run, sets no description, or one that cannot be right; names file and field.
    """
    folder = run_spec(spec)
    if not isinstance(folder, Folder):
        raise DataPrepError(
            f"{spec}: expected a variable {VARIABLE} that is a data_prep.folder.Folder, found {folder!r}"
        )
    try:
        check(folder)
        for name, files in folder.modalities.items():
            check_offsets(f"modalities.{name}", files.sensor, files.offsets)
    except SpecError as error:
        raise DataPrepError(f"{spec}: {error}") from error
    return folder


def source(folder: Folder) -> Source:
    """Returns what prepares the folder."""
    tables = [each.table for each in folder.targets.values() if isinstance(each, Column)]
    tables += [files.dates for files in folder.modalities.values() if files.dates is not None]
    tables += [folder.splits.table] if isinstance(folder.splits, Table) else []
    return Source(
        contract=folder.contract,
        target_fields={each.target.field: target_field(each.target) for each in folder.targets.values()},
        record_bytes=sum(_typical_bytes(files) for files in folder.modalities.values()),
        list_tiles=functools.partial(list_tiles, folder),
        read_tile=functools.partial(read_tile, folder),
        metadata_files=tuple(dict.fromkeys(tables)),
    )


def _typical_bytes(files: Files) -> int:
    sensor = files.sensor
    dates = 1 if files.date is not None or files.date_regex is not None else TYPICAL_DATES
    return dates * len(sensor.bands) * sensor.size**2 * np.dtype(sensor.dtype).itemsize
