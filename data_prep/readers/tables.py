"""Tables in csv files, and keys that may occur in them, or among files, once only."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.inside import check_file

Key = TypeVar("Key", bound=Hashable)


def note(places: dict[Key, str], key: Key, place: object, what: str, kind: type[DataPrepError] = DataPrepError) -> None:
    """Notes in `places` where `key` occurs.

    Args:
      places: key → where it was found.
      key: what may occur once.
      place: where it is found now: a file, or a line of a table.
      what: names the key in the message, e.g. `tile a1`, or where and what: `splits.csv: tile a1`.
      kind: what is raised; a `TileError` where only the tiles of one file are concerned.

    Raises:
      DataPrepError: it was found before; names both places.
    """
    if key in places:
        raise kind(f"{what}: expected once, found in {places[key]} and in {place}")
    places[key] = str(place)


def read_rows(path: Path, *columns: str) -> dict[str, Mapping[str, str]]:
    """Returns the lines of a csv file with a header line: `line 2` → values by column, without spaces around them.

    Values are separated by `,` or `;`; empty lines are left out.

    Raises:
      DataPrepError: the file cannot be read, lacks one of `columns`, has one twice, a line has another length, or
        there is none.
    """
    check_file(path)
    with naming_errors(path, DataPrepError):
        text = path.read_text(encoding="utf-8-sig")
    header, *lines = _lines(path, text) or [(1, [])]
    check_columns(path, columns, header[1])
    if not lines:
        raise DataPrepError(f"{path}: expected at least one tile, found none")
    for number, line in lines:
        if len(line) != len(header[1]):
            raise DataPrepError(f"{path}: line {number}: expected {len(header[1])} values, found {len(line)}")
    return {f"line {number}": dict(zip(header[1], line, strict=True)) for number, line in lines}


def check_columns(path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
    """Raises a `DataPrepError` unless all `columns` are among those `found` in a table, and none is there twice."""
    for column in columns:
        if column not in found:
            raise DataPrepError(f"{path}: expected a column {column}, found {', '.join(found) or 'none'}")
    places: dict[str, str] = {}
    for number, name in enumerate(found, 1):
        if name:
            note(places, name, f"column {number}", f"{path}: column {name}")


def values_of(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields number and values, without spaces around them, of each line of a csv file that is not empty.

    Raises:
      csv.Error: a line is none.
    """
    rest = iter(lines)
    first = next(rest, "")
    reader = csv.reader(itertools.chain([first], rest), delimiter=";" if ";" in first else ",")
    yield from ((reader.line_num, [value.strip() for value in line]) for line in reader if line)


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    found: list[tuple[int, list[str]]] = []
    try:
        found.extend(values_of(io.StringIO(text, newline="")))
    except csv.Error as error:
        number = found[-1][0] + 1 if found else 1
        raise DataPrepError(f"{path}: line {number}: cannot be read ({error})") from error
    return found
