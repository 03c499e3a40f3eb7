"""Exact evaluation of a split: every sample counts once, whatever the batch and hosts (docs/method.md §8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax import parallel
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import Shards
from mmae_jax.losses import Total
from mmae_jax.metrics import Scores
from mmae_jax.tasks.accumulator import Accumulator
from mmae_jax.train.state import Program, TrainState
from mmae_jax.train.step import evaluate_step, total_loss


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Result of one split.

    Attributes:
      loss: the phase's objective over the whole split.
      errors: input (in pretraining) or target → mean error.
      scores: target → scores; empty in pretraining.
    """

    loss: float
    errors: dict[str, float]
    scores: dict[str, Scores]

    def scalars(self) -> dict[str, float]:
        """Returns all numbers by name: `loss`, `loss/<input or target>`, `<target>/<metric>`."""
        scalars = {"loss": self.loss} | {f"loss/{name}": error for name, error in self.errors.items()}
        for target, scores in self.scores.items():
            scalars |= {f"{target}/{metric}": value for metric, value in scores.overall.items()}
        return scalars


def evaluate(
    program: Program,
    state: TrainState,
    shards: Shards,
    split: str,
    mesh: jax.sharding.Mesh,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluates all samples of `split`.

    Args:
      program: experiment and phase.
      state: finetune evaluates the moving average.
      shards: opened shards.
      split: e.g. `val`.
      mesh: device mesh; every host evaluates its rows of each batch.
      between: called after each batch; may raise, to end the evaluation.
    """
    experiment = program.experiment
    accumulators = {name: Accumulator(experiment.dataset.targets[name]) for name in experiment.targets}
    totals: dict[str, np.ndarray] = {}

    def add(outputs: Any) -> None:
        errors, summaries = parallel.to_hosts(outputs, mesh)
        for name, error in errors.items():
            totals[name] = totals.get(name, np.zeros(2)) + np.asarray([error.total, error.count], np.float64)
        for name, summary in summaries.items():
            accumulators[name].update(summary)

    pending = None
    batch_size = experiment.phase(program.phase).batch_size
    rows = parallel.process_rows(batch_size, mesh)
    with eval_batches(experiment, batch_size, (split,), shards, rows=rows) as batches:
        for index, batch in enumerate(batches):
            outputs = evaluate_step(program, state, parallel.to_devices(batch, mesh), jnp.asarray(index))
            # The previous batch is read while the device works on this one.
            if pending is not None:
                add(pending)
            pending = outputs
            between()
    if pending is not None:
        add(pending)
    means = {
        name: Total(jnp.asarray(total, jnp.float32), jnp.asarray(count)) for name, (total, count) in totals.items()
    }
    return Evaluation(
        loss=float(total_loss(means, program)),
        errors={name: float(total / max(count, 1)) for name, (total, count) in totals.items()},
        scores={} if program.phase == "pretrain" else {name: acc.result() for name, acc in accumulators.items()},
    )
