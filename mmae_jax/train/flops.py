"""Floating-point operations that a training step asks for."""

from __future__ import annotations

import dataclasses

from mmae_jax import parallel
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.hardware.flops import matrix_flops
from mmae_jax.train.state import Program, abstract_state
from mmae_jax.train.step import train_step


def step_flops(program: Program, *, recomputed: bool = False) -> float:
    """Returns the operations of one training step on its global batch, forward and backward.

    Attention counts as products of whole matrices, whatever kernel computes it.

    Args:
      program: the phase.
      recomputed: also count what the backward pass computes again (`model.remat`).
    """
    experiment = program.experiment
    remat = experiment.model.remat if recomputed else "none"
    model = dataclasses.replace(experiment.model, remat=remat, attention="xla")
    program = dataclasses.replace(program, experiment=dataclasses.replace(experiment, model=model))
    one = parallel.abstract_mesh()
    batch = abstract_batch(program.experiment, experiment.phase(program.phase).batch_size)
    return matrix_flops(lambda state, batch: train_step(program, state, batch), abstract_state(program, one), batch)
