"""Floating-point operations that a training step asks for."""

from __future__ import annotations

import dataclasses

import jax

from mmae_jax.hardware.flops import jaxpr_flops
from mmae_jax.models.attention import kernels_of
from mmae_jax.train.state import Program, abstract_arguments
from mmae_jax.train.step import train_step


def step_flops(program: Program, mesh: jax.sharding.Mesh, *, recomputed: bool = False) -> float:
    """Returns the operations of one training step on its global batch, forward and backward.

    Attention counts as products of whole matrices, whatever kernel computes it.

    Args:
      program: the phase.
      mesh: devices that share the step.
      recomputed: also count what the backward pass computes again (`model.remat`).
    """
    model = program.experiment.model
    remat = model.remat if recomputed else "none"
    attention = model.attention if kernels_of(model, mesh.devices.flat[0]) == ("xla",) else "xla"
    model = dataclasses.replace(model, remat=remat, attention=attention)
    counted = dataclasses.replace(program.experiment, model=model)
    # The program that runs is the one to count where nothing changes; then the step is traced once for both.
    program = dataclasses.replace(program, experiment=counted)
    return jaxpr_flops(train_step.trace(program, *abstract_arguments(program, mesh)).jaxpr.jaxpr)
