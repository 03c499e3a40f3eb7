"""What a user sees of a command while it runs: lines of this program, and one line for what a library has to say."""

from __future__ import annotations

import logging as python_logging
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, TextIO

from absl import flags, logging

from mmae_jax.command_line.errors import EXPECTED
from mmae_jax.spec.error import first_line

PACKAGE = str(Path(__file__).parents[1])


def show_messages() -> None:
    """Shows messages of this package from INFO on, of the libraries it uses from WARNING on, these in one line each."""
    flags.FLAGS.mark_as_parsed()  # of which there are none here; absl says so at each message otherwise
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().addFilter(_is_shown)


def shorten_tracebacks() -> None:
    """Tells in one line, or not at all, what libraries' threads, event loops and warnings print in many."""
    threading.excepthook = _tell_of_thread
    sys.unraisablehook = _tell_of_unraisable
    warnings.showwarning = _tell_of_warning


def _is_shown(record: python_logging.LogRecord) -> bool:
    """Returns whether a message is shown; one of a library is cut to its first line.

    What a library's thread fails by is raised by what waits for it, and told there: its traceback is left out.
    """
    if record.pathname.startswith(PACKAGE):
        return True
    if record.levelno < python_logging.WARNING or record.exc_info:
        return False
    record.msg, record.args = first_line(record.getMessage()), None
    return True


def _tell_of_thread(failed: threading.ExceptHookArgs) -> None:
    if isinstance(failed.exc_value, EXPECTED):
        name = failed.thread.name if failed.thread else "a thread"
        logging.warning("%s: %s: %s", name, failed.exc_type.__name__, first_line(failed.exc_value))
    else:
        threading.__excepthook__(failed)


def _tell_of_unraisable(failed: Any) -> None:
    # Event loops and coroutines that a library leaves behind once it has failed: the failure itself is told.
    if not str(getattr(failed.exc_value, "args", "")).count("Event loop is closed"):
        sys.__unraisablehook__(failed)


def _tell_of_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if not (category is RuntimeWarning and "was never awaited" in str(message)):
        logging.warning("%s: %s", category.__name__, first_line(message))
