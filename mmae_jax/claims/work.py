"""Does the runs of a claim, some at a time, each in a process of its own; what is finished is not done again."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

from absl import logging
from tqdm import tqdm

from mmae_jax.claims.run import Run
from mmae_jax.exit_codes import DONE, USAGE
from mmae_jax.launch import child
from mmae_jax.launch.run_folder import last_line, seconds_taken, why_ended
from mmae_jax.launch.signals import EXIT_CODES
from mmae_jax.spec import SpecError

POLL_SECONDS = 0.1
TOLD_TO_END = frozenset(EXIT_CODES.values())


@dataclasses.dataclass
class _Started:
    run: Run
    process: subprocess.Popen[bytes]
    lines: IO[bytes]
    begun: float


def watched(runs: Sequence[Run], title: str, processes: int, metric: Callable[[Run], str | None]) -> bool:
    """Does the runs that are not finished, under a bar; returns whether none failed.

    Args:
      runs: each behind the one from whose weights it starts.
      title: of the bar, and of the lines that tell of runs.
      processes: runs at a time.
      metric: the score of the test split that is told of a run; None for none.

    Raises:
      Preempted, SpecError: as `Work.do`.
    """
    with tqdm(total=len(runs), initial=sum(run.finished for run in runs), unit="run", desc=title) as bar:

        def done(run: Run) -> None:
            name = metric(run)
            score = None if name is None else run.score(name)
            with tqdm.external_write_mode():
                logging.info("%s: %s%s", title, run.name, "" if score is None else f": {name}={score:.4g}")
            bar.update(1)

        work = Work(processes, done)
        work.do(runs)
    for run, why in work.failed.items():
        logging.error("%s: %s: %s, see %s", title, run.name, why, run.lines)
    return not work.failed


class Work:
    """Runs that are done some at a time.

    Signals that tell this process to end are passed on: runs save their state, and the same command goes on from there.
    """

    def __init__(self, processes: int, done: Callable[[Run], None]) -> None:
        self.processes, self.done = processes, done
        self.failed: dict[Run, str] = {}
        self._started: list[_Started] = []
        self._told: list[int] = []

    def do(self, runs: Sequence[Run]) -> None:
        """Does the runs that are not finished; those that fail are in `failed`, with their last line.

        Raises:
          Preempted: told to end; the runs at work have saved their state.
          SpecError: a run cannot be started as it is described, so that none can.
        """
        waiting = [run for run in runs if not run.finished]
        with child.passing_on(self._pass_on) as self._told:
            try:
                while (waiting and not self._told) or self._started:
                    self._start(waiting)
                    time.sleep(POLL_SECONDS)
                    self._collect()
            finally:
                for started in self._started:
                    started.process.kill()
        if self._told:
            raise child.preempted(self._told, "told to end; the same command goes on")

    def _start(self, waiting: list[Run]) -> None:
        for run in list(waiting):
            if len(self._started) >= self.processes or self._told:
                return
            if run.after is not None and run.after in self.failed:
                self.failed[run] = f"{run.after.name}, from which it starts, failed"
            elif run.after is not None and not run.after.finished:
                continue
            else:
                self._started.append(_start(run))
            waiting.remove(run)

    def _collect(self) -> None:
        for started in list(self._started):
            if (code := started.process.poll()) is None:
                continue
            self._started.remove(started)
            started.lines.close()
            seconds_taken(started.run.folder, time.monotonic() - started.begun)
            if code == USAGE:
                raise SpecError(f"{started.run.name}: {last_line(started.run.lines)}")
            if code == DONE:
                self.done(started.run)
            elif code not in TOLD_TO_END or not self._told:
                self.failed[started.run] = why_ended(code, started.run.lines)

    def _pass_on(self, number: int) -> None:
        for started in self._started:
            started.process.send_signal(number)


def _start(run: Run) -> _Started:
    run.folder.mkdir(parents=True, exist_ok=True)
    lines = run.lines.open("ab")
    process = child.start(["train", *run.arguments, f"--workdir={run.workdir}"], lines)
    return _Started(run, process, lines, time.monotonic())
