"""A trace of some training steps, for a profiler's viewer."""

from __future__ import annotations

import jax
from absl import logging
from etils import epath

FOLDER = "profile"


class Trace:
    """Traces steps of the first phase that is run; a context manager that ends an unfinished trace.

    A trace in the working directory is kept: there is one, until its folder is deleted.
    """

    def __init__(self, workdir: epath.Path, steps: tuple[int, ...], start_step: int) -> None:
        """Plans the trace.

        Args:
          workdir: folder of the run.
          steps: `(first, count)`, none if empty; a phase that continues after `first` is traced from its next step.
          start_step: steps done before.
        """
        self._folder, self._running = workdir / FOLDER, False
        planned = bool(steps) and jax.process_index() == 0 and not self._folder.exists()
        first, count = steps if planned else (0, 0)
        self._first = max(first, start_step + 1) if planned else None
        self._last = max(first, start_step + 1) + count - 1

    def before(self, step: int, last: object) -> None:
        """Begins or ends the trace before `step`; to end, it waits for `last`, arrays of the step before."""
        if self._running and step > self._last:
            jax.block_until_ready(last)
            self.stop()
        if step == self._first:
            jax.profiler.start_trace(str(self._folder))
            self._running = True

    def stop(self) -> None:
        """Ends and writes the trace, if it runs."""
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
            logging.info("traced steps up to %d, see %s", self._last, self._folder)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
