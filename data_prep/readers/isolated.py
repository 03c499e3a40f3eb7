"""Reads damaged files in a process that can be ended: a library may wait for ever in one, or end its process.

One helper per process is started when it is first needed and serves all further calls. It imports no more than the
functions called, and ends with the process that it serves: soon after the time limit where that was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from data_prep.errors import TileError, naming_errors
from data_prep.shards.storage import is_local, local_copy
from mmae_jax.exit_codes import how_ended

T = TypeVar("T")

SECONDS = 20.0
"""In which a file must be read: a hundred times what the largest takes."""
START_SECONDS = 300.0
GRACE_SECONDS = 1.0
"""After the time limit of a call, when the helper ends by itself."""
LARGEST_MEMORY = 16 * 2**30
"""Bytes of address space that reading one file may take."""

_lock = threading.Lock()


class _Helper:
    """A process that calls functions, and this end of the pipe to it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._connection, theirs = multiprocessing.Pipe()
        command = "from data_prep.readers.isolated import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", command, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        theirs.close()
        self._receive(START_SECONDS)

    def call(self, function: Callable[[Path], Any], path: Path, seconds: float) -> Any:
        """Returns what the function does, or raises what it raises; `TimeoutError` or `EOFError` where it cannot."""
        self._connection.send((function, path, seconds))
        result, error = self._receive(seconds)
        if error is not None:
            raise error
        return result

    def _receive(self, seconds: float) -> Any:
        if not self._connection.poll(seconds):
            raise TimeoutError
        return self._connection.recv()

    def end(self) -> str:
        """Ends the process, if it has not ended, and returns how it did."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # one that crashed
        self._process.kill()
        return how_ended(self._process.wait())


_helper: _Helper | None = None


def call(function: Callable[[Path], T], path: Path, seconds: float | None = None) -> T:
    """Returns `function(path)`, as computed by another process.

    Args:
      function: module-level; its module should import little. What it returns or raises is pickled.
      path: the file that it reads; one in an object store is copied first, by the calling process.
      seconds: after which the process is ended; `SECONDS` by default.

    Raises:
      TileError: it took longer, or the process died; names the file.
      Exception: whatever the function raises.
    """
    if not is_local(path):
        with naming_errors(path), local_copy(path) as copy:
            try:
                return call(function, copy, seconds)
            except TileError as error:
                raise TileError(str(error).replace(str(copy), str(path))) from error
    global _helper
    limit = SECONDS if seconds is None else seconds
    with _lock:
        if _helper is None or _helper.owner != os.getpid():
            _helper = _Helper()
        helper = _helper
        try:
            return helper.call(function, path, limit)
        except (TimeoutError, EOFError, ConnectionError) as error:
            _helper, how = None, helper.end()
            what = (
                f"reading takes longer than {limit:g} s"
                if isinstance(error, TimeoutError)
                else f"the library ended with {how}"
            )
            raise TileError(f"{path}: cannot be read ({what}: the file is damaged)") from None


def serve() -> None:
    """What the helper does: answers calls until the pipe is closed."""
    connection = multiprocessing.connection.Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that it serves decides
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))
    connection.send(None)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            function, path, seconds = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS)  # the system's own, whatever a library does
            outcome = _outcome(function, path)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(outcome)


def _outcome(function: Callable[[Path], object], path: Path) -> tuple[object, Exception | None]:
    try:
        return function(path), None
    except Exception as error:
        if not isinstance(error, TileError):
            error.add_note(traceback.format_exc())  # pickling loses it
        return None, error


@atexit.register
def _end() -> None:
    if _helper is not None and _helper.owner == os.getpid():
        _helper.end()
