"""Reading and writing files such that whatever is wrong with them is said, and no half-written one is ever seen."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from etils import epath

from mmae_jax.spec import SpecError

DEEPEST = 50
"""Levels of a JSON file; what is nested deeper is none of ours, and would exhaust the stack of what reads it."""


@contextlib.contextmanager
def written_whole(path: epath.Path) -> Iterator[epath.Path]:
    """Gives a file beside `path` to write to: it becomes `path` at the end, or is removed where that is not reached."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def read_json(file: Path | epath.Path, error: type[SpecError] = SpecError) -> dict[str, Any]:
    """Returns the fields of a JSON file.

    Raises:
      SpecError: it is no JSON, or not fields with values; of the class `error`.
      OSError: it cannot be read.
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:  # also what is no text
        raise error(f"{file}: not valid JSON ({problem})") from problem
    if not isinstance(plain, dict):
        raise error(f"{file}: expected fields with values, found {type(plain).__name__}")
    if _deeper(plain, DEEPEST):
        raise error(f"{file}: expected at most {DEEPEST} levels of JSON, found more")
    return plain


def _deeper(plain: Any, levels: int) -> bool:
    """Returns whether JSON values are nested deeper, without recursion."""
    level = [plain]
    for _ in range(levels):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _values(outer)]
    return bool(level)


def _values(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer
