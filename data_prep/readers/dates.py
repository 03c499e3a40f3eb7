"""Acquisition dates as they are stored: `[year, day of year, hour]`, int16."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SENTINEL_TOKEN = -5
"""Index of the sensing start among the `_`-separated tokens of a Sentinel-1 GRD or Sentinel-2 L2A product name."""


Date = tuple[int, int, int]
"""Year, day of year and hour."""


def stored_date(moment: datetime.datetime) -> Date:
    """Returns a time as it is stored."""
    return moment.year, moment.timetuple().tm_yday, moment.hour


def from_compact(text: str) -> tuple[int, int, int]:
    """Returns `(year, day of year 1..366, hour 0)` of a date written `YYYYMMDD`.

    Raises:
      ValueError: `text` is no such date.
    """
    if len(text) != 8 or not text.isdecimal():
        raise ValueError(f"expected a date YYYYMMDD, found {text!r}")
    day = datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    return day.year, day.timetuple().tm_yday, 0


def from_table(table: object, first: int) -> np.ndarray:
    """Returns the dates `[T, 3]` int16 of a table `{"0": 20180924, "1": …}`, in the order of its numbers.

    Args:
      table: the table, or its JSON text; dates are numbers or text YYYYMMDD.
      first: the first number.

    Raises:
      ValueError: `table` is no such table, a number is absent, or a date does not exist.
    """
    if isinstance(table, str):
        table = json.loads(table)
    if not isinstance(table, Mapping):
        raise ValueError(f'expected dates {{"{first}": YYYYMMDD, …}}, found {str(table)[:40]}')
    numbers = [str(number) for number in range(first, first + len(table))]
    absent = next((number for number in numbers if number not in table), None)
    if absent is not None:
        raise ValueError(f"expected dates numbered {first} to {numbers[-1]}, found no {absent}")
    dates = [from_compact(str(table[number])) for number in numbers]
    return np.array(dates, np.int16).reshape(-1, 3)


def chronological(dates: np.ndarray) -> np.ndarray | slice:
    """Returns the index that sorts dates `[T, 3]`, those of one hour in their order; all of them if they are sorted."""
    order = np.lexsort(dates.T[::-1])
    return slice(None) if np.array_equal(order, np.arange(len(dates))) else order


def are_one(first: np.ndarray, second: np.ndarray) -> bool:
    """Returns whether two images of one time are the same acquisition: they have the same pixels, and not one value."""
    values = first[np.isfinite(first)]
    varies = values.size > 0 and bool(values.min() < values.max())
    return varies and np.array_equal(first, second, equal_nan=True)


def in_time(series: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the record of a modality with its acquisitions in order of time."""
    order = chronological(series["dates"])
    moved = () if isinstance(order, slice) else [part for part in ("pixels", "dates", "mask") if part in series]
    return {**series, **{part: series[part][order] for part in moved}}


def from_products(names: Iterable[str], token: int) -> np.ndarray:
    """Returns the dates `[T, 3]` int16 of `T` product names, in their order.

    Args:
      names: product names, e.g. `S2A_MSIL2A_20190103T104431_N0211_R008_T32UMD_20190103T115449`.
      token: index of the `_`-separated token that starts with the sensing day.

    Raises:
      ValueError: a name holds no date there.
    """
    dates = [_from_product(name, token) for name in names]
    return np.array(dates, np.int16).reshape(-1, 3)


def _from_product(name: str, token: int) -> tuple[int, int, int]:
    tokens = name.split("_")
    least = -token if token < 0 else token + 1
    if len(tokens) < least:
        raise ValueError(f"expected a product name with at least {least} parts joined by '_', found {name!r}")
    try:
        return from_compact(tokens[token][:8])
    except ValueError as error:
        raise ValueError(f"product {name!r}: {error}") from error
