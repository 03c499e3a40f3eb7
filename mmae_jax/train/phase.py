"""One phase of training: steps, epochs, evaluation, checkpoints, and the result at the end."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from absl import logging
from etils import epath
from flax import nnx

from mmae_jax import parallel, report
from mmae_jax.data.pipeline import steps_per_epoch, train_batches
from mmae_jax.data.shards import Shards
from mmae_jax.evaluate import evaluate
from mmae_jax.spec import Experiment
from mmae_jax.train import figures
from mmae_jax.train.checkpoint import Checkpoints, Progress
from mmae_jax.train.log import RunLog, read_entries
from mmae_jax.train.meter import Meter
from mmae_jax.train.result import Result, write_result
from mmae_jax.train.state import Program, TrainState, begin_phase
from mmae_jax.train.step import train_step, update_average

FIGURE_EPOCHS = 5


class DivergedError(RuntimeError):
    """The loss is not finite; the message names phase, step, modality or target, and the last good checkpoint."""


class PhaseRun:
    """One phase of one experiment in one workdir."""

    def __init__(
        self, experiment: Experiment, phase: str, shards: Shards, workdir: epath.Path, mesh: jax.sharding.Mesh
    ) -> None:
        settings = experiment.phase(phase)
        self.experiment, self.phase, self.shards, self.workdir, self.mesh = experiment, phase, shards, workdir, mesh
        self.settings = settings
        self.steps_per_epoch = steps_per_epoch(shards.num_samples(settings.train_splits), settings.batch_size)
        self.program = Program(experiment, phase, settings.epochs * self.steps_per_epoch)
        self.evaluates = shards.has_samples("val")

    def run(self, initial_params: Callable[[], nnx.State]) -> None:
        """Trains to the end, then evaluates the chosen checkpoint and writes the result.

        Args:
          initial_params: makes the parameters the phase starts from, where it has no checkpoint yet.
        """
        with Checkpoints(self.workdir / self.phase / "checkpoints", self.experiment, self.phase) as checkpoints:
            step, progress = checkpoints.latest_step or 0, Progress()
            if step:
                progress = checkpoints.progress(step)
                state = checkpoints.restore(step, self.program, self.mesh)
                logging.info("%s continues from step %d", self.phase, step)
            else:
                state = begin_phase(self.program, initial_params(), self.mesh)
            options = {"start_step": step, "total_steps": self.program.total_steps}
            with RunLog(self.workdir, self.phase, enabled=jax.process_index() == 0, **options) as log:
                state, progress, step = self._train(state, progress, step, checkpoints, log)
                self._finish(state, progress, step, checkpoints, log)

    def _train(
        self, state: TrainState, progress: Progress, step: int, checkpoints: Checkpoints, log: RunLog
    ) -> tuple[TrainState, Progress, int]:
        rows = parallel.process_rows(self.settings.batch_size, self.mesh)
        pending = None
        meter = Meter(self.settings.batch_size)
        with train_batches(self.experiment, self.phase, self.shards, start_step=step, rows=rows) as batches:
            while step < self.program.total_steps and not self._stopped(progress):
                with meter.waiting():
                    batch = parallel.to_devices(next(batches), self.mesh)
                state, scalars = train_step(self.program, state, batch)
                step += 1
                # Numbers of the previous step are read while the device works on this one.
                self._log_step(pending, meter, log, checkpoints)
                pending = (step, scalars)
                epoch_ends = step % self.steps_per_epoch == 0
                if epoch_ends or step % self.experiment.logging.checkpoint_every_steps == 0:
                    self._log_step(pending, meter, log, checkpoints)
                    pending = None
                    if epoch_ends:
                        state, progress = self._end_epoch(state, progress, step, log)
                    checkpoints.save(step, state, progress)
                    meter.restart()
        return state, progress, step

    def _stopped(self, progress: Progress) -> bool:
        patience = self.settings.patience
        return patience is not None and progress.epochs_without_improvement >= patience

    def _log_step(
        self, pending: tuple[int, dict[str, jax.Array]] | None, meter: Meter, log: RunLog, checkpoints: Checkpoints
    ) -> None:
        if pending is None:
            return
        step, scalars = pending[0], {name: float(value) for name, value in pending[1].items()}
        meter.step()
        log.progress(step)
        self._check_finite(step, scalars, checkpoints)
        if step % self.experiment.logging.every_steps == 0 or step == self.program.total_steps:
            log.scalars(step, self._epoch(step), "train", scalars, meter.read())

    def _epoch(self, step: int) -> int:
        return -(-step // self.steps_per_epoch)

    def _check_finite(self, step: int, scalars: dict[str, float], checkpoints: Checkpoints) -> None:
        bad = [name.removeprefix("loss/") for name, value in scalars.items() if not np.isfinite(value)]
        if not bad:
            return
        checkpoints.wait()
        latest = checkpoints.latest_step
        before = (
            "no checkpoint before it" if latest is None else f"last checkpoint {checkpoints.directory / str(latest)}"
        )
        raise DivergedError(f"{self.phase}, step {step}: not finite: {', '.join(bad)}; {before}")

    def _end_epoch(self, state: TrainState, progress: Progress, step: int, log: RunLog) -> tuple[TrainState, Progress]:
        state = update_average(self.program, state)
        if not self.evaluates:
            return state, progress
        scalars = evaluate(self.program, state, self.shards, "val", self.mesh).scalars()
        epoch = self._epoch(step)
        log.scalars(step, epoch, "val", scalars)
        if self.phase == "pretrain" and epoch % max(1, self.settings.epochs // FIGURE_EPOCHS) == 0:
            self._reconstructions(state, log)
        if self.settings.monitor is not None:
            progress = progress.after(scalars[self.settings.monitor], step)
        return state, progress

    def _reconstructions(self, state: TrainState, log: RunLog) -> None:
        folder = self.workdir / "figures" / self.phase
        figures.write_reconstructions(self.program, state, self.shards, "val", self.mesh, log, folder)

    def _finish(self, state: TrainState, progress: Progress, step: int, checkpoints: Checkpoints, log: RunLog) -> None:
        """Evaluates the best checkpoint (the last where nothing is monitored) and writes the result."""
        chosen = step if progress.best_step is None else progress.best_step
        if chosen != step:
            checkpoints.wait()
            state = checkpoints.restore(chosen, self.program, self.mesh)
        evaluations = {
            split: evaluate(self.program, state, self.shards, split, self.mesh)
            for split in ("val", "test")
            if self.shards.has_samples(split)
        }
        checkpoints.wait()
        if jax.process_index() != 0:
            return
        folder = self.workdir / "figures" / self.phase
        if "test" in evaluations:
            log.scalars(step, self._epoch(step), "test", evaluations["test"].scalars())
            figures.write_scores(self.experiment, self.phase, evaluations["test"], folder)
        report.save_png(report.training_curves(self.phase, read_entries(self.workdir)), folder / "curves.png")
        averaged = self.phase == "finetune" and self.experiment.ema
        scores = {split: evaluation.scalars() for split, evaluation in evaluations.items()}
        write_result(self.workdir, Result(self.phase, chosen, averaged, scores))
