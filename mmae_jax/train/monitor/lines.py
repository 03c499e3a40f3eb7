"""Files of one JSON object a line, appended to while a run may be killed at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from etils import epath

from mmae_jax.formats import written_whole
from mmae_jax.spec import SpecError


def read_lines(file: epath.Path, fields: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Returns the objects of `file` in order, none if it does not exist. A torn last line is left out.

    Args:
      file: what `append_line` wrote.
      fields: what every object has.

    Raises:
      SpecError: another line cannot be read, or lacks a field; the message names it.
    """
    # Bytes that are no text are in a line that is no JSON, either.
    lines = file.read_bytes().decode(errors="replace").splitlines() if file.exists() else []
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if isinstance(entry, dict):
            if absent := [name for name in fields if name not in entry]:
                raise SpecError(f"{file}, line {number}: expected the field {absent[0]!r}, found {line[:80]!r}")
            entries.append(entry)
        elif number < len(lines):
            raise SpecError(f"{file}, line {number}: expected a JSON object, found {line[:80]!r}")
    return entries


def append_line(file: epath.Path, entry: dict[str, Any]) -> None:
    """Adds a line; it is there when this returns, whatever happens to the process afterwards."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(_line(entry))


def keep_lines(file: epath.Path, keep: Callable[[dict[str, Any]], bool], fields: Iterable[str] = ()) -> None:
    """Drops other objects and a torn last line from `file`, atomically; `fields` as of `read_lines`."""
    text = "".join(_line(entry) for entry in read_lines(file, fields) if keep(entry))
    with written_whole(file) as beside:
        beside.write_text(text, encoding="utf-8")


def drop_torn_line(file: epath.Path) -> None:
    """Drops a last line of `file` that was not written to its end, so that the next one stands alone."""
    keep_lines(file, lambda _: True)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"
