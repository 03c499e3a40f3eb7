"""The paper's probe: the trainer's own phase `probe`, on the frozen encoder of any model (docs/method.md §8)."""

from __future__ import annotations

import dataclasses
import functools

from absl import logging
from etils import epath

from mmae_jax import parallel
from mmae_jax.config import to_plain
from mmae_jax.data.shards import open_shards
from mmae_jax.evaluate.candidate import Candidate, open_candidate, with_new_heads
from mmae_jax.evaluate.samples import Reading
from mmae_jax.formats import seal_of
from mmae_jax.spec import Experiment
from mmae_jax.train.exclusive import exclusive
from mmae_jax.train.loop import finished_phases
from mmae_jax.train.phase import PhaseRun

PHASE = "probe"
CHECKPOINTS = 5
"""So often a probe is evaluated and saved: after every epoch, that would take longer than training it."""


def probed(candidate: Candidate, reading: Reading, fraction: float, seed: int) -> Candidate:
    """Trains attentive heads on a frozen encoder, and returns the model with them.

    What was trained before is taken from the folder of what is kept; what was interrupted goes on.

    Args:
      candidate: the model; how its heads are trained is its experiment's `probe`.
      reading: gives shards and targets.
      fraction: share of the labels that is learnt from.
      seed: of the draws in training.

    Raises:
      SpecError: the shards do not fit.
      DivergedError: the loss is not finite.
      Preempted: told to end; what was trained is saved.
    """
    experiment = _experiment(candidate.model.experiment, reading, fraction, seed)
    folder = epath.Path(reading.cache) / f"attentive-{candidate.model.digest}-{_name(experiment)}"
    shards, mesh = open_shards(experiment), parallel.make_mesh(experiment.mesh)
    shards.check_phase(PHASE)
    with exclusive(folder):
        if PHASE not in finished_phases(folder):
            logging.info("attentive: heads of %s are trained in %s", candidate.where, folder)
            begin = functools.partial(with_new_heads, candidate, experiment, mesh)
            PhaseRun(experiment, PHASE, shards, folder, mesh).run(begin)
    return dataclasses.replace(open_candidate(folder, PHASE, None, None), where=candidate.where)


def _experiment(trained: Experiment, reading: Reading, fraction: float, seed: int) -> Experiment:
    # The last epoch counts: evaluations between are only where an interrupted probe goes on.
    every = max(1, trained.probe.epochs // CHECKPOINTS)
    phase = dataclasses.replace(
        trained.probe, label_fraction=fraction, monitor=None, patience=None, evaluate_every=every
    )
    return dataclasses.replace(
        trained,
        seed=seed,
        targets=reading.targets,
        data=dataclasses.replace(trained.data, dir=reading.shards, workers=reading.workers),
        model=dataclasses.replace(trained.model, head="attentive"),
        phases=(PHASE,),
        probe=phase,
        init_from=None,
    )


def _name(experiment: Experiment) -> str:
    return seal_of(to_plain(experiment))[:12]
