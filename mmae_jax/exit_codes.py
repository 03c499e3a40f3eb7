"""With which codes commands exit, and the errors that say so themselves."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable

from mmae_jax.spec import SpecError

DONE = 0
FAILED = 1
USAGE = 2
PREEMPTED = 75
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

EXIT_CODES = {
    DONE: "done",
    FAILED: "data, configuration or files do not allow it; one line says why",
    USAGE: "a mistake on the command line",
    PREEMPTED: "told to end (SIGTERM) and saved; the same command continues",
    INTERRUPTED: "ended by Ctrl-C; the same command continues",
}


class UsageError(SpecError):
    """A mistake on the command line; the message names the flag."""


def meant(name: str, known: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: which of those known was probably meant, if any."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def how_ended(code: int) -> str:
    """Returns the signal by which a process ended, e.g. `SIGKILL`, or `exit code 3`; `code` as `subprocess` has it."""
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


class Ending(Exception):  # noqa: N818 (some ends are as they should be)
    """An end of a command that a line tells completely.

    Attributes:
      exit_code: what the process exits with.
    """

    exit_code: int = FAILED
