"""Runs the phases of an experiment, each from where it stopped."""

from __future__ import annotations

import functools

import jax
import numpy as np
from absl import logging
from etils import epath
from flax import nnx
from jax.experimental import multihost_utils

from mmae_jax import parallel
from mmae_jax.compilation_cache import kept_programs
from mmae_jax.contract import warn_once
from mmae_jax.data.shards import open_shards
from mmae_jax.data.shared_memory import check_shared_memory
from mmae_jax.data.value_check import check_first_values
from mmae_jax.formats import naming_folder
from mmae_jax.models.attention import NAMES, kernels_of
from mmae_jax.spec import PHASES, Experiment
from mmae_jax.train.exclusive import exclusive
from mmae_jax.train.longer import reopen, trained_longer
from mmae_jax.train.phase import PhaseRun
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.folder import check_same_experiment
from mmae_jax.weights.publishers import where_published
from mmae_jax.weights.result import read_result
from mmae_jax.weights.source import load_initial, open_weights


def run(experiment: Experiment, workdir: epath.PathLike) -> None:
    """Runs the phases of `experiment` that `workdir` does not hold finished; continues an interrupted one.

    A finished phase of fewer epochs than `experiment` has goes on, too, unless another one began from it.

    Compiled programs are kept, see `kept_programs`.

    Raises:
      SpecError: configuration, contract, mesh or workdir do not fit; before the first step.
      DivergedError: a loss is not finite.
    """
    workdir = epath.Path(workdir)
    mesh = parallel.make_mesh(experiment.mesh)
    device = mesh.devices.flat[0]
    kernels = kernels_of(experiment.model, device)
    logging.info("%d × %s, attention by %s", mesh.size, device.device_kind, " and ".join(NAMES[one] for one in kernels))
    shards = open_shards(experiment)
    for phase in experiment.phases:
        parallel.check_work(experiment, phase, mesh)
        shards.check_phase(phase)
    finished = finished_phases(workdir)
    going_on = trained_longer(experiment, workdir, finished, shards)
    finished = {phase: step for phase, step in finished.items() if phase not in going_on}
    ahead = [phase for phase in experiment.phases if phase not in finished]
    for phase in ahead:
        rows = sum(map(len, parallel.process_rows(experiment.phase(phase).batch_size, mesh)))
        check_shared_memory(experiment, phase, rows)
    for phase in ahead[:1]:
        check_first_values(experiment, phase, shards)
    for phase in PHASES:
        if phase in finished or phase in going_on:
            trains = phase in experiment.phases
            check_same_experiment(workdir / phase / "checkpoints", experiment, phase, trains=trains)
    with (
        naming_folder(workdir),
        exclusive(workdir),
        kept_programs(experiment, workdir),
    ):  # which make files: not before all is checked
        reopen(workdir, going_on)
        finished = finished_phases(workdir)  # another run may have ended since
        for phase in experiment.phases:
            if phase in finished:
                logging.info("%s is finished, see %s", phase, workdir / phase)
                continue
            PhaseRun(experiment, phase, shards, workdir, mesh).run(
                functools.partial(initial_params, experiment, phase, workdir, mesh)
            )


def finished_phases(workdir: epath.Path) -> dict[str, int]:
    """Returns the step of the chosen checkpoint of each finished phase.

    Every process returns what the first one sees, which writes results: on a network filesystem, the others see them
    later, and would begin the next phase from something else.
    """
    results = [read_result(workdir, phase) for phase in PHASES]
    steps = np.asarray([-1 if result is None else result.step for result in results], np.int32)
    steps = multihost_utils.broadcast_one_to_all(steps)
    return {phase: int(step) for phase, step in zip(PHASES, steps, strict=True) if step >= 0}


def initial_params(experiment: Experiment, phase: str, workdir: epath.Path, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns the parameters a phase starts from.

    Those of the latest finished phase before it in `workdir`, else those of `init_from`, else new ones.
    """
    finished = finished_phases(workdir)
    for earlier in reversed(PHASES[: PHASES.index(phase)]):
        if earlier in finished:
            return open_weights(workdir, earlier, finished[earlier], averaged=False).on(mesh, experiment)
    if experiment.init_from is not None:
        params, report = load_initial(experiment, mesh)
        logging.info("%s", report.summary())
        if jax.process_index() == 0:
            report.write(workdir / phase / "checkpoints")
        return params
    if published := where_published(experiment.model.encoder):
        warn_once(f"init_from: none, so that {experiment.model.encoder} starts from random weights; {published}")
    return new_params(experiment, mesh)
