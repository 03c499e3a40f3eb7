"""Finished phases that an experiment trains for more epochs than before."""

from __future__ import annotations

from collections.abc import Iterable

import jax
from absl import logging
from etils import epath

from mmae_jax.data.pipeline import steps_per_epoch
from mmae_jax.data.shards import Shards
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.weights.folder import open_experiment
from mmae_jax.weights.folder import steps as steps_of
from mmae_jax.weights.result import RESULT_FILE


def trained_longer(
    experiment: Experiment, workdir: epath.Path, finished: Iterable[str], shards: Shards
) -> tuple[str, ...]:
    """Returns the finished phases that go on: those with fewer epochs than `experiment` asks for.

    Raises:
      SpecError: another phase has begun from what such a phase came to.
    """
    going_on = []
    for phase in (phase for phase in experiment.phases if phase in finished):
        settings, checkpoints = experiment.phase(phase), workdir / phase / "checkpoints"
        before = open_experiment(checkpoints).phase(phase).epochs
        steps = settings.epochs * steps_per_epoch(shards.num_samples(settings.train_splits), settings.batch_size)
        last = max(steps_of(checkpoints))
        if settings.epochs <= before or last >= steps:
            continue
        later = [other for other in PHASES[PHASES.index(phase) + 1 :] if other in finished]
        if later:
            raise SpecError(
                f"{phase}.epochs: expected {before}, as {later[0]} in {workdir} began from them, "
                f"found {settings.epochs}; choose another workdir"
            )
        logging.info("%s: finished after %d of now %d steps, goes on; its learning rate, too", phase, last, steps)
        going_on.append(phase)
    return tuple(going_on)


def reopen(workdir: epath.Path, phases: Iterable[str]) -> None:
    """Takes back that `phases` are finished."""
    if jax.process_index() == 0:
        for phase in phases:
            (workdir / phase / RESULT_FILE).unlink(missing_ok=True)
