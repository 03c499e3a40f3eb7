"""File patterns such as `s2/{tile}_{date}.tif`: which files there are, and what their names tell."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

from data_prep.errors import DataPrepError
from data_prep.readers.listing import ANY_DEPTH, find_files

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
    "%f": r"\d{1,6}",
    "%b": r"[A-Za-z]{3}",
    "%z": r"(?:Z|[+-]\d{2}:?\d{2})",
}
"""What codes of `strptime` look like in a file name."""
OTHERS = {"*": "([^/]*)", "**/": "((?:[^/]+/)*)"}
"""What else varies in paths."""
BESIDE_EACH_OTHER = re.compile(r"(?:\{tile\}|\{split\}|\*)(?:\{tile\}|\{split\})|(?:\{tile\}|\{split\})\*")
"""Where nothing says where the one ends and the other begins."""


_WITHOUT_GAPS = re.compile(r"%\w%")


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
      others: what each `*` and `**` stands for.
    """

    path: str
    tile: str
    date: str | None
    split: str | None
    others: tuple[str, ...] = ()


def pattern_fields(pattern: str) -> set[str]:
    """Returns the names of the fields of a pattern.

    Raises:
      PatternError: it has no `{tile}`, another field than `FIELDS`, two parts of any text beside each other, or `**`
        beside other text.
    """
    found = set(re.findall(r"\{(.*?)\}", pattern))
    if "tile" not in found or not found <= set(FIELDS):
        raise PatternError(f"expected {{tile}} and, where needed, {{date}}, {{split}} or *, found {pattern!r}")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise PatternError(f"expected a path below the raw folder, found {pattern!r}")
    *folders, file = pattern.split("/")
    if "**" in file or any("**" in name and name != ANY_DEPTH for name in folders):
        raise PatternError(f"expected ** alone between slashes, for folders of any depth, found {pattern!r}")
    if BESIDE_EACH_OTHER.search(pattern):
        raise PatternError(
            f"expected text between {{tile}}, {{split}} and *, which stand for any text, found {pattern!r}"
        )
    return found


def _expression(pattern: str, date_format: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts = []
    for part in re.split(r"(\{.*?\}|\*\*/|\*)", pattern):
        name = part[1:-1]
        if part in OTHERS:
            parts.append(OTHERS[part])
        elif not part.startswith("{"):
            parts.append(re.escape(part))
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            seen.add(name)
            parts.append(f"(?P<{name}>{date_expression(date_format) if name == 'date' else '[^/]+'})")
    return re.compile("".join(parts))


def date_expression(date_format: str) -> str:
    """Returns the regular expression of dates of a format; raises a `PatternError` where it is not understood."""
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
    found = [_match(path, match) for path, match in matching(raw_dir, pattern, date_format)]
    if not found:
        raise DataPrepError(f"{field}: expected files {pattern!r} in {raw_dir}, found none")
    return found


def matching(folder: Path, pattern: str, date_format: str) -> list[tuple[str, re.Match[str]]]:
    """Returns the files below a folder that match a pattern, sorted, and what its fields are in their paths."""
    expression = _expression(pattern, date_format)
    anything = re.sub(r"\{date\}", lambda _: re.sub("%.", "*", date_format), pattern)
    anything = "/".join(
        name if name == ANY_DEPTH else re.sub(r"(?:\{.*?\}|\*)+", "*", name) for name in anything.split("/")
    )
    paths = find_files(folder, anything)
    return [(path, match) for path in paths if (match := expression.fullmatch(path)) is not None]


def others(match: re.Match[str]) -> tuple[str, ...]:
    """Returns what each `*` and `**` of a pattern stands for in a path."""
    numbers = set(range(1, len(match.groups()) + 1)) - set(match.re.groupindex.values())
    return tuple(match[number] for number in sorted(numbers))


def _match(path: str, match: re.Match[str]) -> Match:
    named = match.groupdict()
    return Match(path, match["tile"], named.get("date"), named.get("split"), others(match))


def parse_moment(text: str, date_format: str, where: str) -> datetime.datetime:
    """Returns a time, in UTC where the text tells its offset.

    Raises:
      DataPrepError: `text` is not written in `date_format`, or there is no such day; names `where` it is.
    """
    try:
        moment = datetime.datetime.strptime(text, date_format)
        if _WITHOUT_GAPS.search(date_format) and not re.fullmatch(date_expression(date_format), text):
            raise ValueError(text)  # 2020111 may be a day in January or November
        exists = "%j" not in date_format or f"{moment:%j}" in text  # day 366 of other years would be in the next one
    except ValueError as error:
        raise DataPrepError(f"{where}: expected a date {date_format}, found {text!r}") from error
    if not exists:
        raise DataPrepError(f"{where}: expected a day of the year, found {text!r}")
    return moment if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)
