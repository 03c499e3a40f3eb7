"""The images of a modality: when each was taken, which mask is its, and that none is there twice."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Hashable
from pathlib import Path, PurePosixPath

from data_prep.datasets.folder.description import Files
from data_prep.datasets.folder.patterns import Match, find, parse_moment
from data_prep.datasets.folder.targets import table_rows
from data_prep.errors import DataPrepError
from data_prep.readers.dates import Date, stored_date
from data_prep.readers.inside import inside
from data_prep.readers.tables import note

Moment = datetime.datetime


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """One file of a modality: its path, that of its mask if there is one, and the dates in it."""

    path: str
    mask: str | None
    dates: tuple[Date, ...]


def read_series(files: Files, matches: list[Match], raw_dir: Path, field: str) -> dict[str, tuple[Acquisition, ...]]:
    """Returns tile → its images in order of time.

    Args:
      files: the description of the modality.
      matches: its images.
      raw_dir: where they are.
      field: the modality's name in the description, for messages.

    Raises:
      DataPrepError: a date cannot be read, or an image or a mask is there twice; names both files.
    """
    tables = _date_table(files, raw_dir) if files.dates is not None else {}
    masks = _masks(files, matches, raw_dir, field) if files.masks is not None else {}
    series: dict[str, list[tuple[tuple[Moment, ...], Acquisition]]] = {}
    places: dict[Hashable, str] = {}
    for match in matches:
        moments = tables.get(match.tile, ()) if files.dates is not None else (_moment(files, match, field),)
        _note_acquisition(places, files, match, moments, raw_dir, field)
        acquisition = Acquisition(match.path, masks.get(match.path), tuple(map(stored_date, moments)))
        series.setdefault(match.tile, []).append((moments, acquisition))
    return {
        tile: tuple(acquisition for _, acquisition in sorted(found, key=lambda each: each[0]))
        for tile, found in series.items()
    }


def _note_acquisition(
    places: dict[Hashable, str], files: Files, match: Match, moments: tuple[Moment, ...], raw_dir: Path, field: str
) -> None:
    """Refuses a tile of which two files are the same acquisition.

    Two files of one time are two acquisitions where their own names differ, as those of two orbits do. In two folders,
    files of one name are two tiles of that name, and where the description tells the dates, a tile has one file.
    """
    what, path = f"{field}: tile {match.tile}", raw_dir / match.path
    if files.date is not None or files.dates is not None:
        note(places, match.tile, path, what)
    else:
        key = match.tile, moments, PurePosixPath(match.path).stem
        note(places, key, path, f"{what}, {moments[0]:%Y-%m-%d %H:%M:%S}")


def _masks(files: Files, images: list[Match], raw_dir: Path, field: str) -> dict[str, str]:
    """Returns image → mask: by tile and date, and by what `*` stands for if that is how any mask is named."""
    assert files.masks is not None, "asked for by the description"
    masks = find(raw_dir, files.masks, files.date_format, f"{field}.masks")
    exactly = not {_key(match, True) for match in images}.isdisjoint(_key(match, True) for match in masks)
    found = _by_key(masks, exactly, raw_dir, f"{field}.masks")
    if not exactly:  # then no two images may be of one tile and date: they would share a mask
        _by_key(images, exactly, raw_dir, f"{field}.masks: the image of the mask")
    return {match.path: found[_key(match, exactly)] for match in images if _key(match, exactly) in found}


def _by_key(matches: list[Match], exactly: bool, raw_dir: Path, what: str) -> dict[Hashable, str]:
    places: dict[Hashable, str] = {}
    for match in matches:
        date = f", date {match.date}" if match.date is not None else ""
        note(places, _key(match, exactly), raw_dir / match.path, f"{what}: tile {match.tile}{date}")
    return {_key(match, exactly): match.path for match in matches}


def _key(match: Match, exactly: bool) -> tuple[object, ...]:
    return match.tile, match.date, match.split, match.others if exactly else ()


def _date_table(files: Files, raw_dir: Path) -> dict[str, tuple[Moment, ...]]:
    assert files.dates is not None, "asked for by the description"
    path = inside(raw_dir, files.dates)
    found, places = dict[str, list[Moment]](), dict[tuple[str, Moment], str]()
    for place, row in table_rows(path, "tile", "date").items():
        moment = parse_moment(row["date"], files.date_format, f"{path}: {place}")
        note(places, (row["tile"], moment), place, f"{path}: tile {row['tile']}, date {row['date']}")
        found.setdefault(row["tile"], []).append(moment)
    return {tile: tuple(moments) for tile, moments in found.items()}


def _moment(files: Files, match: Match, field: str) -> Moment:
    if files.date is not None:
        return parse_moment(files.date, files.date_format, f"{field}.date")
    if match.date is not None:
        return parse_moment(match.date, files.date_format, match.path)
    assert files.date_regex is not None, "one of them is given"
    found = re.search(files.date_regex, PurePosixPath(match.path).name)
    if found is None or not found.groups() or found[1] is None:
        raise DataPrepError(
            f"{field}.date_regex: expected its first group (…) to find the date in {match.path!r}, found none"
        )
    return parse_moment(found[1], files.date_format, match.path)
