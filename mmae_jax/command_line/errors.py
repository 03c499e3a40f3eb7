"""The one place that turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from mmae_jax.exit_codes import DONE, FAILED, INTERRUPTED, USAGE, Ending, UsageError
from mmae_jax.spec import SpecError

EXPECTED = (SpecError, OSError, Ending)
"""Errors whose message says all; any other is a mistake of the program and keeps its traceback."""
CONTINUES = "interrupted; the same command continues"


def exit_code(command: Callable[[], int | None]) -> int:
    """Runs `command` and returns what the process should exit with, once a message on stderr has said why.

    Args:
      command: returns an exit code, or None where all is done.
    """
    try:
        return command() or DONE
    except SystemExit as end:  # `--help`, and commands within commands
        if isinstance(end.code, str):
            return _tell(f"error: {end.code}", FAILED)
        return end.code or DONE
    except KeyboardInterrupt:
        return _tell(CONTINUES, INTERRUPTED)
    except Ending as end:
        return _tell(f"error: {end}" if end.exit_code == FAILED else str(end), end.exit_code)
    except UsageError as error:
        return _tell(f"error: {error}", USAGE)
    except EXPECTED as error:
        more = isinstance(error, OSError) and error.errno == errno.EMFILE
        return _tell(f"error: {_text(error)}{'; raise the limit: ulimit -n 65536' if more else ''}", FAILED)


def _text(error: Exception) -> str:
    """Returns what an error says; of the operating system's, file and reason without its number."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _tell(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code
