"""Vectors are means of the encoded tokens that are there."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.models.heads import on_grid
from mmae_jax.models.samples import Samples
from tests import experiments

EXPERIMENT = experiments.experiment(targets=())


@pytest.fixture(scope="module")
def tiny() -> experiments.Tiny:
    return experiments.Tiny(EXPERIMENT)


def tokens(tiny: experiments.Tiny, samples) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    model = tiny.model(tiny.params)
    found = jax.jit(lambda samples: (model.encoder.features(samples), model.encoder.available(samples)))(samples)
    return jax.tree.map(np.asarray, found)


def pooled(tiny: experiments.Tiny, pooling: Pooling, samples) -> np.ndarray:
    return np.asarray(jax.jit(lambda samples: pooling(tiny.model(tiny.params), samples))(samples))


def test_of_a_tile_with_a_missing_sensor_and_date(tiny):
    samples = experiments.without(experiments.random_samples(EXPERIMENT), "aerial", np.nan)
    samples = experiments.without(samples, "s2", 7.0, dates=1)
    features, there = tokens(tiny, samples)
    every = np.concatenate([features[name][there[name]].reshape(3, -1, 16) for name in features if name != "aerial"], 1)
    found = pooled(tiny, Pooling("tile", "mean"), samples)
    np.testing.assert_allclose(found[:, 0, 0, 0], every.mean(axis=1), rtol=1e-5, atol=1e-5)
    largest = pooled(tiny, Pooling("tile", "max"), samples)
    np.testing.assert_allclose(largest[:, 0, 0, 0], every.max(axis=1), rtol=1e-5, atol=1e-5)
    by_sensor = pooled(tiny, Pooling("tile", "sensor"), samples)[:, 0, 0]
    names = Pooling("tile", "sensor").parts(EXPERIMENT)
    assert np.isnan(by_sensor[:, names.index("aerial")]).all()
    s2 = features["s2"][there["s2"]].reshape(3, -1, 16).mean(axis=1)
    np.testing.assert_allclose(by_sensor[:, names.index("s2")], s2, rtol=1e-5, atol=1e-5)
    by_date = pooled(tiny, Pooling("tile", "date"), samples)[:, 0, 0]
    names = Pooling("tile", "date").parts(EXPERIMENT)
    assert np.isnan(by_date[:, names.index("s2.1")]).all()
    # two band groups of three dates, one group after the other
    last = features["s2"][:, [2, 5]].mean(axis=(1, 2))
    np.testing.assert_allclose(by_date[:, names.index("s2.2")], last, rtol=1e-5, atol=1e-5)


def test_of_patches_on_the_grid_of_the_reference_input(tiny):
    samples = experiments.without(experiments.random_samples(EXPERIMENT), "s2", 7.0, dates=1)
    features, there = tokens(tiny, samples)
    grid = EXPERIMENT.inputs[EXPERIMENT.model.ref_input].grid
    total, count, largest = 0, 0, []
    for name, array in features.items():
        largest += [np.asarray(on_grid(array, grid))[there[name][:, :, 0]].reshape(3, -1, grid**2, 16)]
        kept = np.where(there[name][..., None], array, 0).sum(axis=1, keepdims=True)
        total = total + np.asarray(on_grid(kept, grid))[:, 0]
        count = count + there[name][:, :, 0].sum(axis=1)
    expected = (total / count[:, None, None]).reshape(3, grid, grid, 16)
    found = pooled(tiny, Pooling("patch", "mean"), samples)
    np.testing.assert_allclose(found[:, :, :, 0], expected, rtol=1e-5, atol=1e-5)
    expected = np.concatenate(largest, axis=1).max(axis=1).reshape(3, grid, grid, 16)
    found = pooled(tiny, Pooling("patch", "max"), samples)
    np.testing.assert_allclose(found[:, :, :, 0], expected, rtol=1e-5, atol=1e-5)


def test_a_sample_without_anything_has_no_vector(tiny):
    samples = experiments.random_samples(EXPERIMENT)
    for name in EXPERIMENT.inputs:
        samples = experiments.without(samples, name, np.nan)
    for pool in ("mean", "max"):
        assert np.isnan(pooled(tiny, Pooling("tile", pool), samples)).all()


def test_a_patch_of_which_no_pixel_was_seen_has_no_vector(tiny):
    """Nothing was seen on the left but by the aerial image, in its upper half."""
    samples = experiments.random_samples(EXPERIMENT)
    there = {
        name: np.broadcast_to(
            np.arange(one.image_size) >= one.image_size // 2, (3, one.num_dates, one.image_size, one.image_size)
        ).copy()
        for name, one in EXPERIMENT.inputs.items()
    }
    there["aerial"][:, :, :4] |= True
    samples = dataclasses.replace(samples, pixels_valid={name: np.asarray(each) for name, each in there.items()})
    found = np.isnan(pooled(tiny, Pooling("patch", "sensor"), samples))[0, :, :, :, 0]
    names = Pooling("patch", "sensor").parts(EXPERIMENT)
    assert found[:, :, names.index("aerial")].tolist() == [[False, False], [True, False]]
    assert found[:, :, names.index("s2")].tolist() == [[True, False], [True, False]]
    every = np.isnan(pooled(tiny, Pooling("patch", "mean"), samples))[0, :, :, 0, 0]
    assert every.tolist() == [[False, False], [True, False]]


class OneToken:
    """Another encoder: one token of width 2 for all dates of an input, the number of the input."""

    def __init__(self, experiment: spec.Experiment) -> None:
        self.numbers = {name: number for number, name in enumerate(experiment.inputs)}

    def available(self, samples: Samples) -> dict[str, jnp.ndarray]:
        return {name: samples.dates_valid[name].any(axis=1)[:, None, None] for name in self.numbers}

    def features(self, samples: Samples) -> dict[str, jnp.ndarray]:
        return {name: jnp.full((3, 1, 1, 2), number, jnp.float32) for name, number in self.numbers.items()}


def test_any_encoder_is_pooled():
    model = types.SimpleNamespace(experiment=EXPERIMENT, encoder=OneToken(EXPERIMENT))
    samples = experiments.without(experiments.random_samples(EXPERIMENT), "s2", np.nan)
    for per in ("tile", "patch"):
        found = np.asarray(Pooling(per, "mean")(model, samples))
        np.testing.assert_allclose(found, (0 + 2 + 3) / 3)
    with pytest.raises(spec.SpecError, match="--pool=date: expected tokens of 3 dates of s2 from the encoder, found 1"):
        Pooling("tile", "date")(model, samples)
