"""Which files a sensor has in a scene, when they were taken, and which bands are in each."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from data_prep.arguments import STORES
from data_prep.arguments import path as store_path
from data_prep.datasets.folder.patterns import matching, others, parse_moment
from data_prep.errors import DataPrepError
from data_prep.readers.inside import inside
from data_prep.scenes.described.description import ANY_TEXT, Images

Moment = datetime.datetime


@dataclasses.dataclass(frozen=True)
class Stated:
    """What is said of a file outside of it, by STAC; None or nothing where nothing is."""

    scales: tuple[float | None, ...] = ()
    offsets: tuple[float | None, ...] = ()
    nodata: float | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """A file of a sensor, or of its masks.

    Attributes:
      path: where it is: a local path, or a URL.
      moments: when its images were taken.
      product: what files of one image, each of other bands, have in common.
      band: name of its one band; None where it has all.
      stated: what is said of it elsewhere.
    """

    path: str
    moments: tuple[Moment, ...]
    product: tuple[object, ...] = ()
    band: str | None = None
    stated: Stated = Stated()


def find_sources(
    folder: Path, field: str, images: Images, patterns: Sequence[str], bands: Sequence[str]
) -> list[Source]:
    """Returns the files of some patterns, sorted by path.

    Args:
      folder: where the description is.
      field: what the patterns are of, for messages.
      images: how their dates are told.
      patterns: `pattern` or `masks` of `images`.
      bands: names that `{band}` may stand for; files of others are not used.

    Raises:
      DataPrepError: there are none, or a date cannot be read; names field and file.
    """
    found: dict[str, Source] = {}
    for pattern in patterns:
        matches = list(_matches(folder, pattern, images.date_format, bands))
        if not matches:
            raise DataPrepError(f"{field}: expected files {pattern!r} in {folder}, found none")
        for path, match in matches:
            check_not_virtual(path, pattern)
            band = match.groupdict().get("band") if match else None
            if band is None or band in bands:
                moments = _moments(images, path, match, field)
                found[path] = Source(path, moments, (pattern, moments, others(match)) if match else (pattern,), band)
    if not found:
        raise DataPrepError(
            f"{field}: expected {{band}} to be {', '.join(bands)} in names of files, found none of them"
        )
    return [found[path] for path in sorted(found)]


def check_not_virtual(path: str, pattern: str) -> None:
    """Raises a `DataPrepError` at a virtual raster that no pattern of the description asks for by its ending."""
    if path.lower().endswith(".vrt") and not pattern.lower().endswith(".vrt"):
        raise DataPrepError(f"{path}: expected an image, found a virtual raster; if it is right, write a pattern ….vrt")


def _matches(
    folder: Path, pattern: str, date_format: str, bands: Sequence[str]
) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Yields the files of a pattern, each with what its fields stand for."""
    if "://" not in pattern:
        yield from ((str(inside(folder, path)), match) for path, match in matching(folder, pattern, date_format))
    elif ANY_TEXT.search(pattern) and pattern.startswith(STORES):
        fixed = pattern[: ANY_TEXT.search(pattern).start()]  # type: ignore[union-attr]
        root, _, _ = fixed.rpartition("/")
        names = matching(store_path(root), pattern[len(root) + 1 :], date_format)
        yield from ((f"{root}/{path}", match) for path, match in names)
    else:
        for band in bands if "{band}" in pattern else ("",):
            path = pattern.replace("{band}", band)
            yield path, re.fullmatch(re.escape(pattern).replace(r"\{band\}", "(?P<band>.*)", 1), path)


def _moments(images: Images, path: str, match: re.Match[str] | None, field: str) -> tuple[Moment, ...]:
    if images.date is not None or images.dates:
        return tuple(day(text, f"{field}.date") for text in images.dates or (images.date or "",))
    if match is not None and match.groupdict().get("date") is not None:
        return (parse_moment(match["date"], images.date_format, path),)
    assert images.date_regex is not None, "the description was checked"
    found = re.search(images.date_regex, PurePosixPath(path).name)
    if found is None or not found.groups() or found[1] is None:
        raise DataPrepError(
            f"{field}.date_regex: expected its first group (…) to find the date in {path!r}, found none"
        )
    return (parse_moment(found[1], images.date_format, path),)


def day(text: str, where: str) -> Moment:
    """Returns a time that is written `2018-07-01`, `20180701` or `2018-07-01T10:30`, in UTC.

    Raises:
      DataPrepError: it is not; names `where` it is.
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise DataPrepError(f"{where}: expected a date like 2018-07-01, found {text!r}") from error
    return moment if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)
