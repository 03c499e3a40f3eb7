"""Figures of a phase, from its state to PNG files and TensorBoard."""

from __future__ import annotations

import jax
import numpy as np
from etils import epath

from mmae_jax import parallel, report, tasks
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import Shards
from mmae_jax.spec import Experiment
from mmae_jax.train.evaluation import Evaluation
from mmae_jax.train.monitor.log import RunLog
from mmae_jax.train.state import Program, TrainState
from mmae_jax.train.step import reconstruct_step


def write_reconstructions(
    program: Program,
    state: TrainState,
    shards: Shards,
    split: str,
    mesh: jax.sharding.Mesh,
    log: RunLog,
    folder: epath.Path,
) -> None:
    """Draws what the model makes of the first `logging.images` samples of `split`, at some dates, a figure an input."""
    experiment = program.experiment
    batch_size = experiment.phase(program.phase).batch_size
    rows = parallel.process_rows(batch_size, mesh)
    with eval_batches(experiment, batch_size, (split,), shards, rows=rows) as batches:
        batch = parallel.to_devices(next(batches), mesh)
        outputs = reconstruct_step(program, state, batch)
    (samples, found), weight = parallel.to_hosts((outputs, batch["weight"]), mesh)
    shown = np.flatnonzero(weight)[: experiment.logging.images]
    for name in experiment.inputs:
        images = jax.tree.map(lambda array: array[shown], found[name])
        dates, valid = samples.dates[name][shown], samples.pixels_valid[name][shown]
        drawn = report.reconstruction(name, report.images_shown(experiment, name, images, dates, valid))
        figure = report.to_rgb(drawn)
        log.image(int(state.step), f"{split}/{name}", figure)
        if jax.process_index() == 0:
            report.save_png(figure, folder / f"reconstruction_{name}.png")


def write_scores(experiment: Experiment, phase: str, evaluation: Evaluation, folder: epath.Path) -> None:
    """Draws the scores of every target as its task shows them."""
    for name, scores in evaluation.scores.items():
        target = experiment.dataset.targets[name]
        for shows, figure in tasks.of(target).figures(f"{name}, {phase}", target, scores).items():
            report.save_png(figure, folder / f"{name}_{shows}.png")
