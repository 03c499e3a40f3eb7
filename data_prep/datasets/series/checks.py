"""Whether a description of a table can be right."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from data_prep.datasets.folder.description import Fractions, check_dates, expect
from data_prep.datasets.folder.fields import check_contract, check_numbers, check_types
from data_prep.datasets.folder.names import check_names, check_shares
from data_prep.datasets.folder.patterns import PatternError
from data_prep.datasets.folder.values import check_values, holds
from data_prep.datasets.series.conversions import Decibels, InUnit
from data_prep.datasets.series.description import Columns, Geometry, InColumn, Label, Points, Series, Steps
from data_prep.datasets.series.folds import Folds
from data_prep.datasets.series.patterns import fields
from mmae_jax.checks import check_pixels
from mmae_jax.spec import Modality, SpecError
from mmae_jax.spec.error import choices, shown
from mmae_jax.tasks import TASKS

KINDS = ("classif", "regression")


def check(series: Series) -> None:
    """Raises a `SpecError` at the first field that cannot be right; the message begins with its name."""
    expect("modalities", series.modalities, Mapping, Columns)
    expect("targets", series.targets, Mapping, Label)
    if not isinstance(series.splits, InColumn | Fractions | Folds):
        raise SpecError(f"splits: expected InColumn, Fractions or Folds, found {shown(series.splits)}")
    if not isinstance(series.coordinates, Points | Geometry | None):
        raise SpecError(f"coordinates: expected Points, Geometry or None, found {shown(series.coordinates)}")
    if not series.modalities:
        raise SpecError("modalities: expected at least one, found none")
    check_types(series)
    check_names(series)
    check_numbers(series)
    for name, columns in series.modalities.items():
        _check_columns(f"modalities.{name}", columns, series)
        _check_sensor(f"modalities.{name}.sensor", columns.sensor)
    for name, label in series.targets.items():
        _check_label(f"targets.{name}", label)
    if series.labelled_only and not series.targets:
        raise SpecError("labelled_only: expected targets, found none")
    if series.date_format is not None:
        check_dates("", series.date_format, None)
    if series.steps is not None:
        _check_steps(series.steps)
    if isinstance(series.splits, Folds):
        series.splits.check()
    elif isinstance(series.splits, Fractions):
        check_shares(series.splits.shares)


def check_resolved(series: Series) -> None:
    """Raises a `SpecError` where training would not take the contract, once all classes are known."""
    for name, label in series.targets.items():
        TASKS[label.target.kind].check_classes(f"targets.{name}.target", label.target)
        check_values(f"targets.{name}", label.target, label.values, of_pixels=False)
    check_contract(series.contract)


def _check_columns(field: str, columns: Columns, series: Series) -> None:
    try:
        found = fields(columns.pattern)
    except PatternError as error:
        raise SpecError(f"{field}.pattern: {error}") from error
    if "band" not in found and len(columns.sensor.bands) > 1:
        raise SpecError(f"{field}.pattern: expected {{band}}, as there are several, found {columns.pattern!r}")
    expected = "neither {date} nor {step}, as date= is given" if series.date is not None else "{date}, or date="
    expected = expected if series.steps is None else "{step}, as steps= is given"
    wanted = set() if series.date is not None else {"date"} if series.steps is None else {"step"}
    if found - {"band"} != wanted:
        raise SpecError(f"{field}.pattern: expected {expected}, found {columns.pattern!r}")
    if unknown := [band for band in columns.names if band not in columns.sensor.bands]:
        raise SpecError(f"{field}.names: expected bands ({choices(columns.sensor.bands)}), found {unknown[0]!r}")
    if len({columns.names.get(band, band) for band in columns.sensor.bands}) < len(columns.sensor.bands):
        raise SpecError(f"{field}.names: expected another name for each band, found {shown(dict(columns.names))}")
    if not isinstance(columns.missing, tuple) or not all(isinstance(each, int | float) for each in columns.missing):
        raise SpecError(f"{field}.missing: expected numbers, found {shown(columns.missing)}")
    if not isinstance(columns.convert, Decibels | InUnit | None):
        raise SpecError(f"{field}.convert: expected Decibels, InUnit or None, found {shown(columns.convert)}")
    if isinstance(columns.convert, Decibels):
        _check_decibels(f"{field}.convert", columns.convert, columns.sensor)


def _check_decibels(field: str, convert: Decibels, sensor: Modality) -> None:
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in (convert.factor, convert.offset)):
        raise SpecError(f"{field}: expected finite numbers, found {shown(convert)}")
    if sensor.dtype not in ("float16", "float32") or not sensor.decibel:
        raise SpecError(
            f"{field}: expected a sensor of float16 or float32 with decibel=True, found {sensor.dtype} and "
            f"{sensor.decibel}"
        )


def _check_sensor(field: str, sensor: Modality) -> None:
    check_pixels(field, sensor)
    if sensor.nodata is not None and not holds(sensor.dtype, sensor.nodata):
        raise SpecError(f"{field}.nodata: expected a value that {sensor.dtype} can hold, found {sensor.nodata}")
    for name, expected in (("size", 1), ("frame", 0), ("quantum", None), ("mask_channels", ())):
        found = getattr(sensor, name)
        if found != expected:
            raise SpecError(f"{field}.{name}: expected {expected} of a table, found {shown(found)}")


def _check_label(field: str, label: Label) -> None:
    target = label.target
    if target.kind not in KINDS:
        raise SpecError(f"{field}.target.kind: expected {' or '.join(KINDS)}, found {target.kind!r}")
    if target.size is not None:
        raise SpecError(f"{field}.target.size: expected None, as a place has one value, found {target.size}")
    if label.commonest is None:
        return
    if not isinstance(label.commonest, int) or label.commonest < 1 or target.kind != "classif":
        raise SpecError(f"{field}.commonest: expected a number of classes of a classif target, found {label.commonest}")
    if target.classes:
        raise SpecError(
            f"{field}.target.classes: expected none, as commonest= finds them, found {shown(target.classes)}"
        )


def _check_steps(steps: object) -> None:
    if not isinstance(steps, Steps):
        raise SpecError(f"steps: expected Steps, found {shown(steps)}")
    if (steps.start is None) == (steps.column is None):
        raise SpecError(f"steps: expected one of start and column, found {steps}")
    lengths = [length for length in (steps.days, steps.months) if length is not None]
    if len(lengths) != 1 or not isinstance(lengths[0], int) or lengths[0] < 1:
        raise SpecError(f"steps: expected one of days and months, at least 1, found {steps}")
    try:
        datetime.date.fromisoformat(steps.start or "2020-01-01")
    except (ValueError, TypeError) as error:
        raise SpecError(f"steps.start: expected a day like 2020-01-31, found {steps.start!r}") from error
