"""From the description of a table to what prepares it."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np

from data_prep.datasets.described import VARIABLE, run_spec
from data_prep.datasets.folder.targets import target_field
from data_prep.datasets.series import tables
from data_prep.datasets.series.checks import check, check_resolved
from data_prep.datasets.series.description import Series
from data_prep.datasets.series.folds import Folds
from data_prep.datasets.series.labels import resolved
from data_prep.datasets.series.read import read_tile
from data_prep.datasets.series.tiles import list_tiles
from data_prep.errors import DataPrepError
from data_prep.shards.task import Source
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown

TYPICAL_DATES = 24
OVERHEAD = 400
"""Bytes of a record beside values: names of fields, name, place and date."""


def load(spec: Path, raw_dir: Path, fold: int | None = None) -> Series:
    """Returns the description in a Python file, with the classes of its targets.

    Args:
      spec: the file.
      raw_dir: folder of the table.
      fold: the fold that tests, where not that of the description.

    Raises:
      DataPrepError: the file cannot be run, sets no description, or one that cannot be right; names file and field.
    """
    series = run_spec(spec)
    if not isinstance(series, Series):
        raise DataPrepError(
            f"{spec}: expected a variable {VARIABLE} that is a data_prep.series.Series, found {shown(series)}"
        )
    try:
        check(series)
        series = resolved(series, tables.files(raw_dir, series.table))
        check_resolved(series)
    except SpecError as error:
        raise DataPrepError(f"{spec}: {error}") from error
    return series if fold is None else _testing(series, fold)


def _testing(series: Series, fold: int) -> Series:
    folds = series.splits
    if not isinstance(folds, Folds) or not 0 <= fold < folds.of:
        expected = f"0 to {folds.of - 1}" if isinstance(folds, Folds) else "none, as splits are no Folds(…)"
        raise DataPrepError(f"--fold: expected {expected}, found {fold}")
    return dataclasses.replace(series, splits=folds.testing(fold))


def source(series: Series) -> Source:
    """Returns what prepares a table whose classes are all named."""
    values = sum(
        len(columns.sensor.bands) * np.dtype(columns.sensor.dtype).itemsize for columns in series.modalities.values()
    )
    return Source(
        contract=series.contract,
        target_fields={label.target.field: target_field(label.target) for label in series.targets.values()},
        record_bytes=TYPICAL_DATES * values + OVERHEAD,
        list_tiles=functools.partial(list_tiles, series),
        read_tile=functools.partial(read_tile, series),
        metadata_files=(series.table,),
    )
