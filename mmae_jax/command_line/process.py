"""What a process is given by whoever starts it, put right before a command runs: streams and limits."""

from __future__ import annotations

import errno
import io
import os
import resource
import sys
from typing import TextIO

GONE = (errno.EPIPE, errno.EIO)
"""What writing to a pipe whose reader has ended, or to a terminal that was closed, raises."""
DESCRIPTORS = 65536


def put_right() -> None:
    """Gives this process streams that last, and as many open files as it may have; to be called before it opens any."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # What is opened next would take its place: libraries' messages would be written into a checkpoint.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _Lasting(1, sys.stdout, GONE), _Lasting(2, sys.stderr, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Lasting(io.TextIOWrapper):
    """A standard stream that outlives its reader: what cannot be written any more is dropped, the command goes on.

    Characters that its encoding lacks are written as escapes.
    """

    def __init__(self, descriptor: int, given: TextIO | None, dropped: tuple[int, ...] | None) -> None:
        """Takes the place of a stream.

        Args:
          descriptor: what it writes to.
          given: the stream that Python made; None where it was closed.
          dropped: errors after which nothing is written any more; any if None.
        """
        encoding = "utf-8" if given is None else given.encoding
        buffer = io.open(descriptor, "wb", closefd=False)  # noqa: UP020, SIM115 (it is open until the process ends)
        super().__init__(buffer, encoding, "backslashreplace", line_buffering=descriptor == 2 or os.isatty(descriptor))
        self._descriptor, self._dropped = descriptor, dropped

    def write(self, text: str) -> int:
        """Writes `text`, or drops it."""
        try:
            return super().write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Writes what is pending, or drops it."""
        try:
            super().flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if self._dropped is not None and error.errno not in self._dropped:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)
