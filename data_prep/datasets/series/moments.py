"""When a row, a column or a step was: seconds since 1970, in UTC."""

from __future__ import annotations

import calendar
import datetime

import numpy as np
import pyarrow as pa

from data_prep.datasets.folder.patterns import parse_moment
from data_prep.datasets.series.description import Steps
from data_prep.datasets.series.patterns import ISO
from data_prep.errors import DataPrepError
from data_prep.readers.dates import stored_date

SECONDS = "datetime64[s]"


def of_column(column: pa.Array, date_format: str | None, where: str) -> np.ndarray:
    """Returns a column of dates, datetime64[s].

    Raises:
      DataPrepError: it holds no dates, a cell is empty, or a text is written otherwise.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        raise DataPrepError(f"{where}: expected a date in each row, found {column.null_count} without")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return np.asarray(column.cast(pa.timestamp("s", tz=getattr(column.type, "tz", None)), safe=False)).astype(
            SECONDS
        )
    if pa.types.is_integer(column.type) and date_format is not None:
        column = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataPrepError(f"{where}: expected dates, found {column.type}; if it is right: date_format=")
    coded = column.dictionary_encode()  # dates are few, rows are many
    known = [_of_text(text, date_format, where) for text in coded.dictionary.to_pylist()]
    return np.array(known, SECONDS)[np.asarray(coded.indices)]


def _of_text(text: str, date_format: str | None, where: str) -> np.datetime64:
    text = text.strip()
    if date_format is not None:
        return np.datetime64(parse_moment(text, date_format, where), "s")
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise DataPrepError(
            f"{where}: expected a date like 2020-01-31, found {text!r}; if it is right: date_format="
        ) from error
    moment = moment if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(moment, "s")


def of_name(text: str, date_format: str | None, where: str) -> np.datetime64:
    """Returns a date in a column's name."""
    return np.datetime64(parse_moment(text, date_format or ISO, where), "s")


def of_step(first: np.ndarray, number: int, steps: Steps) -> np.ndarray:
    """Returns the day of a step, datetime64[s] `[N]`, for first days `[N]`."""
    passed = number - steps.first
    if steps.days is not None:
        return np.asarray(first + np.timedelta64(passed * steps.days, "D"))
    assert steps.months is not None, "one of them is given"
    known, places = np.unique(first, return_inverse=True)
    return np.array([_later(day, passed * steps.months) for day in known.tolist()], SECONDS)[places]


def _later(moment: datetime.datetime, months: int) -> datetime.datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def as_stored(moments: np.ndarray) -> np.ndarray:
    """Returns year, day of year and hour, int16 `[T, 3]`, of datetime64[s] `[T]`."""
    return np.array([stored_date(moment) for moment in moments.tolist()], np.int16).reshape(-1, 3)
