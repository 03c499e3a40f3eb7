"""The date tables of FLAIR-HUB: one row per patch, 241,100 rows of which those of an area of interest are alike.

A process reads them once (`date_tables`) and keeps one text per area; tiles and tasks carry none of it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from immutabledict import immutabledict

from data_prep.errors import TileError
from data_prep.readers import dates
from data_prep.readers.geopackage import check_once, read_rows
from data_prep.readers.inside import inside

DAY_TABLES = immutabledict(aerial="AERIAL", aerial_rlt="AERIAL-RLT", spot="SPOT")
SERIES_TABLES = immutabledict(s2="SENTINEL2", s1_asc="SENTINEL1-ASC", s1_des="SENTINEL1-DESC")

# SQLite: `{domain}_{area}_` is what is left of a patch id without its position
_SERIES_OF_AREAS = """
SELECT rtrim("patch_id", '0123456789-'), "acquisition_dates", group_concat("patch_id") FROM {layer} GROUP BY 1, 2
"""


class DateTable(Protocol):
    """Dates of one modality by patch."""

    def dates(self, patch_id: str) -> np.ndarray:
        """Returns the dates int16 `[T, 3]` of a patch.

        Raises:
          TileError: the patch is not in the table, or its entry cannot be read.
        """


def table_path(raw_dir: Path, modality: str) -> Path:
    """Returns the published file with the dates of a modality."""
    published = {**DAY_TABLES, **SERIES_TABLES}[modality]
    return inside(raw_dir, "GLOBAL_ALL_MTD", f"GLOBAL_{published}_MTD_DATES.gpkg")


@functools.lru_cache(maxsize=1)
def date_tables(raw_dir: Path) -> Mapping[str, DateTable]:
    """Returns the date tables that are in `raw_dir`, by modality.

    Raises:
      DataPrepError: a table cannot be read.
    """
    readers = {**dict.fromkeys(DAY_TABLES, _read_days), **dict.fromkeys(SERIES_TABLES, _read_series)}
    paths = {name: table_path(raw_dir, name) for name in readers}
    return {name: readers[name](path) for name, path in paths.items() if path.exists()}


@dataclasses.dataclass(frozen=True)
class _Days:
    """One date a patch; bytes take an eighth of the memory of a dictionary of strings.

    Attributes:
      path: the table's file.
      patches: sorted patch ids.
      days: their dates as published.
    """

    path: Path
    patches: np.ndarray
    days: np.ndarray

    def dates(self, patch_id: str) -> np.ndarray:
        row = int(np.searchsorted(self.patches, patch_id.encode()))
        if row == len(self.patches) or self.patches[row] != patch_id.encode():
            raise TileError(f"{self.path}: expected a row of patch {patch_id}, found none")
        return _parse(self.path, patch_id, _one_day, self.days[row].decode())


@dataclasses.dataclass(frozen=True)
class _Series:
    """The dates of time series.

    Attributes:
      path: the table's file.
      by_area: `{domain}_{area}_` → JSON text.
      by_patch: the same for patches whose row differs from that of their area.
    """

    path: Path
    by_area: Mapping[str, str]
    by_patch: Mapping[str, str]

    def dates(self, patch_id: str) -> np.ndarray:
        area = patch_id.rstrip("0123456789-")
        text = self.by_patch.get(patch_id) or self.by_area.get(area)
        if text is None:
            raise TileError(f"{self.path}: expected a row of patch {patch_id} or its area, found none")
        return _parse(self.path, patch_id, _series_of_days, text)


def _read_days(path: Path) -> DateTable:
    check_once(path, "patch_id")
    rows = sorted((patch or "", day or "") for patch, day in read_rows(path, ("patch_id", "date")))
    patches, days = zip(*rows, strict=True) if rows else ((), ())
    return _Days(path, np.array(patches, "S"), np.array(days, "S"))


def _read_series(path: Path) -> DateTable:
    check_once(path, "patch_id")
    by_area: dict[str, str] = {}
    by_patch: dict[str, str] = {}
    for area, text, patches in read_rows(path, ("patch_id", "acquisition_dates"), _SERIES_OF_AREAS):
        if by_area.setdefault(area or "", text or "") != text:
            by_patch |= dict.fromkeys((patches or "").split(","), text or "")
    return _Series(path, by_area, by_patch)


def _parse(path: Path, patch_id: str, parse: Callable[[str], np.ndarray], text: str) -> np.ndarray:
    try:
        return parse(text)
    except ValueError as error:
        raise TileError(f"{path}: {patch_id}: {error}") from error


@functools.lru_cache(maxsize=4096)
def _one_day(text: str) -> np.ndarray:
    return np.array([_day(text)], np.int16)


@functools.lru_cache(maxsize=4096)
def _series_of_days(text: str) -> np.ndarray:
    """Returns the dates of a JSON text `{"1": "20210114", "2": …}`, whose numbers count the images of the file."""
    return dates.from_table(text, 1)


def _day(text: str) -> tuple[int, int, int]:
    """Returns year, day of year and hour of `YYYYMMDD`; day 00, where only the month is known, is the first."""
    return dates.from_compact(text[:6] + "01" if text[6:] == "00" else text)
