"""Weights are opened here, whatever holds them: the workdir of a run, an export, or a PyTorch file."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from etils import epath
from flax import nnx

from mmae_jax import parallel
from mmae_jax.contract import warn_once
from mmae_jax.exit_codes import meant
from mmae_jax.models.params import Path, abstract_model, by_path, from_paths
from mmae_jax.spec import FOUNDATION_MODELS, PHASES, Dataset, Experiment, Mesh, SpecError
from mmae_jax.weights import torch_names
from mmae_jax.weights.checkpoint import load_params
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.folder import open_experiment
from mmae_jax.weights.publishers import from_publisher, from_run, where_published
from mmae_jax.weights.result import read_result
from mmae_jax.weights.tensor_file import MODEL_FILE, SUFFIXES, WeightsError, check_numbers, read_tensors
from mmae_jax.weights.transfer import LoadReport, adapted, all_loaded, check_transfer, same_model


@dataclasses.dataclass(frozen=True)
class Weights:
    """Opened weights; the parameters themselves are placed when they are asked for.

    Attributes:
      where: the folder of checkpoints or the file they are read from.
      experiment: the experiment they were trained in; None where the file does not say.
    """

    where: epath.Path
    experiment: Experiment | None
    _load: Callable[[Experiment, jax.sharding.Mesh], nnx.State]
    _tensors: dict[str, np.ndarray] | None = None

    @property
    def contract(self) -> Dataset | None:
        """The sensor contract of the data they were trained on; None where the file does not say."""
        return None if self.experiment is None else self.experiment.dataset

    def on(self, mesh: jax.sharding.Mesh, experiment: Experiment | None = None) -> nnx.State:
        """Returns the parameters on `mesh`.

        Args:
          mesh: the mesh over whose devices they are spread.
          experiment: the experiment whose model they are for; by default the one they were trained in.

        Raises:
          SpecError: they do not match the model, the message lists what; or no experiment is known.
        """
        experiment = experiment or self.experiment
        if experiment is None:
            raise WeightsError(
                f"{self.where}: does not say for which experiment its weights are; export them from a run"
            )
        return self._load(experiment, mesh)

    def arrays(self) -> dict[Path, np.ndarray]:
        """Returns path → array of every parameter, for the experiment they were trained in; raises as `on`."""
        return {path: np.asarray(array) for path, array in by_path(self.on(parallel.make_mesh(Mesh()))).items()}

    def tensors(self) -> dict[str, np.ndarray]:
        """Returns PyTorch name → array, as they were trained; raises as `on`."""
        if self._tensors is not None:
            return self._tensors
        if self.experiment is None:
            raise WeightsError(f"{self.where}: does not say for which experiment its weights are; expected a run")
        return torch_names.to_state_dict(self.arrays(), self.experiment)


def open_weights(
    path: epath.PathLike, phase: str | None = None, step: int | None = None, averaged: bool | None = None
) -> Weights:
    """Opens the weights in `path`.

    That is the workdir of a run, an exported folder, a `.safetensors` file with PyTorch names, or a PyTorch file (extra
    `torch`) with the reference's state dict, bare or in a Lightning checkpoint.

    Args:
      path: folder or file.
      phase: the phase whose weights to take from a workdir; by default the last finished one.
      step: the step of the checkpoint of `phase` in a workdir; by default the one chosen when it finished.
      averaged: take from a workdir the moving average of what the phase trained; by default as it was scored, and
        no average where both `phase` and `step` are given.

    Raises:
      WeightsError: nothing can be read there.
      SpecError: checkpoints or file are damaged or of a newer version.
    """
    path = epath.Path(path)
    if not path.exists():
        raise WeightsError(f"{path} not found")
    if (path / MODEL_FILE).exists():
        path /= MODEL_FILE
    if path.suffix not in SUFFIXES:
        return _open_run(path, phase, step, averaged)
    choices = {"phase": phase, "step": step, "averaged": averaged or None}
    if chosen := [name for name, choice in choices.items() if choice is not None]:
        raise WeightsError(f"{path}: one set of weights; {', '.join(chosen)} can be chosen in a workdir only")
    tensors, experiment = read_tensors(path)
    check_numbers(tensors, path)
    return Weights(path, experiment, functools.partial(_from_tensors, tensors), tensors)


class Initial(NamedTuple):
    """Where a run starts.

    Attributes:
      params: all parameters of the model.
      report: what each was taken from.
    """

    params: nnx.State
    report: LoadReport


def load_initial(experiment: Experiment, mesh: jax.sharding.Mesh) -> Initial:
    """Returns the parameters in `init_from`, see `open_weights`, for the model of an experiment (docs/weights.md).

    Raises:
      SpecError: nothing can be read from there, a part of the model has no source, or weights mean something else.
    """
    assert experiment.init_from is not None, "asked for by the configuration"
    encoder = experiment.model.encoder
    try:
        weights = open_weights(experiment.init_from, averaged=False)
    except WeightsError as error:
        published = where_published(encoder)
        raise SpecError(f"init_from: {error}{published and '; '}{published}") from error
    if weights.experiment is None and encoder in FOUNDATION_MODELS:
        return published_initial(weights, experiment, mesh)
    if weights.experiment is None:
        warn_once(
            f"init_from: {weights.where} does not say what its weights were trained on: "
            "bands, units, scaling and dates are taken to be this experiment's"
        )
    else:
        check_transfer(experiment, weights.experiment, weights.where)
    try:
        return taken_over(weights, experiment, mesh)
    except WeightsError:
        raise
    except SpecError as error:
        raise SpecError(f"init_from: {error}") from error


def taken_over(weights: Weights, experiment: Experiment, mesh: jax.sharding.Mesh) -> Initial:
    """Returns weights as they are where the model is the same, else adapted to it and completed.

    Raises:
      SpecError: a part of the model has no source.
    """
    if weights.experiment is not None and experiment.model.encoder in FOUNDATION_MODELS:
        return _completed(*from_run(weights.arrays(), experiment, weights.where), experiment, mesh)
    if weights.experiment is not None and same_model(weights.experiment, experiment):
        return Initial(weights.on(mesh, experiment), all_loaded(experiment, weights.where))
    tensors, report = adapted(weights.tensors(), weights.experiment, experiment, weights.where)
    shapes = {path: leaf.shape for path, leaf in by_path(abstract_model(experiment)[1]).items()}
    return _completed(torch_names.parameters(tensors, shapes, experiment), report, experiment, mesh)


def published_initial(weights: Weights, experiment: Experiment, mesh: jax.sharding.Mesh) -> Initial:
    """Returns the weights of a foundation model's publisher, completed by what is new.

    Raises:
      SpecError: they are not those of the encoder; the message lists what differs.
    """
    try:
        return _completed(*from_publisher(weights.tensors(), experiment, weights.where), experiment, mesh)
    except SpecError as error:
        raise SpecError(f"init_from: {error}") from error


def _completed(
    loaded: dict[Path, np.ndarray], report: LoadReport, experiment: Experiment, mesh: jax.sharding.Mesh
) -> Initial:
    """Returns parameters on the mesh, those that are not loaded drawn."""
    abstract = abstract_model(experiment)[1]
    known = by_path(abstract)
    shardings = dict(by_path(parallel.shardings(abstract, mesh)))
    placed = jax.device_put(loaded, {path: shardings[path] for path in loaded})
    if len(loaded) < len(known):
        placed = by_path(new_params(experiment, mesh)) | placed
    return Initial(from_paths(placed, abstract), report)


def _open_run(workdir: epath.Path, phase: str | None, step: int | None, averaged: bool | None) -> Weights:
    if phase is not None and phase not in PHASES:
        raise WeightsError(f"{workdir}: no phase {phase!r}; expected one of {', '.join(PHASES)}{meant(phase, PHASES)}")
    if phase is None or step is None:
        phases = PHASES if phase is None else (phase,)
        result = next((found for name in reversed(phases) if (found := read_result(workdir, name)) is not None), None)
        if result is None:
            raise WeightsError(
                f"{workdir}: expected a finished phase ({' or '.join(phases)}), found none; "
                f"weights are also read from files that end in {', '.join(SUFFIXES)}"
            )
        phase, step = result.phase, result.step if step is None else step
        averaged = result.averaged if averaged is None else averaged
    checkpoints = workdir / phase / "checkpoints"
    load = functools.partial(load_params, checkpoints, step, averaged=bool(averaged))
    return Weights(checkpoints, open_experiment(checkpoints), load)


def _from_tensors(tensors: dict[str, np.ndarray], experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    _, abstract = abstract_model(experiment)
    shapes = {path: leaf.shape for path, leaf in by_path(abstract).items()}
    params = from_paths(torch_names.from_state_dict(tensors, shapes, experiment), abstract)
    return jax.device_put(params, parallel.shardings(abstract, mesh))
