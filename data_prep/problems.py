"""What is left out while a dataset is prepared: told at once, counted by reason in the end, and listed in a table."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import csv
import dataclasses
import io
import logging
import re
from collections.abc import Iterable, Iterator, Mapping

PROBLEMS_FILE = "problems.csv"
COLUMNS = ("split", "tile", "left_out", "reason", "message")
TILE, DATE = "tile", "date"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that could not be used.

    Attributes:
      tile: name of the tile.
      left_out: `TILE`, `DATE`, or the name of a modality.
      message: why; names the file.
    """

    tile: str
    left_out: str
    message: str

    def __post_init__(self) -> None:
        # names of files need not be UTF-8, the table is
        object.__setattr__(self, "message", self.message.encode(errors="backslashreplace").decode())

    @property
    def reason(self) -> str:
        """The message without paths, names and values: what many tiles may have in common."""
        parts = [part.partition(", as in ")[0] for part in self.message.split(": ")]
        parts = [part for part in parts if "/" not in part] or ["cannot be used"]
        text = parts[0] if len(parts) > 1 and parts[1].startswith("expected ") else ": ".join(parts)
        return re.split(r" \(|, found |, though ", text)[0]

    def __str__(self) -> str:
        of = "" if self.left_out == TILE else f"a {DATE} of " if self.left_out == DATE else f"{self.left_out} of "
        return f"skipped {of}{self.tile}: {self.message}"


_collected: contextvars.ContextVar[list[Problem] | None] = contextvars.ContextVar("problems", default=None)


@contextlib.contextmanager
def collecting() -> Iterator[list[Problem]]:
    """Gives the list that `report` adds to meanwhile."""
    problems: list[Problem] = []
    token = _collected.set(problems)
    try:
        yield problems
    finally:
        _collected.reset(token)


def report(problem: Problem) -> None:
    """Tells that part of a tile is left out, while the tile is read."""
    _log.warning("%s", problem)
    collected = _collected.get()
    if collected is not None:
        collected.append(problem)


def table(problems: Mapping[str, Iterable[Problem]]) -> str:
    """Returns the problems of each split as csv with a header line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split, found in problems.items():
        writer.writerows((split, each.tile, each.left_out, each.reason, each.message) for each in found)
    return text.getvalue()


def counted(problems: Iterable[Problem]) -> list[str]:
    """Returns a line for each reason for which something was left out, the most frequent first."""
    counts = collections.Counter((each.left_out, each.reason) for each in problems)
    width = len(str(max(counts.values(), default=0)))
    return [f"{number:>{width}} × {left_out}: {reason}" for (left_out, reason), number in counts.most_common()]
