"""What a phase has open while it runs in this process, and when it saves and ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn, Self

import jax
import numpy as np
from absl import logging
from etils import epath

from mmae_jax.launch.signals import Signals, any_process
from mmae_jax.train.monitor.goodput import Goodput
from mmae_jax.train.monitor.log import RunLog
from mmae_jax.train.monitor.meter import Meter
from mmae_jax.train.state import Program, TrainState
from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.progress import Progress

Answer = np.ndarray | jax.Array


class EvaluationStopped(Exception):  # noqa: N818 (no error)
    """The run was told to end while it evaluated."""


class Wishes(NamedTuple):
    """What at least one process wants: to end, or to save and go on."""

    stop: bool = False
    save: bool = False

    @classmethod
    def of(cls, answer: Answer) -> Wishes:
        """Returns the answer to `Session.wishes`."""
        return cls(*(bool(wish) for wish in np.asarray(answer)))


class Pending(NamedTuple):
    """A step that the devices may not have done yet: its number, its scalars, and the answer to `Session.wishes`."""

    step: int
    scalars: dict[str, jax.Array]
    wishes: Answer


class Session:
    """One phase in one process; a context manager that ends with everything written.

    Attributes:
      checkpoints: the phase's checkpoints.
      meter: measures its steps.
      signals: the signals that tell it to end.
      log, goodput: what is written of it and how its time is spent; there from `begin` on.
    """

    def __init__(
        self, program: Program, workdir: epath.Path, mesh: jax.sharding.Mesh, shards: str | None = None
    ) -> None:
        self.program, self.workdir, self.mesh = program, workdir, mesh
        self.signals = Signals()
        folder = workdir / program.phase / "checkpoints"
        self.checkpoints = Checkpoints(folder, program.experiment, program.phase, shards)
        self.meter = Meter.of(program, mesh)
        self._stack = contextlib.ExitStack()
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.signals)
        self._stack.enter_context(self.checkpoints)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def begin(self, step: int) -> None:
        """Opens log and account of a session that begins after `step`."""
        phase, writes = self.program.phase, jax.process_index() == 0
        epochs = self.program.experiment.phase(phase).epochs
        options = {"start_step": step, "total_steps": self.program.total_steps, "epochs": epochs}
        self.log = self._stack.enter_context(RunLog(self.workdir, phase, enabled=writes, **options))
        machine = {"device": self.mesh.devices.flat[0].device_kind, "devices": self.mesh.size}
        self.goodput = Goodput(self.workdir, phase, step, enabled=writes, machine=machine)
        if step:
            numbers = " ".join(f"{name}={value:.4g}" for name, value in self.goodput.scalars().items())
            logging.info("%s continues from step %d %s", phase, step, numbers)

    def wishes(self) -> Answer:
        """Asks all processes what they want; `Wishes.of` reads the answer."""
        minutes = self.program.experiment.logging.checkpoint_every_minutes
        due = minutes is not None and time.monotonic() - self._saved >= 60 * minutes
        return any_process(self.mesh, self._told_to_end, due)

    def save(self, step: int, state: TrainState, progress: Progress, *, again: bool = False) -> None:
        """Starts saving, see `Checkpoints.save`."""
        self.signals.something_to_save = True
        self.checkpoints.save(step, state, progress, again=again)
        self.goodput.record(step, self.meter.stepping)
        self._saved = time.monotonic()

    def evaluation_stop(self) -> Callable[[], None]:
        """Returns what to call after each batch of an evaluation: it raises once a process was told to end.

        Raises:
          EvaluationStopped: when called; in all processes after the same batch.
        """
        asked: list[Answer] = []

        def check() -> None:
            asked.append(any_process(self.mesh, self._told_to_end))
            # Of the batch before, so that devices are not waited for.
            if len(asked) > 1 and np.asarray(asked.pop(0))[0]:
                raise EvaluationStopped

        return check

    def end(self, step: int) -> NoReturn:
        """Ends the run, told to, once everything is written.

        Raises:
          Preempted: always.
        """
        self.checkpoints.wait()
        folder = self.checkpoints.directory / str(step)
        self.signals.end(f"{self.program.phase}, step {step}: told to end; saved {folder}, the same command goes on")

    def end_if_told(self, step: int) -> None:
        """Ends the run after its last step where a process was told to end since; see `end`."""
        if np.asarray(any_process(self.mesh, self._told_to_end))[0]:
            self.end(step)

    @property
    def _told_to_end(self) -> bool:
        return self.signals.received is not None
