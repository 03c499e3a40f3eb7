"""The processes of one run live and die together.

Each process shows a sign of life in the key-value store of the first one and waits there for word of a failure. One
that fails leaves its message; one that dies without a word (a kill, a lost machine) is missed by the first process,
which leaves word of that. Whoever hears of a failure prints it and ends, also while it waits in a collective operation
for a process that will never come.

Where the first process dies without a word, JAX itself ends the others at once, by an abort: its message says that the
leader task is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
import traceback
from typing import Any, NoReturn

import jax

BEAT_SECONDS = 1.0
STANDSTILL_SECONDS = 5.0
SUSPECT_SECONDS = 8.0
FAREWELL_SECONDS = 5.0
LAST_SECONDS = 1.0
FINISH_SECONDS = 24 * 3600.0
PREFIX = "mmae_jax/"
FAILURE, ALIVE = f"{PREFIX}failure", f"{PREFIX}alive/"
# How a collective operation fails on a process whose partner is gone: by a symptom that names no process.
SYMPTOMS = ("Gloo", "NCCL", "UNAVAILABLE", "arrier")


class Peers:
    """This process and the others of its run; a run of one has none and this does nothing.

    Attributes:
      index: rank of this process.
      count: processes of the run.
    """

    def __init__(self, client: Any, index: int, count: int, coordinator: str, lost_after_seconds: float) -> None:
        """Begins to listen.

        Args:
          client: the client of `jax.distributed`; None for a run of one process.
          index: rank of this process.
          count: processes of the run.
          coordinator: address of process 0.
          lost_after_seconds: how long a process may show no sign of life.
        """
        self.index, self.count = index, count
        self._client, self._coordinator, self._patience = client, coordinator, lost_after_seconds
        self._ending, self._done = threading.Lock(), threading.Event()
        self._answered = time.monotonic()
        self._seen = dict.fromkeys(range(count), ("", self._answered, "?"))
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._listen, self._watch)]
        if not self.alone:
            for thread in self._threads:
                thread.start()

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.count == 1

    def finish(self) -> None:
        """Returns once all processes have come here, so that none is missed from now on."""
        if self.alone:
            return
        self._client.wait_at_barrier(f"{PREFIX}finished", int(1000 * FINISH_SECONDS))
        self._done.set()
        for thread in self._threads:
            thread.join()

    def fail(self, error: BaseException, *, expected: bool) -> None:
        """Tells the others why this process ends, prints it and ends with exit code 1; does nothing without others.

        Where `error` may come from the end of another process, waits for word of that, which is printed instead.

        Args:
          error: what ends this process.
          expected: its message says all; otherwise a traceback is printed, too.
        """
        if self.alone:
            return
        if _is_symptom(error):
            self._patience = min(self._patience, SUSPECT_SECONDS)
            time.sleep(self._patience + 5 * BEAT_SECONDS)  # meanwhile, `_watch` or `_listen` may end this process
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        if not expected:
            traceback.print_exception(error)
        self._end(f"error: {message}", tell=message)

    def _end(self, line: str, tell: str | None = None, *, reachable: bool = True) -> NoReturn:
        """Prints `line` and ends this process, once; `tell` is what the others hear, where they are `reachable`."""
        if not self._ending.acquire(blocking=False):
            threading.Event().wait()  # another thread is ending this process
        print(line, file=sys.stderr)
        farewell = threading.Thread(target=self._farewell, args=(tell,), daemon=True)
        if reachable:
            farewell.start()
            farewell.join(FAREWELL_SECONDS)
            if self.index == 0:
                time.sleep(LAST_SECONDS)  # the moment that this one ends, JAX aborts those that are still there
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)

    def _farewell(self, tell: str | None) -> None:
        """Leaves word for the others, and waits until they have heard of the failure."""
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # someone failed before
            if tell is not None:
                self._tell(self.index, socket.gethostname(), tell)
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # whoever is gone does not come
            self._client.wait_at_barrier(f"{PREFIX}failed", int(1000 * FAREWELL_SECONDS))

    def _tell(self, index: int, host: str, message: str) -> None:
        self._client.key_value_set(FAILURE, json.dumps([index, host, message]))

    def _listen(self) -> None:
        """Shows signs of life and waits for word of a failure."""
        beat = 0
        while not self._done.is_set():
            beat += 1
            try:
                sign = json.dumps([beat, socket.gethostname()])
                self._client.key_value_set(f"{ALIVE}{self.index}", sign, allow_overwrite=True)
                self._answered = time.monotonic()
                failure = self._client.blocking_key_value_get(FAILURE, int(1000 * BEAT_SECONDS))
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error) and not self._done.is_set():
                    self._end(self._gone(0, self._coordinator, "its connection is closed"), reachable=False)
                continue
            index, host, message = json.loads(failure)
            self._end(f"error: process {index} of {self.count} ({host}): {message}")

    def _watch(self) -> None:
        """Looks for processes that show no sign of life; process 0 for all others, these for process 0."""
        before = time.monotonic()
        while not self._done.wait(BEAT_SECONDS / 2):
            now = time.monotonic()
            if now - before > STANDSTILL_SECONDS:  # this process was not running, perhaps the others neither
                self._answered = now
                self._seen = {index: (sign, now, host) for index, (sign, _, host) in self._seen.items()}
            before, silent = now, now - self._answered
            if silent > self._patience and not self._done.is_set():
                line = self._gone(0, self._coordinator, f"no sign of life for {silent:.0f} s")
                self._end(line, reachable=False)
            if self.index == 0:
                self._watch_others()

    def _watch_others(self) -> None:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            for name, sign in self._client.key_value_dir_get(ALIVE):
                index, (_, host) = int(name.rpartition("/")[2]), json.loads(sign)
                if self._seen[index][0] != sign:
                    self._seen[index] = (sign, time.monotonic(), host)
        for index, (_, moment, host) in self._seen.items():
            silent = time.monotonic() - moment
            if silent > self._patience and not self._done.is_set():
                line = self._gone(index, host, f"no sign of life for {silent:.0f} s")
                with contextlib.suppress(jax.errors.JaxRuntimeError):
                    self._tell(index, host, line.partition("): ")[2])
                self._end(line)

    def _gone(self, index: int, host: str, how: str) -> str:
        return f"error: process {index} of {self.count} ({host}): it is gone, {how}"


def _is_symptom(error: BaseException) -> bool:
    return isinstance(error, jax.errors.JaxRuntimeError) or any(symptom in str(error) for symptom in SYMPTOMS)
