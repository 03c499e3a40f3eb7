"""Logits: a missing input equals none, rows are independent, the probe trains heads only."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax.models.params import by_path
from tests.experiments import EACH_FUSION, TARGETS, Tiny, experiment, only, random_samples, without

BATCH = 3


def each_fusion_and_head():
    """Each fusion with one head and each head with one fusion; the other pairs are slow, as no head knows of fusion."""
    for fusion, _ in EACH_FUSION:
        yield pytest.param((fusion, "attentive"))
        yield pytest.param((fusion, "linear"), marks=() if fusion == "group" else pytest.mark.slow)


@pytest.fixture(scope="module", params=each_fusion_and_head())
def tiny(request):
    fusion, head = request.param
    return Tiny(experiment(fusion=fusion, head=head))


@pytest.fixture(scope="module")
def predict(tiny):
    compiled = jax.jit(tiny.predict)
    return lambda samples: jax.tree.map(np.asarray, compiled(tiny.params, samples))


@pytest.fixture(scope="module")
def samples(tiny):
    return random_samples(tiny.experiment, BATCH)


def assert_equal(found, expected, tolerance=1e-5):
    assert set(found) == set(TARGETS)
    for target in found:
        np.testing.assert_allclose(found[target], expected[target], rtol=tolerance, atol=tolerance)


def test_missing_modalities_equal_never_having_had_them(tiny, predict, samples):
    missing = without(without(samples, "s2", garbage=100.0), "s1_des", garbage=100.0)
    model = tiny.experiment.model
    rest = Tiny(experiment(("aerial", "s1_asc"), fusion=model.fusion, head=model.head))
    found = predict(missing)
    assert_equal(found, jax.jit(rest.predict)(rest.params, only(samples, rest.experiment.inputs)))
    complete = predict(samples)
    assert all(not np.allclose(found[target], complete[target], atol=1e-3) for target in found)


def test_a_modality_may_be_missing_in_one_row_only(predict, samples):
    everywhere = without(samples, "s1_asc", garbage=100.0)
    here = jax.tree.map(lambda one, other: jnp.concatenate([one[:1], other[1:]]), everywhere, samples)
    found, missing, complete = predict(here), predict(everywhere), predict(samples)
    expected = {target: np.concatenate([missing[target][:1], complete[target][1:]]) for target in found}
    assert_equal(found, expected, 1e-6)


def test_values_of_missing_dates_change_nothing(predict, samples):
    def garbage(value):
        missing = without(samples, "s2", value, dates=slice(0, 2))
        dates = missing.dates["s2"].at[:, 0, 1].add(int(value))
        return dataclasses.replace(missing, dates=missing.dates | {"s2": dates})

    assert_equal(predict(garbage(0.0)), predict(garbage(77.0)), 1e-6)


def test_everything_missing_is_finite(tiny, predict, samples):
    for name in tiny.experiment.inputs:
        samples = without(samples, name)
    assert all(np.isfinite(logits).all() for logits in predict(samples).values())


def test_permuting_rows_permutes_logits(predict, samples):
    order = np.asarray([2, 0, 1])
    permuted = predict(jax.tree.map(lambda array: array[order], samples))
    assert_equal(permuted, {target: logits[order] for target, logits in predict(samples).items()}, 1e-6)


def test_a_row_changes_no_other_row(predict, samples):
    pixels = jax.tree.map(lambda array: array.at[1].multiply(2), samples.pixels)
    before, after = predict(samples), predict(dataclasses.replace(samples, pixels=pixels))
    for target in before:
        np.testing.assert_array_equal(after[target][[0, 2]], before[target][[0, 2]])
        assert not np.allclose(after[target][1], before[target][1])


def test_segmentation_has_a_logit_per_pixel_and_class(predict, samples):
    assert predict(samples)["cover"].shape == (BATCH, 8, 8, 2)
    assert predict(samples)["trees"].shape == (BATCH, 3)


def test_probe_trains_the_heads_only():
    tiny = Tiny(experiment(("s2",)))
    samples = random_samples(tiny.experiment, 2)

    def loss(params, train_encoder):
        logits = tiny.model(params).predict(samples, train_encoder=train_encoder)
        return sum(jnp.square(array).sum() for array in logits.values())

    def gradients(params):  # in one program: two would round differently
        return [jax.grad(loss)(params, train_encoder) for train_encoder in (False, True)]

    probe, finetune = map(by_path, jax.jit(gradients)(tiny.params))
    for path in probe:
        if path[0] == "heads":
            assert np.abs(probe[path]).max() > 0, path
            np.testing.assert_array_equal(probe[path], finetune[path])
        else:
            assert (np.asarray(probe[path]) == 0).all(), path
            trained = path[0] in ("patch_embed", "encoder", "encoder_inter")
            assert (np.abs(finetune[path]).max() > 0) == trained, path
