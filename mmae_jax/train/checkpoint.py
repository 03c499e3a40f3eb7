"""Checkpoints of one phase: asynchronous, atomic, and enough to open them alone (ARCHITECTURE, decision 9)."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
from typing import Any, Self

import jax
import orbax.checkpoint.experimental.v1 as ocp
from etils import epath
from flax import nnx

from mmae_jax import config, parallel
from mmae_jax.contract import differences
from mmae_jax.models.params import abstract_model
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.train.state import Program, TrainState, abstract_state, named, unnamed

policies = ocp.training.preservation_policies

# What may change between an interrupted run and its continuation: it moves or watches the computation, not more.
FREE_FIELDS = ("data.dir", "data.workers", "data.prefetch", "mesh", "logging", "phases")
PACKAGES = ("mmae_jax", "jax", "flax", "optax", "orbax-checkpoint", "grain")


@dataclasses.dataclass(frozen=True)
class Progress:
    """What decides about the best checkpoint and early stopping.

    Attributes:
      best: best value of the monitored metric so far.
      best_step: step of the checkpoint with that value.
      epochs_without_improvement: epochs evaluated since then.
    """

    best: float | None = None
    best_step: int | None = None
    epochs_without_improvement: int = 0

    def after(self, value: float, step: int) -> Progress:
        """Returns the progress after an epoch whose monitored metric is `value`; NaN is no improvement."""
        if not math.isnan(value) and (self.best is None or value > self.best):
            return Progress(value, step, 0)
        return dataclasses.replace(self, epochs_without_improvement=self.epochs_without_improvement + 1)


class Checkpoints:
    """The checkpoints of one phase, by step; a context manager that ends with everything written."""

    def __init__(self, directory: epath.PathLike, experiment: Experiment, phase: str) -> None:
        """Opens or begins `directory`.

        Raises:
          SpecError: it holds checkpoints of another experiment; the message names the fields.
        """
        self.directory = epath.Path(directory)
        self._experiment = experiment
        monitored = experiment.phase(phase).monitor is not None
        latest = policies.LatestN(experiment.logging.keep_checkpoints)
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics["monitor"], n=1, keep_checkpoints_without_metrics=False
        )
        self._checkpointer = ocp.training.Checkpointer(
            self.directory,
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy([latest, best] if monitored else [latest]),
            custom_metadata={
                "experiment": config.to_plain(experiment),
                "phase": phase,
                "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
            },
            cleanup_tmp_directories=True,
        )
        self._check_same_experiment(phase)

    def _check_same_experiment(self, phase: str) -> None:
        stored = self._checkpointer.root_metadata().custom_metadata["experiment"]
        others = tuple(name for name in ("pretrain", "probe", "finetune") if name != phase)
        lines = [
            line
            for line in differences(stored, config.to_plain(self._experiment))
            if not line.startswith((*FREE_FIELDS, *others))
        ]
        if lines:
            raise SpecError(
                f"{self.directory}: holds checkpoints of another experiment, choose another workdir\n  "
                + "\n  ".join(lines)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpointer.close()

    @property
    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint; None where there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def progress(self, step: int) -> Progress:
        """Returns the progress stored with the checkpoint of `step`."""
        return Progress(**self._checkpointer.metadata(step).custom_metadata["progress"])

    def save(self, step: int, state: TrainState, progress: Progress) -> None:
        """Starts saving `state` (waits for the previous save); it is picked up once it is complete."""
        metrics = {"monitor": progress.best} if progress.best_step == step else None
        self._checkpointer.save_async(
            step, named(state), metrics=metrics, custom_metadata={"progress": dataclasses.asdict(progress)}
        )

    def wait(self) -> None:
        """Returns when everything is written."""
        self._checkpointer.wait()

    def restore(self, step: int, program: Program, mesh: jax.sharding.Mesh) -> TrainState:
        """Returns the state of `step`, each leaf read where it stays on `mesh`."""
        abstract = abstract_state(program, mesh)
        return unnamed(self._checkpointer.load(step, named(abstract)), abstract)


def open_experiment(directory: epath.PathLike) -> Experiment:
    """Returns the experiment whose checkpoints are in `directory` (of a phase).

    Raises:
      SpecError: there are none.
    """
    directory = epath.Path(directory)
    if not directory.exists():
        raise SpecError(f"{directory}: no checkpoints there")
    with ocp.training.Checkpointer(directory) as checkpointer:
        stored: Any = checkpointer.root_metadata().custom_metadata
    if not stored or "experiment" not in stored:
        raise SpecError(f"{directory}: no checkpoints of mmae_jax there")
    return config.experiment_from_config(stored["experiment"])


def load_params(
    directory: epath.PathLike, step: int, experiment: Experiment, mesh: jax.sharding.Mesh, *, averaged: bool
) -> nnx.State:
    """Returns the parameters of one checkpoint, without optimiser state.

    Args:
      directory: checkpoints of a phase.
      step: which one.
      experiment: what they belong to.
      mesh: where they will stay.
      averaged: take the moving average of what the phase trained.
    """
    abstract = abstract_model(experiment)[1]
    sharding = parallel.shardings(abstract, mesh)
    abstract = jax.tree.map(lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s), abstract, sharding)
    path = epath.Path(directory) / str(step)
    names = named(abstract)
    stored = ocp.metadata(path).metadata
    source = {name: f"ema.{name}" if averaged and f"ema.{name}" in stored else f"params.{name}" for name in names}
    context = ocp.Context()
    context.pytree.loading.partial_load = True
    with context:
        leaves = ocp.load(path, {source[name]: leaf for name, leaf in names.items()})
    return unnamed({name: leaves[source[name]] for name in names}, abstract)
