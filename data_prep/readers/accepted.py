"""What a user says is right after all: checks of raw files that `--accept` switches off by name (docs/checks.md)."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Set

from data_prep.errors import TileError

CHECKS = {
    "links": "files that are links out of --raw_dir",
    "place": "where rasters lie",
    "bands": "what files call their bands",
    "values": "scale, offset, unit and nodata that files state",
    "masks": "masks in and beside files",
}
"""Name → what is accepted."""

_accepted: contextvars.ContextVar[Set[str]] = contextvars.ContextVar("accepted", default=frozenset())


@contextlib.contextmanager
def accepting(checks: Set[str]) -> Iterator[None]:
    """Switches checks off while raw files are read."""
    token = _accepted.set(checks)
    try:
        yield
    finally:
        _accepted.reset(token)


def is_accepted(check: str) -> bool:
    """Returns whether the findings of one of `CHECKS` are right after all."""
    return check in _accepted.get()


def refuse(check: str, message: str) -> None:
    """Raises a `TileError`, with the way out, unless the findings of this check are accepted."""
    if not is_accepted(check):
        raise TileError(f"{message} (if it is right: --accept={check})")
