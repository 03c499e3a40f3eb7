"""File patterns such as `s2/{tile}_{date}.tif`: which files there are, and what their names tell."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

from data_prep.errors import DataPrepError

FIELDS = ("tile", "date", "split")
CODES = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%j": r"\d{3}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%b": r"[A-Za-z]{3}",
}
"""What codes of `strptime` look like in a file name."""


class PatternError(ValueError):
    """A pattern or date format that cannot be used."""


@dataclasses.dataclass(frozen=True)
class Match:
    """A file that matches a pattern.

    Attributes:
      path: path of the file below the raw folder.
      tile: name of its tile.
      date: text of its date, if the pattern has one.
      split: name of its split, if the pattern has one.
    """

    path: str
    tile: str
    date: str | None
    split: str | None


def pattern_fields(pattern: str, date_format: str) -> set[str]:
    """Returns the names of the fields of a pattern.

    Raises:
      PatternError: it has no `{tile}`, another field than `FIELDS`, or a date format that is not understood.
    """
    found = set(re.findall(r"\{(.*?)\}", pattern))
    if "tile" not in found or not found <= set(FIELDS):
        raise PatternError(f"expected {{tile}} and, where needed, {{date}}, {{split}} or *, found {pattern!r}")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise PatternError(f"expected a path below the raw folder, found {pattern!r}")
    if "date" in found:
        _expression(pattern, date_format)
    return found


def _expression(pattern: str, date_format: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts = []
    for part in re.split(r"(\{.*?\}|\*)", pattern):
        name = part[1:-1]
        if part == "*":
            parts.append("[^/]*")
        elif not part.startswith("{"):
            parts.append(re.escape(part))
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            parts.append(f"(?P<{name}>{_date_expression(date_format) if name == 'date' else '[^/]+'})")
    return re.compile("".join(parts))


def _date_expression(date_format: str) -> str:
    parts = []
    for part in re.split(r"(%.)", date_format):
        if part.startswith("%") and part not in CODES:
            raise PatternError(f"expected a date format of {' '.join(CODES)}, found {part} in {date_format!r}")
        parts.append(CODES.get(part, re.escape(part)))
    return "".join(parts)


def find(raw_dir: Path, pattern: str, date_format: str, field: str) -> list[Match]:
    """Returns the files that match a pattern, sorted by path.

    Raises:
      DataPrepError: there is none; names `field`, where the pattern was given.
    """
    expression = _expression(pattern, date_format)
    below = len(str(raw_dir).rstrip("/")) + 1
    paths = sorted(str(path)[below:] for path in raw_dir.glob(re.sub(r"\{.*?\}", "*", pattern)))
    matches = [(path, expression.fullmatch(path)) for path in paths]
    found = [
        Match(path, match["tile"], *(match.groupdict().get(name) for name in ("date", "split")))
        for path, match in matches
        if match is not None
    ]
    if not found:
        raise DataPrepError(f"{field}: expected files {pattern!r} in {raw_dir}, found none")
    return found


def parse_date(text: str, date_format: str, where: str) -> tuple[int, int, int]:
    """Returns `(year, day of year, hour)`.

    Raises:
      DataPrepError: `text` is not written in `date_format`; names `where` it is.
    """
    try:
        moment = datetime.datetime.strptime(text, date_format)
    except ValueError as error:
        raise DataPrepError(f"{where}: expected a date {date_format}, found {text!r}") from error
    return moment.year, moment.timetuple().tm_yday, moment.hour
