"""Trains the trials of a sweep, one process after the other; several of these share the work.

The folder of the sweep is all that they share: a trial that another one trains is passed over, one whose process was
killed is taken up where it stopped. On a cluster, each task of a job array runs the same command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from absl import logging
from etils import epath

from mmae_jax.exit_codes import DONE, INTERRUPTED, PREEMPTED, USAGE
from mmae_jax.formats import begun_otherwise
from mmae_jax.launch import child
from mmae_jax.launch.run_folder import seconds_taken, why_ended
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown
from mmae_jax.sweep.trial import FAILED, FINISHED, STOPPED, Monitor, Outcome, Trial
from mmae_jax.train.exclusive import InUseError, exclusive
from mmae_jax.weights.result import read_result

FORMAT_VERSION = 1
SWEEP_FILE = "sweep.json"
POLL_SECONDS = 0.5
LEAST_OTHERS = 3
"""A trial is held against the others once so many have come as far."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is searched, where, and how.

    Attributes:
      folder: of the sweep.
      arguments: those of `train`, but for the workdir and the fields that are varied.
      trials: the trials.
      monitor: by which number they are compared.
      prune: epochs of the last phase after which a trial ends that is worse than the median of the others; None for
        never.
    """

    folder: Path
    arguments: Sequence[str]
    trials: Sequence[Trial]
    monitor: Monitor
    prune: int | None

    def begin(self, description: dict[str, object]) -> None:
        """Writes what the sweep is, or checks that it is the one that was begun; further trials may have come.

        Raises:
          SpecError: another sweep was begun in the folder; names what differs.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = epath.Path(self.folder / SWEEP_FILE)
        if (other := begun_otherwise(file, FORMAT_VERSION, description)) is not None:
            before, now = _difference(*other[1:])
            raise SpecError(
                f"{self.folder}: another sweep was begun here, with {other[0]} {shown(before)}, "
                f"found {shown(now)}; choose another --workdir"
            )

    def go(self, done: Callable[[Trial, Outcome], None]) -> int:
        """Trains all trials that are not done and that nobody else trains.

        Args:
          done: called with each trial that ended.

        Returns:
          How many trials others still train.

        Raises:
          Preempted: told to end; the trial at work has saved its state.
        """
        elsewhere = 0
        for trial in self.trials:
            if trial.outcome() is not None:
                continue
            try:
                with exclusive(epath.Path(trial.folder)):
                    outcome = trial.outcome() or self._train(trial)
                    done(trial, outcome)
            except InUseError:
                elsewhere += 1
        return elsewhere

    def _train(self, trial: Trial) -> Outcome:
        """Trains a trial to its end, keeps how it ended, and returns that."""
        command = [*self.arguments, f"--workdir={trial.run}", *trial.overrides]
        with exclusive(epath.Path(trial.run)):
            pass  # of a sweep that was killed, the run may still be at work
        begun, stopped = time.monotonic(), False
        with trial.lines.open("ab") as lines, _running(["train", *command], lines) as (process, told):
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
                if not stopped and not told and self._is_behind(trial):
                    stopped = True
                    process.send_signal(signal.SIGTERM)
        seconds = seconds_taken(trial.folder, time.monotonic() - begun)
        if told or (process.returncode in (PREEMPTED, INTERRUPTED) and not stopped):
            raise child.preempted(told, f"trial {trial.number} was told to end; the same command continues the sweep")
        outcome = self._outcome(trial, process.returncode, seconds, stopped=stopped)
        trial.end(outcome)
        return outcome

    def _outcome(self, trial: Trial, code: int, seconds: float, *, stopped: bool) -> Outcome:
        curve = self.monitor.curve(trial.run)
        best, epoch = self.monitor.best(list(curve.values())), max(curve, default=0)
        result = read_result(trial.run, self.monitor.phase)
        if code == DONE and result is not None:
            scores = {split: numbers.get(self.monitor.name) for split, numbers in result.scores.items()}
            return Outcome(FINISHED, scores.get("val"), scores.get("test"), epoch, seconds)
        if stopped:
            return Outcome(STOPPED, best, None, epoch, seconds)
        why = why_ended(code, trial.lines)
        if code == USAGE:
            raise SpecError(f"trial {trial.number}: {why}")
        return Outcome(FAILED, best, None, epoch, seconds, why)

    def _is_behind(self, trial: Trial) -> bool:
        """Whether the best score of a trial is worse than the median of those of the others after as many epochs."""
        if self.prune is None:
            return False
        curve = self.monitor.curve(trial.run)
        epoch = max(curve, default=0)
        if epoch < self.prune:
            return False
        others = [self._best(other, epoch) for other in self.trials if other.number != trial.number]
        reached = [score for score in others if score is not None]
        best = self.monitor.best(list(curve.values()))
        if len(reached) < LEAST_OTHERS or best is None:
            return False
        return self.monitor.sign * best < self.monitor.sign * statistics.median(reached)

    def _best(self, trial: Trial, epoch: int) -> float | None:
        """Returns the best score of a trial until an epoch; None where it has not come that far."""
        curve = self.monitor.curve(trial.run)
        if max(curve, default=0) < epoch:
            return None
        return self.monitor.best([score for at, score in curve.items() if at <= epoch])


@contextlib.contextmanager
def _running(arguments: Sequence[str], lines: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Runs a command of this program; signals to this process are noted, and passed on."""
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int) -> None:
        if process is not None and process.poll() is None:
            process.send_signal(number)

    with child.passing_on(pass_on) as told:
        process = child.start(arguments, lines)
        try:
            if told:
                process.send_signal(told[0])
            yield process, told
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _difference(before: object, now: object) -> tuple[object, object]:
    """Returns what differs: of lists and mappings, the first items that do."""
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(name for name in {**before, **now} if before.get(name) != now.get(name))
        return _difference(before.get(name), now.get(name))
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return next(_difference(*pair) for pair in zip(before, now, strict=True) if pair[0] != pair[1])
    return before, now


def announce(trial: Trial, outcome: Outcome, monitor: Monitor) -> None:
    """Says in one line how a trial ended."""
    values = " ".join(f"{name}={value}" for name, value in trial.values.items())
    score = "" if outcome.score is None else f" {monitor.name}={outcome.score:.4g}"
    logging.info(
        "trial %d (%s): %s%s%s", trial.number, values, outcome.state, score, f": {outcome.why}" * bool(outcome.why)
    )
