"""Training in bfloat16 follows float32 step by step, within the noise of other masks and crops."""

import numpy as np
import pytest

from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import train_step
from mmae_jax.weights.drawing import new_params
from tests import runs

STEPS = 200
WINDOW = 20
"""Steps whose losses are averaged: single ones differ by what was masked."""


def losses(shards, **changes):
    settings = {"phases": ("pretrain",), "pretrain__epochs": 70, "pretrain__base_lr": 1e-3, "model__dtype": "float32"}
    experiment = runs.tiny(shards, **(settings | changes))
    program, mesh = Program(experiment, "pretrain", STEPS), runs.one_device()
    state, found = begin_phase(program, new_params(experiment, mesh), mesh), []
    with train_batches(experiment, "pretrain", open_shards(experiment)) as batches:
        for _ in range(STEPS):
            state, scalars = train_step(program, state, next(batches))
            found.append(scalars["loss"])
    return np.array(found, np.float64)


@pytest.mark.slow
def test_losses_of_bfloat16_follow_those_of_float32(synthetic_shards):
    exact, rounded = losses(synthetic_shards), losses(synthetic_shards, model__dtype="bfloat16")
    other = losses(synthetic_shards, seed=7)
    smooth = [np.convolve(one, np.ones(WINDOW) / WINDOW, "valid") for one in (exact, rounded, other)]
    assert smooth[0][-1] < 0.97 * smooth[0][0], "it learns"
    followed, noise = (np.abs(one - smooth[0]).max() for one in smooth[1:])
    print(
        f"bfloat16 differs by {followed:.1e}, another seed by {noise:.1e}, of {smooth[0][0]:.3f} to {smooth[0][-1]:.3f}"
    )
    assert followed < noise / 4
