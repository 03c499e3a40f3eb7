"""The models that are evaluated: from a run or an export, for the data of a config where one is given, or untrained."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from etils import epath
from flax import nnx

from mmae_jax import parallel
from mmae_jax.contract import warn_once
from mmae_jax.models.params import HEADS, abstract_model, by_path, from_paths
from mmae_jax.pretrained import Pretrained
from mmae_jax.spec import PHASES, Experiment, Mesh, SpecError
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.source import Weights, open_weights, taken_over
from mmae_jax.weights.transfer import check_transfer
from mmae_jax.weights.transfer.load_report import DRAWN


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A model that is evaluated.

    Attributes:
      model: the model, in the experiment whose data it is evaluated on.
      where: from where its weights are.
      phase: phase of the run that trained it; None where that is not known.
      trained_heads: names of the targets whose heads were trained.
    """

    model: Pretrained
    where: str
    phase: str | None
    trained_heads: tuple[str, ...]

    def untrained(self) -> Candidate:
        """Returns the same network with the weights with which training begins."""
        experiment = self.model.experiment
        mesh = _mesh()
        return Candidate(Pretrained(experiment, new_params(experiment, mesh), mesh), "untrained", None, ())


def open_candidate(
    path: epath.PathLike, phase: str | None, averaged: bool | None, config: Experiment | None
) -> Candidate:
    """Opens a trained model.

    Args:
      path: workdir of a run, or exported weights.
      phase: of a run; the last finished one if None.
      averaged: of a run: its moving average; as it was scored if None.
      config: experiment whose data, inputs and targets count; that of the model if None. The network stays the model's.

    Raises:
      SpecError: nothing can be read there, or the model does not fit the inputs of `config`.
    """
    weights = open_weights(path, phase, averaged=averaged)
    mesh, trained = _mesh(), weights.experiment
    found = weights.where.parent.name if weights.where.parent.name in PHASES else None
    if config is None:
        model = Pretrained(_known(weights), weights.on(mesh), mesh)
        return Candidate(model, str(path), found, _trained(found, model.experiment.targets))
    experiment = config
    if trained is None:
        warn_once(f"{weights.where}: does not say what its weights were trained on: it is taken to be --config's")
    else:
        network = dataclasses.replace(trained.model, ref_input=config.model.ref_input)
        experiment = dataclasses.replace(config, model=network)
        check_transfer(experiment, trained, weights.where)
    params, report = taken_over(weights, experiment, mesh)
    drawn = {
        row.parameter.split(".")[1] for row in report.rows if row.action == DRAWN and row.parameter.startswith(HEADS)
    }
    heads = tuple(name for name in experiment.targets if name not in drawn)
    return Candidate(Pretrained(experiment, params, mesh), str(path), found, _trained(found, heads))


def with_new_heads(candidate: Candidate, experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns the parameters of an experiment with the candidate's encoder, and heads as they are drawn."""
    new = by_path(new_params(experiment, mesh))
    encoder = by_path(candidate.model.params)
    # copies, as training takes over what it starts from
    placed = {
        path: leaf if path[0] == HEADS else jax.device_put(np.asarray(encoder[path]), leaf.sharding)
        for path, leaf in new.items()
    }
    return from_paths(placed, abstract_model(experiment)[1])


def _known(weights: Weights) -> Experiment:
    if weights.experiment is None:
        raise SpecError(f"{weights.where}: does not say for which experiment its weights are; say it: --config=FILE")
    return weights.experiment


def _trained(phase: str | None, heads: tuple[str, ...]) -> tuple[str, ...]:
    return () if phase == "pretrain" else heads


def _mesh() -> jax.sharding.Mesh:
    return parallel.make_mesh(Mesh(), jax.local_devices())
