"""`python -m data_prep folder --spec=my_dataset.py --out_dir=SHARDS`: any folder of co-registered rasters."""

from __future__ import annotations

import argparse
import functools
import hashlib
import runpy
import traceback
from pathlib import Path

import numpy as np

from data_prep.arguments import add_shard_options, path
from data_prep.datasets.folder.description import Column, Files, Folder, Table, check
from data_prep.datasets.folder.offsets import check_offsets
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.snippet import config_snippet
from data_prep.datasets.folder.targets import target_field
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.errors import DataPrepError
from data_prep.shards.prepare import prepare
from data_prep.shards.repeat import FinishedError
from data_prep.shards.summary import described
from data_prep.shards.task import Source
from mmae_jax.spec import SpecError

VARIABLE = "dataset"
TYPICAL_DATES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("--spec", type=Path, required=True, help=f"Python file that sets {VARIABLE} = Folder(…)")
    parser.add_argument("--raw_dir", type=path, help="folder in which the patterns begin (default: that of --spec)")
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the shards")
    add_shard_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    folder = load(options.spec)
    raw_dir = options.raw_dir or options.spec.parent
    try:
        summaries = prepare(
            source(folder),
            raw_dir,
            options.out_dir,
            num_shards=options.num_shards,
            seed=options.seed,
            processes=options.processes,
            strict=options.strict,
            accept=options.accept,
            beam_options=options.beam_options,
            # Shards of an earlier description are not gone on with.
            options={"description": hashlib.sha256(repr(folder).encode()).hexdigest()},
        )
    except FinishedError:
        print(config_snippet(options.out_dir))
        raise
    except DataPrepError as error:
        raise DataPrepError(f"{options.spec}: {error}") from error
    print(described(summaries, folder.contract, options.out_dir))
    print(config_snippet(options.out_dir))


def load(spec: Path) -> Folder:
    """Returns the description in a Python file.

    Raises:
      DataPrepError: the file cannot be run, sets no description, or one that cannot be right; names file and field.
    """
    folder = run_spec(spec, VARIABLE)
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


def run_spec(spec: Path, variable: str) -> object:
    """Returns what a Python file sets a variable to, None where it does not.

    Raises:
      DataPrepError: the file cannot be run; names file and line.
    """
    if spec.is_dir():
        raise DataPrepError(f"{spec}: expected a Python file, found a folder")
    try:
        return runpy.run_path(str(spec)).get(variable)
    except OSError as error:
        raise DataPrepError(f"{spec} cannot be read ({error})") from error
    except SyntaxError as error:
        raise DataPrepError(f"{spec}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(spec)]
        raise DataPrepError(f"{spec}, line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}") from error


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
