"""A run that is told to end before it is done: by SIGTERM (preemption, the time limit of SLURM) or Ctrl-C.

The first signal asks the run to save its state and end; all processes of a run end after the same step, whichever of
them got it. Until the first step of a session is done there is nothing to save, and the process ends at once: a thread
sees to that, as Python's own handlers wait until the compiler returns. A second SIGTERM changes nothing, a second
Ctrl-C ends without saving; what is half written is never picked up.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn, Self

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from mmae_jax.exit_codes import INTERRUPTED, PREEMPTED, Ending

EXIT_CODES = {signal.SIGTERM: PREEMPTED, signal.SIGINT: INTERRUPTED}
"""What a run exits with that a signal ended; launchers tell a preempted run by it, and start it again."""


class Preempted(Ending):
    """The run was told to end and did, its state completely written; the message names the checkpoint.

    Attributes:
      exit_code: what the process should exit with.
    """

    def __init__(self, message: str, exit_code: int = PREEMPTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Signals:
    """Listens for the signals that end a run, while entered; does nothing outside the main thread.

    Attributes:
      received: the first such signal; None if there was none.
      something_to_save: whether steps were done that no checkpoint can hold yet; without, a signal ends the process.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.something_to_save = False
        self._listens = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._listens:
            reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._previous = {number: signal.signal(number, self._receive) for number in EXIT_CODES}
            self._previous_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(reader,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._listens:
            signal.set_wakeup_fd(self._previous_writer)
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            os.close(self._writer)

    def end(self, what: str) -> NoReturn:
        """Ends the run after a signal to this or another process.

        Args:
          what: where the run stands and what is saved.

        Raises:
          Preempted: always.
        """
        raise Preempted(what, EXIT_CODES[self.received or signal.SIGTERM])

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt("ended without saving")

    def _watch(self, reader: int) -> None:
        while received := os.read(reader, 1):
            if received[0] in EXIT_CODES and not self.something_to_save:
                print(
                    f"{signal.Signals(received[0]).name}: ends, there is nothing to save", file=sys.stderr, flush=True
                )
                os._exit(EXIT_CODES[signal.Signals(received[0])])
        os.close(reader)


def any_process(mesh: jax.sharding.Mesh, *wishes: bool) -> np.ndarray | jax.Array:
    """Returns int32 `[wishes]`: which of them at least one process has.

    Every process has to ask at the same point of its program. Asking starts a reduction on the devices and does not
    wait for it; reading the answer does.

    Args:
      mesh: devices of all processes.
      wishes: those of this process.
    """
    mine = np.asarray([wishes], np.int32)
    if jax.process_count() == 1:
        return mine[0]
    rows = np.repeat(mine, len(mesh.local_devices), axis=0)
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    return _largest(jax.make_array_from_process_local_data(sharding, rows), NamedSharding(mesh, PartitionSpec()))


@functools.partial(jax.jit, static_argnames="everywhere")
def _largest(rows: jax.Array, everywhere: NamedSharding) -> jax.Array:
    return jax.lax.with_sharding_constraint(rows.max(axis=0), everywhere)
