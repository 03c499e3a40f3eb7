"""One phase of training: steps, epochs, evaluation, checkpoints, and the result at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
from absl import logging
from etils import epath
from flax import nnx

from mmae_jax import parallel, report
from mmae_jax.data.pipeline import steps_per_epoch, train_batches
from mmae_jax.data.shards import Shards
from mmae_jax.spec import Experiment
from mmae_jax.train.divergence import not_finite, stop_diverged
from mmae_jax.train.evaluation import evaluate
from mmae_jax.train.monitor import figures
from mmae_jax.train.monitor.health import embedding_health, warn_of_collapse
from mmae_jax.train.monitor.log import read_entries
from mmae_jax.train.monitor.trace import Trace
from mmae_jax.train.session import EvaluationStopped, Pending, Session, Wishes
from mmae_jax.train.state import Program, TrainState, abstract_state, begin_phase
from mmae_jax.train.step import train_step, update_ema
from mmae_jax.weights.progress import Progress
from mmae_jax.weights.result import Result, write_result

FIGURE_EPOCHS = 5


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

        Raises:
          DivergedError: a number of a step is not finite.
          Preempted: the run was told to end; what it did is saved.
        """
        with Session(self.program, self.workdir, self.mesh, self.shards.identity) as session:
            checkpoints = session.checkpoints
            step, progress = checkpoints.latest_step or 0, Progress()
            if step:
                checkpoints.check_shards(step)
                progress = checkpoints.progress(step)
                state = checkpoints.restore(step, abstract_state(self.program, self.mesh))
            else:
                state = begin_phase(self.program, initial_params(), self.mesh)
            session.begin(step)
            if progress.evaluation_due:
                progress = self._evaluate(state, dataclasses.replace(progress, evaluation_due=False), step, session)
                session.save(step, state, progress, again=True)
            state, progress, step = self.train(state, progress, step, session)
            self._finish(state, progress, step, session)
            if self.phase != self.experiment.phases[-1]:
                session.end_if_told(step)

    def train(
        self, state: TrainState, progress: Progress, step: int, session: Session
    ) -> tuple[TrainState, Progress, int]:
        """Trains from `step` to `program.total_steps`, or until patience ends, in a session that has begun.

        Returns:
          The state, progress and step it came to.

        Raises:
          DivergedError: a number of a step is not finite.
          Preempted: the run was told to end; what it did is saved.
        """
        if step < self.program.total_steps and jax.process_index() == 0:
            logging.info("%s: compiling the training step, once, about a minute; less where it is kept", self.phase)
        rows = parallel.process_rows(self.settings.batch_size, self.mesh)
        every, meter = self.experiment.logging.checkpoint_every_steps, session.meter
        pending: Pending | None = None
        with (
            train_batches(self.experiment, self.phase, self.shards, start_step=step, rows=rows) as batches,
            Trace(self.workdir, self.experiment.profile, step) as trace,
        ):
            while step < self.program.total_steps and not self._stopped(progress):
                trace.before(step + 1, state.step)
                with meter.waiting():
                    batch = parallel.to_devices(next(batches), self.mesh)
                state, scalars = train_step(self.program, state, batch)
                step += 1
                session.signals.something_to_save = True
                # Numbers of the previous step are read while the device works on this one.
                wishes = self._read(pending, state, session)
                pending = Pending(step, scalars, session.wishes())
                epoch_ends = step % self.steps_per_epoch == 0
                if epoch_ends or any(wishes) or step % every == 0:
                    stop = self._read(pending, state, session).stop or wishes.stop
                    pending = None
                    with meter.paused():
                        if epoch_ends:
                            state, progress = self._end_epoch(state, progress, step, session, evaluates=not stop)
                        if not epoch_ends or self._evaluated(step) or any(wishes) or stop or step % every == 0:
                            session.save(step, state, progress)
                        if stop:
                            session.end(step)
        return state, progress, step

    def _stopped(self, progress: Progress) -> bool:
        patience = self.settings.patience
        return patience is not None and progress.epochs_without_improvement >= patience

    def _read(self, pending: Pending | None, state: TrainState, session: Session) -> Wishes:
        """Waits for a step, logs its numbers, and returns what processes wanted then."""
        if pending is None:
            return Wishes()
        step, scalars, answer = jax.device_get(pending)
        scalars = {name: float(value) for name, value in scalars.items()}
        session.meter.step()
        session.log.progress(step)
        if problem := not_finite(scalars):
            stop_diverged(f"{self.phase}, step {step}: not finite: {problem}", state, session)
        if step % self.experiment.logging.every_steps == 0 or step == self.program.total_steps:
            session.log.scalars(step, self._epoch(step), "train", scalars, session.meter.read())
            session.goodput.record(step, session.meter.stepping)
        return Wishes.of(answer)

    def _evaluated(self, step: int) -> bool:
        """Whether the epoch that ends at `step` is evaluated, and kept."""
        return self._epoch(step) % self.settings.evaluate_every == 0 or step == self.program.total_steps

    def _epoch(self, step: int) -> int:
        return -(-step // self.steps_per_epoch)

    def _end_epoch(
        self, state: TrainState, progress: Progress, step: int, session: Session, *, evaluates: bool
    ) -> tuple[TrainState, Progress]:
        self.shards.check_unchanged()
        state = update_ema(self.program, state)
        if not self.evaluates or not self._evaluated(step):
            return state, progress
        if not evaluates:
            return state, dataclasses.replace(progress, evaluation_due=True)
        return state, self._evaluate(state, progress, step, session)

    def _evaluate(self, state: TrainState, progress: Progress, step: int, session: Session) -> Progress:
        """Evaluates after an epoch; told to end meanwhile, saves the state to be evaluated and ends."""
        between = session.evaluation_stop()
        try:
            scalars = evaluate(self.program, state, self.shards, "val", self.mesh, between=between).scalars()
        except EvaluationStopped:
            session.save(step, state, dataclasses.replace(progress, evaluation_due=True))
            session.end(step)
        epoch = self._epoch(step)
        health = {}
        if self.phase != "probe":  # which leaves the encoder as it is
            health = embedding_health(self.program, state, self.shards, "val", self.mesh)
            warn_of_collapse(health, f"{self.phase}, step {step}")
        session.log.scalars(step, epoch, "val", scalars | health)
        draws = self.phase == "pretrain" and self.experiment.logging.images
        if draws and epoch % max(1, self.settings.epochs // FIGURE_EPOCHS) == 0:
            self._reconstructions(state, session)
        if self.settings.monitor is not None:
            progress = progress.after(scalars[self.settings.monitor], step, self.settings.evaluate_every)
        return progress

    def _reconstructions(self, state: TrainState, session: Session) -> None:
        folder = self.workdir / "figures" / self.phase
        figures.write_reconstructions(self.program, state, self.shards, "val", self.mesh, session.log, folder)

    def _finish(self, state: TrainState, progress: Progress, step: int, session: Session) -> None:
        """Evaluates the best checkpoint (the last where nothing is monitored) and writes the result."""
        checkpoints = session.checkpoints
        chosen = step if progress.best_step is None else progress.best_step
        if chosen != step:
            checkpoints.wait()
            state = checkpoints.restore(chosen, abstract_state(self.program, self.mesh))
        between = session.evaluation_stop()
        try:
            evaluations = {
                split: evaluate(self.program, state, self.shards, split, self.mesh, between=between)
                for split in ("val", "test")
                if self.shards.has_samples(split)
            }
        except EvaluationStopped:
            session.end(step)
        checkpoints.wait()
        if jax.process_index() != 0:
            return
        folder = self.workdir / "figures" / self.phase
        if "test" in evaluations:
            session.log.scalars(step, self._epoch(step), "test", evaluations["test"].scalars())
        for evaluation in list(evaluations.values())[-1:]:  # of the test split, where there is one
            figures.write_scores(self.experiment, self.phase, evaluation, folder)
        report.save_png(report.training_curves(self.phase, read_entries(self.workdir), chosen), folder / "curves.png")
        session.log.scalars(step, self._epoch(step), "train", {}, session.goodput.scalars())
        averaged = self.phase == "finetune" and self.experiment.ema
        scores = {split: evaluation.scalars() for split, evaluation in evaluations.items()}
        write_result(self.workdir, Result(self.phase, chosen, averaged, scores))
