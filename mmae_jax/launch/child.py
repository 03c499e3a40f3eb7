"""Commands of this program that another one starts, as `launch` and sweeps do: they end with it, however it ends.

Run as a module, this is the child: `python -m mmae_jax.launch.child train …`. Its standard input is a pipe that the
process which started it holds open. Where that process is killed, nobody could pass a signal on; the pipe is closed all
the same, and the child ends at once. It would else train on and keep the folder of its run. What it had not saved is
lost; the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import IO

from mmae_jax.exit_codes import FAILED, PREEMPTED
from mmae_jax.launch.signals import EXIT_CODES, Preempted

PROGRAM = (sys.executable, "-m", "mmae_jax.launch.child")
STDIN, STDERR = 0, 2
GONE = b"error: ended, as the process that started this one is gone\n"


def start(arguments: Sequence[str], lines: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts a command that ends with this process.

    Args:
      arguments: the command and its options.
      lines: takes what it writes.
    """
    # in a group of its own: Ctrl-C reaches it once, through this process
    return subprocess.Popen(
        [*PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=lines, stderr=lines, start_new_session=True
    )


@contextlib.contextmanager
def passing_on(pass_on: Callable[[int], None]) -> Iterator[list[int]]:
    """Hands signals that tell this process to end to `pass_on` while entered; gives the list of those that came."""
    told: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        told.append(number)
        pass_on(number)

    previous = {number: signal.signal(number, handle) for number in EXIT_CODES}
    try:
        yield told
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def preempted(told: Sequence[int], message: str) -> Preempted:
    """Returns the end of a process whose children ended as they were told; `told` may be empty where one was alone."""
    number = told[0] if told else signal.SIGTERM
    return Preempted(message, EXIT_CODES.get(signal.Signals(number), PREEMPTED))


def _end_with_parent() -> None:
    os.read(STDIN, 1)
    with contextlib.suppress(OSError):  # where its lines went through that process, too
        os.write(STDERR, GONE)
    os._exit(FAILED)


def _main() -> None:
    from mmae_jax.command_line.program import program

    threading.Thread(target=_end_with_parent, daemon=True).start()
    program()


if __name__ == "__main__":
    _main()
