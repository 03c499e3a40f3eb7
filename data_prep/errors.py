"""What can be wrong with raw data or with a preparation command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mmae_jax.spec import SpecError

LONGEST_REASON = 200
"""Characters of a library's message that are repeated; some hold the file's content."""
_OURS = frozenset(("data_prep", "mmae_jax"))


class DataPrepError(SpecError):
    """Preparation cannot go on; the message names the file or flag, what was expected and what was found."""


class TileError(DataPrepError):
    """One tile cannot be used; it is reported and skipped, or fatal with `--strict`. The message names the file."""


def expect(path: Path, what: str, expected: object, found: object) -> None:
    """Raises a `TileError` if `found`, the property `what` of file `path`, is not `expected`."""
    if expected != found:
        raise TileError(f"{path}: {what}: expected {expected}, found {found}")


@contextlib.contextmanager
def naming_errors(where: object, kind: type[DataPrepError] = TileError) -> Iterator[None]:
    """Turns whatever a library raises for an absent or damaged file into a `kind` that names `where`, the file.

    Which types libraries raise, nobody can list: an error is a library's unless this program's own code raised it, and
    that of a file or of memory always is. A mistake of ours keeps its type and traceback.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DataPrepError) or (_is_ours(error) and not isinstance(error, (OSError, MemoryError))):
            raise
        raise kind(f"{where}: cannot be read ({reason(error, str(where))})") from error


def reason(error: Exception, known: str) -> str:
    """Returns what an error says, in one line, without what is `known`; with its type where it is a word at most."""
    text = " ".join(str(error).replace(known, "…").split())
    if " " not in text:
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _is_ours(error: Exception) -> bool:
    """Returns whether the innermost function of the traceback is this program's; compiled ones of libraries count."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in _OURS
