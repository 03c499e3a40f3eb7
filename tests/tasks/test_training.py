"""A target of numbers is learnt, evaluated and missing where it is missing, from batch to scores."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.checks import check_experiment
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.tasks.accumulator import Accumulator
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import evaluate_step, train_step
from tests import runs
from tests.experiments import experiment

HEIGHT = spec.Target("regression", (), "height", size=8, dtype="float32")


def heights_of_pixels() -> spec.Experiment:
    """A tiny experiment that learns the height of each pixel of an image."""
    of = experiment(("aerial",), (), loss="l2")
    dataset = dataclasses.replace(of.dataset, targets=immutabledict(height=HEIGHT))
    phase = spec.Phase(epochs=1, batch_size=4, base_lr=0.01, monitor="height/r2")
    of = dataclasses.replace(of, dataset=dataset, targets=("height",), finetune=phase)
    check_experiment(of)
    return of


def batch_of(of: spec.Experiment) -> dict:
    """Heights that follow from the image; a quarter of the pixels has none."""
    batch = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), abstract_batch(of, 4))
    rng = np.random.default_rng(0)
    level = np.kron(rng.normal(size=(4, 2, 2)), np.ones((4, 4))).astype(np.float32)  # of each patch
    pixels = batch["inputs"]["aerial"]
    batch["inputs"]["aerial"] = (level[:, None, None] + 0.1 * rng.normal(size=pixels.shape)).astype(np.float32)
    assert batch["targets"]["height"].shape == (4, 8, 8)
    batch["targets"]["height"] = 2 * level + 1
    batch["targets"]["height"][rng.random((4, 8, 8)) < 0.25] = np.nan
    return batch


def test_heights_of_pixels_are_learnt_and_scored():
    of, mesh = heights_of_pixels(), runs.one_device()
    batch, program = batch_of(of), Program(of, "finetune", 60)
    state = begin_phase(program, runs.random_params(of, mesh), mesh)

    def evaluated(state):
        errors, summaries = evaluate_step(program, state, batch, jnp.asarray(0))
        accumulator = Accumulator(HEIGHT)
        accumulator.update(jax.device_get(summaries["height"]))
        return float(errors["height"].mean), accumulator.result().overall

    before, _ = evaluated(state)
    for _ in range(60):
        state, scalars = train_step(program, state, batch)
        assert np.isfinite(scalars["loss"])
    after, scores = evaluated(state)
    assert after < 0.5 * before
    np.testing.assert_allclose(scores["rmse"] ** 2, after, rtol=1e-4)
    assert scores["r2"] > 0.5
