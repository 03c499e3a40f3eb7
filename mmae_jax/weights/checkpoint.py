"""Checkpoints of one phase: asynchronous, atomic, and enough to open them alone (ARCHITECTURE, decision 9)."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import math
import os
from collections.abc import Iterator
from typing import Any, Self

import jax
import orbax.checkpoint.experimental.v1 as ocp
from etils import epath
from flax import nnx

from mmae_jax import config, parallel
from mmae_jax.contract import differences, refused
from mmae_jax.models.params import abstract_model
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.train.state import Program, TrainState, abstract_state, named, unnamed

policies = ocp.training.preservation_policies

# What may change between an interrupted run and its continuation: it moves or watches the computation, not more.
FREE_FIELDS = (
    *("data.dir", "data.workers", "data.prefetch", "data.allow"),
    *("model.remat", "mesh", "logging", "phases", "profile", "compilation_cache"),
)
PACKAGES = ("mmae_jax", "jax", "flax", "optax", "orbax-checkpoint", "grain")


class CheckpointError(SpecError):
    """A checkpoint cannot be written, read or used; the message names its folder."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What decides about the best checkpoint and early stopping.

    Attributes:
      best: best value of the monitored metric so far.
      best_step: step of the checkpoint with that value.
      epochs_without_improvement: epochs evaluated since then.
      evaluation_due: whether the epoch that ends here is still to be evaluated.
    """

    best: float | None = None
    best_step: int | None = None
    epochs_without_improvement: int = 0
    evaluation_due: bool = False

    def after(self, value: float, step: int) -> Progress:
        """Returns the progress after an epoch whose monitored metric is `value`; NaN is no improvement."""
        if not math.isnan(value) and (self.best is None or value > self.best):
            return Progress(value, step, 0)
        return dataclasses.replace(self, epochs_without_improvement=self.epochs_without_improvement + 1)


class Checkpoints:
    """The checkpoints of one phase, by step; a context manager that ends with everything written."""

    def __init__(self, directory: epath.PathLike, experiment: Experiment, phase: str) -> None:
        """Opens or begins `directory`; one without a complete checkpoint is begun anew.

        Raises:
          CheckpointError: it holds checkpoints of another experiment; the message names the fields.
        """
        self.directory, self._allow = _absolute(directory), experiment.data.allow
        if _has_steps(self.directory):
            check_same_experiment(self.directory, experiment, phase, trains=True)
        elif jax.process_index() == 0 and (self.directory / "metadata").exists():
            # It says whose checkpoints these are, and may be torn: Orbax writes it in place.
            (self.directory / "metadata").rmtree()
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _naming(self.directory, "cannot be written"):
            self._checkpointer.close()

    @property
    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint; None where there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def progress(self, step: int) -> Progress:
        """Returns the progress stored with the checkpoint of `step`."""
        with _reading(self.directory / str(step)):
            return Progress(**self._checkpointer.metadata(step).custom_metadata["progress"])

    def save(self, step: int, state: TrainState, progress: Progress, *, again: bool = False) -> None:
        """Starts saving `state` (waits for the previous save); it is picked up once it is complete.

        Args:
          step: steps done.
          state: what is saved; may be donated once this returns.
          progress: stored with it.
          again: replace the checkpoint of `step`.

        Raises:
          CheckpointError: this or the previous save fails; complete checkpoints stay.
        """
        metrics = {"monitor": progress.best} if progress.best_step == step else None
        # A continued run may accept more than the one that began: each checkpoint tells what its own run did.
        metadata = {"progress": dataclasses.asdict(progress), "allow": list(self._allow)}
        with _naming(self.directory, "cannot be written"):
            options = {"metrics": metrics, "custom_metadata": metadata, "overwrite": again}
            self._checkpointer.save_async(step, named(state), **options)

    def wait(self) -> None:
        """Returns when everything is written; raises as `save`."""
        with _naming(self.directory, "cannot be written"):
            self._checkpointer.wait()

    def restore(self, step: int, program: Program, mesh: jax.sharding.Mesh) -> TrainState:
        """Returns the state of `step`, each leaf read where it stays on `mesh`.

        Raises:
          CheckpointError: it is damaged.
        """
        abstract = abstract_state(program, mesh)
        with _reading(self.directory / str(step)):
            return unnamed(self._checkpointer.load(step, named(abstract)), abstract)


def check_same_experiment(directory: epath.PathLike, experiment: Experiment, phase: str, *, trains: bool) -> None:
    """Stops where checkpoints belong to another experiment, except in contract fields in `data.allow`.

    Args:
      directory: checkpoints of `phase`.
      experiment: what will use them.
      phase: theirs.
      trains: whether `experiment` trains this phase, so that the phase's own settings count, too.

    Raises:
      CheckpointError: the message names the fields and both values.
    """
    others = tuple(name for name in PHASES if name != phase or not trains)
    lines = [
        line
        for line in differences(config.to_plain(experiment), config.to_plain(open_experiment(directory)))
        if not line.startswith((*FREE_FIELDS, *(f"{name}." for name in others)))
    ]
    lines = refused(lines, experiment.data.allow, directory, prefix="dataset.")
    if lines:
        raise CheckpointError(
            f"{directory}: holds checkpoints of another experiment, choose another workdir\n  " + "\n  ".join(lines)
        )


def open_experiment(directory: epath.PathLike) -> Experiment:
    """Returns the experiment whose checkpoints are in `directory` (of a phase).

    Raises:
      CheckpointError: there are none, or what describes them is damaged.
    """
    directory = _absolute(directory)
    if not _has_steps(directory):
        raise CheckpointError(f"{directory}: no checkpoints there")
    with _reading(directory), ocp.training.Checkpointer(directory) as checkpointer:
        stored: Any = checkpointer.root_metadata().custom_metadata
    if not stored or "experiment" not in stored:
        raise CheckpointError(f"{directory}: no checkpoints of mmae_jax there")
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

    Raises:
      CheckpointError: it is damaged, or holds other parameters than those of `experiment`.
    """
    abstract = abstract_model(experiment)[1]
    sharding = parallel.shardings(abstract, mesh)
    abstract = jax.tree.map(lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s), abstract, sharding)
    path = _absolute(directory) / str(step)
    names = named(abstract)
    with _reading(path):
        stored = ocp.metadata(path).metadata
        source = {name: f"ema.{name}" if averaged and f"ema.{name}" in stored else f"params.{name}" for name in names}
        found = {
            name.removeprefix("params."): leaf.shape for name, leaf in stored.items() if name.startswith("params.")
        }
        lines = differences({name: leaf.shape for name, leaf in names.items()}, found)
        if lines:
            raise CheckpointError(f"{path}: holds parameters of another model\n  " + "\n  ".join(lines))
        context = ocp.Context()
        context.pytree.loading.partial_load = True
        with context:
            leaves = ocp.load(path, {source[name]: leaf for name, leaf in names.items()})
    return unnamed({name: leaves[source[name]] for name in names}, abstract)


def _absolute(path: epath.PathLike) -> epath.Path:
    """Orbax writes to no relative path."""
    path = epath.Path(path)
    return path if path.is_absolute() else epath.Path(os.getcwd()) / path


def _has_steps(directory: epath.Path) -> bool:
    return directory.is_dir() and any(path.name.isdigit() for path in directory.iterdir())


def _reading(path: epath.Path) -> contextlib.AbstractContextManager[None]:
    return _naming(path, "cannot be read, it is damaged or incomplete; delete it to go on from what is before it")


@contextlib.contextmanager
def _naming(path: epath.Path, problem: str) -> Iterator[None]:
    """Orbax and TensorStore raise what not, often without the folder, with where in their source after the reason."""
    try:
        yield
    except SpecError:
        raise
    except Exception as error:
        text = next(iter(str(error).splitlines()), "").partition(" [tensorstore_spec")[0].partition(" [source loc")[0]
        text = text if len(text) < 600 else f"{text[:300]} … {text[-300:]}"
        raise CheckpointError(f"{path}: {problem} ({type(error).__name__}: {text})") from error
