"""Checkpoints of one phase: asynchronous, atomic, and enough to open them alone (docs/design.md, decision 9)."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from typing import Any, Self, TypeVar

import jax
import orbax.checkpoint.experimental.v1 as ocp
from etils import epath
from flax import nnx

from mmae_jax import config, parallel
from mmae_jax.contract import SHARDS, differences
from mmae_jax.formats import VERSION_KEY, sealed
from mmae_jax.models.params import abstract_model, named, unnamed
from mmae_jax.spec import Experiment
from mmae_jax.weights import folder
from mmae_jax.weights.checksums import checksums
from mmae_jax.weights.folder import CheckpointError
from mmae_jax.weights.progress import Progress

policies = ocp.training.preservation_policies

PACKAGES = ("mmae_jax", "jax", "flax", "optax", "orbax-checkpoint", "grain")
LISTED = 25
"""Parameters that a message lists."""
T = TypeVar("T")


class Checkpoints:
    """The checkpoints of one phase, by step; a context manager that ends with everything written."""

    def __init__(
        self, directory: epath.PathLike, experiment: Experiment, phase: str, shards: str | None = None
    ) -> None:
        """Opens or begins `directory`; one without a complete checkpoint is begun anew.

        Args:
          directory: the folder.
          experiment: what the checkpoints are of.
          phase: its phase.
          shards: what tells the shards that are read from others (`Shards.identity`).

        Raises:
          CheckpointError: it holds checkpoints of another experiment; the message names the fields.
        """
        self.directory, self._allow, self._shards = folder.absolute(directory), experiment.data.allow, shards
        if folder.steps(self.directory):
            folder.check_same_experiment(self.directory, experiment, phase, trains=True)
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
            custom_metadata=sealed(
                {
                    VERSION_KEY: folder.FORMAT_VERSION,
                    "experiment": config.to_plain(experiment),
                    "phase": phase,
                    "versions": _versions(),
                }
            ),
            cleanup_tmp_directories=True,
        )
        self._saving: ocp.AsyncResponse[bool] | None = None
        self._read: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with folder.naming(self.directory, "cannot be written"):
            try:
                self._await()
            finally:
                self._checkpointer.close()

    @property
    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint; None where there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def progress(self, step: int) -> Progress:
        """Returns the progress stored with the checkpoint of `step`."""
        with folder.reading(self.directory / str(step)):
            return Progress(**self._metadata(step)["progress"])

    def check_shards(self, step: int) -> None:
        """Raises a `CheckpointError` if the run read other shards until `step` than it would from there on."""
        before = self._metadata(step).get("shards")
        if None not in (before, self._shards) and before != self._shards and SHARDS not in self._allow:
            raise CheckpointError(
                f"{self.directory / str(step)}: trained on other shards than data.dir holds now; restore them, choose "
                f"another workdir, or accept it: --config.data.allow=\"('{SHARDS}',)\""
            )

    def save(self, step: int, state: Any, progress: Progress, *, again: bool = False) -> None:
        """Starts saving `state` (waits for the previous save); it is picked up once it is complete.

        Args:
          step: steps done.
          state: the tree of arrays to save; may be donated once this returns.
          progress: stored with it.
          again: replace the checkpoint of `step`.

        Raises:
          CheckpointError: this or the previous save fails; complete checkpoints stay.
        """
        metrics = {"monitor": progress.best} if progress.best_step == step else None
        leaves = named(state)
        metadata = {
            VERSION_KEY: folder.FORMAT_VERSION,
            "progress": dataclasses.asdict(progress),
            # A continued run may accept more than the one that began: each checkpoint tells what its own run did.
            "allow": list(self._allow),
            "shards": self._shards,
            "checksums": checksums(leaves),
        }
        with folder.naming(self.directory, "cannot be written"):
            self._await()
            self._read.pop(step, None)
            options = {"metrics": metrics, "custom_metadata": sealed(metadata), "overwrite": again}
            self._saving = self._checkpointer.save_async(step, leaves, **options)

    def wait(self) -> None:
        """Returns when everything is written; raises as `save`."""
        with folder.naming(self.directory, "cannot be written"):
            self._await()

    def _await(self) -> None:
        """Waits for the save that was begun, and frees the thread and descriptors that its response holds."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def restore(self, step: int, like: T) -> T:
        """Returns the state of `step`.

        Args:
          step: a complete checkpoint.
          like: the state as shapes, dtypes and shardings; each leaf is read where it stays.

        Raises:
          CheckpointError: it is damaged, or a newer version of mmae_jax wrote it.
        """
        names, metadata, path = named(like), self._metadata(step), self.directory / str(step)
        stored = {name: _name_in(metadata[VERSION_KEY], name) for name in names}
        with folder.reading(path):
            leaves = self._checkpointer.load(step, {stored[name]: leaf for name, leaf in names.items()})
        folder.check_leaves(leaves, metadata, path)
        return unnamed({name: leaves[stored[name]] for name in names}, like)

    def _metadata(self, step: int) -> dict[str, Any]:
        """Returns what was stored about a checkpoint; it is read once."""
        if step not in self._read:
            path = self.directory / str(step)
            with folder.reading(path):
                self._read[step] = folder.checked(self._checkpointer.metadata(step).custom_metadata, path)
        return self._read[step]


@functools.cache
def _versions() -> dict[str, str]:
    """Returns what is installed; looking it up takes some milliseconds a package."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _name_in(version: int, name: str) -> str:
    """Returns how a leaf of the state is called in a checkpoint of a format version."""
    return name.replace("opt_state.", "moments.", 1) if version == 0 and name.startswith("opt_state.") else name


def load_params(
    directory: epath.PathLike, step: int, experiment: Experiment, mesh: jax.sharding.Mesh, *, averaged: bool
) -> nnx.State:
    """Returns the parameters of one checkpoint, without the state of the optimiser.

    Args:
      directory: checkpoints of a phase.
      step: the step of the checkpoint.
      experiment: what the parameters belong to.
      mesh: the mesh over whose devices they are spread.
      averaged: take the moving average of what the phase trained.

    Raises:
      CheckpointError: it is damaged, holds other parameters than those of `experiment`, or a newer version of mmae_jax
        wrote it.
    """
    abstract = abstract_model(experiment)[1]
    sharding = parallel.shardings(abstract, mesh)
    abstract = jax.tree.map(lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s), abstract, sharding)
    path = folder.absolute(directory) / str(step)
    names = named(abstract)
    with folder.reading(path):
        metadata = ocp.metadata(path)
        said = folder.checked(metadata.custom_metadata, path)
        stored = metadata.metadata
        if "checksums" in said and (lost := set(said["checksums"]) - set(stored)):
            raise ValueError(f"{min(lost)} is not there")
        source = {name: f"ema.{name}" if averaged and f"ema.{name}" in stored else f"params.{name}" for name in names}
        found = {
            name.removeprefix("params."): leaf.shape for name, leaf in stored.items() if name.startswith("params.")
        }
        lines = differences({name: leaf.shape for name, leaf in names.items()}, found)
        if lines:
            more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
            raise CheckpointError("\n  ".join([f"{path}: holds parameters of another model", *lines[:LISTED], *more]))
        context = ocp.Context()
        context.pytree.loading.partial_load = True
        with context:
            leaves = ocp.load(path, {source[name]: leaf for name, leaf in names.items()})
    folder.check_leaves(leaves, said, path)
    return unnamed({name: leaves[source[name]] for name in names}, abstract)
