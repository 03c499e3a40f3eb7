"""Speed of training by the clock."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Meter:
    """Samples per second and the share of time spent waiting for data, since the last reading."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self.restart()

    def restart(self) -> None:
        """Forgets what was measured, after something that is not training."""
        self._begin, self._waited, self._steps = time.perf_counter(), 0.0, 0

    def step(self) -> None:
        """Counts one step."""
        self._steps += 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time within as waiting for data."""
        begin = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begin

    def read(self) -> dict[str, float]:
        """Returns the speed since the last reading or restart, and restarts."""
        elapsed = time.perf_counter() - self._begin
        speed = {"samples/s": self._steps * self._batch_size / elapsed, "data_wait_%": 100 * self._waited / elapsed}
        self.restart()
        return speed
