"""Losses against a slow reading of docs/method.md §7."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import losses, spec
from mmae_jax.models.patches import to_patches
from tests.experiments import experiment, random_samples

BATCH = 3
NAMES = ("aerial", "s2", "s1_asc")


@pytest.fixture(scope="module", params=["l1", "l2", "l1_norm", "l2_norm"])
def tiny(request):
    return experiment(NAMES, (), loss=request.param)


@pytest.fixture(scope="module")
def errors_of(tiny):
    """Errors by modality, compiled once: of patches, samples, masked, weight."""
    return jax.jit(lambda *arguments: losses.reconstruction_errors(*arguments, tiny))


@pytest.fixture(scope="module")
def samples():
    """Random pixels; single pixels of s2 are missing, and its second date in the first row."""
    samples = random_samples(experiment(NAMES, ()), BATCH)
    valid = np.random.default_rng(0).random((BATCH, 3, 4, 4)) < 0.7
    valid[0, 1] = False
    return dataclasses.replace(samples, pixels_valid=samples.pixels_valid | {"s2": jnp.asarray(valid)})


@pytest.fixture(scope="module")
def patches(samples):
    rng = np.random.default_rng(1)
    shapes = {"aerial": (1, 4, 16, 2), "s2": (3, 4, 4, 3), "s1_asc": (2, 4, 4, 2)}
    return {name: jnp.asarray(rng.normal(size=(BATCH, *shape)), jnp.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def masked():
    rng = np.random.default_rng(2)
    return {name: jnp.asarray(rng.random((BATCH, n, 4)) < 0.6) for name, n in [("aerial", 1), ("s2", 6), ("s1_asc", 2)]}


def slow_errors(samples, patches, masked, weight, tiny):
    """Returns the list of errors of each modality's counted pixels, one by one."""
    errors = {name: [] for name in tiny.inputs}
    for name, modality in tiny.inputs.items():
        pixels, patch, grid = np.asarray(samples.pixels[name], np.float64), modality.patch_size, modality.grid
        valid = np.broadcast_to(samples.pixels_valid[name], (*pixels.shape[:2], *pixels.shape[3:]))
        group_of = [group for group, bands in enumerate(modality.bands) for _ in bands]
        for b, d, position in np.ndindex(BATCH, modality.num_dates, grid**2):
            top, left = position // grid * patch, position % grid * patch
            target = pixels[b, d, :, top : top + patch, left : left + patch].copy()
            if tiny.loss.endswith("_norm"):
                start = 0
                for run in modality.target_runs:
                    part = target[start : start + run]
                    target[start : start + run] = (part - part.mean()) / np.sqrt(part.var(ddof=1) + 1e-6)
                    start += run
            for band, row, column in np.ndindex(target.shape):
                token = group_of[band] * modality.num_dates + d
                if not (masked[name][b, token, position] and valid[b, d, top + row, left + column] and weight[b]):
                    continue
                difference = target[band, row, column] - float(
                    patches[name][b, d, position, row * patch + column, band]
                )
                errors[name].append(abs(difference) if tiny.loss.startswith("l1") else difference**2)
    return errors


@pytest.mark.parametrize("weight", [[1, 1, 1], [1, 0, 1]])
def test_reconstruction_is_the_slow_reading(tiny, errors_of, samples, patches, masked, weight):
    found = errors_of(patches, samples, masked, jnp.asarray(weight, jnp.float32))
    expected = slow_errors(samples, patches, masked, weight, tiny)
    for name in tiny.inputs:
        assert found[name].count == len(expected[name])
        np.testing.assert_allclose(found[name].total, sum(expected[name]), rtol=1e-5)
    weights = {"aerial": 1 * 4, "s2": 3 * 4, "s1_asc": 2 * 4}
    mean = sum(weights[name] * np.mean(expected[name]) for name in weights) / sum(weights.values())
    np.testing.assert_allclose(losses.reconstruction_loss(found, tiny), mean, rtol=1e-5)


def test_missing_pixels_are_excluded(samples, patches, masked):
    tiny = experiment(NAMES, (), loss="l1")
    missing = ~samples.pixels_valid["s2"][:, :, None]
    garbage = jnp.where(missing, 1e6, samples.pixels["s2"])
    other = dataclasses.replace(samples, pixels=samples.pixels | {"s2": garbage})
    found, expected = (
        losses.reconstruction_errors(patches, s, masked, jnp.ones(BATCH), tiny) for s in (other, samples)
    )
    assert found == expected


def test_samples_of_weight_zero_count_for_nothing(errors_of, samples, patches, masked):
    weight = jnp.asarray([1.0, 0.0, 1.0])
    other = dataclasses.replace(samples, pixels=jax.tree.map(lambda a: a.at[1].set(1e6), samples.pixels))
    found, expected = (errors_of(patches, s, masked, weight) for s in (other, samples))
    assert found == expected


def test_modality_with_nothing_masked_is_left_out_of_loss_and_gradient(tiny, samples, patches, masked):
    nothing = masked | {"s2": jnp.zeros_like(masked["s2"])}

    def loss(patches):
        errors = losses.reconstruction_errors(patches, samples, nothing, jnp.ones(BATCH), tiny)
        return losses.reconstruction_loss(errors, tiny), errors

    (value, errors), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(patches)
    expected = (4 * errors["aerial"].mean + 8 * errors["s1_asc"].mean) / 12
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert (gradients["s2"] == 0).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_nothing_masked_at_all_is_zero(tiny, errors_of, samples, patches, masked):
    errors = errors_of(patches, samples, jax.tree.map(jnp.zeros_like, masked), jnp.ones(BATCH))
    assert losses.reconstruction_loss(errors, tiny) == 0


def test_flat_patch_gives_a_finite_target():
    modality = experiment(("aerial",), ()).inputs["aerial"]
    target = losses.reconstruction_target(jnp.full((1, 1, 2, 8, 8), 7.0), modality, normalised=True)
    assert (target == 0).all()


@pytest.mark.parametrize("normalised", [True, False])
def test_the_frame_of_a_target_gives_its_patches_back(samples, normalised):
    one = experiment(NAMES, ()).inputs["s2"]
    patches = to_patches(samples.pixels["s2"], one.patch_size)
    frame = losses.target_frame(patches, one, normalised=normalised)
    target = losses.reconstruction_target(samples.pixels["s2"], one, normalised=normalised)
    np.testing.assert_allclose(frame.patches(target), patches, rtol=1e-5, atol=1e-5)
    assert frame.mean.shape == (BATCH, 3, 4, 1, 3)


def dataset(**targets):
    return dataclasses.replace(experiment().dataset, targets=immutabledict(targets))


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(5)


def softmax_error(logits, label):
    logits = np.asarray(logits, np.float64)
    return np.log(np.exp(logits).sum()) - logits[label]


def test_multilabel_is_binary_cross_entropy_averaged_over_classes(rng):
    kind = spec.Target("multilabel", ("a", "b", "c", "d"), "x")
    logits, labels = rng.normal(size=(4, 4)).astype(np.float32), rng.integers(0, 2, (4, 4))
    labels[2, 1] = -1
    weight = np.asarray([1.0, 1.0, 1.0, 0.0], np.float32)
    found = losses.prediction_errors({"t": logits}, {"t": labels}, weight, dataset(t=kind), "l1")["t"]
    probability = 1 / (1 + np.exp(-logits[:2].astype(np.float64)))
    expected = -np.where(labels[:2] == 1, np.log(probability), np.log(1 - probability))
    assert found.count == 2
    np.testing.assert_allclose(found.mean, expected.mean(), rtol=1e-5)


def test_classif_is_cross_entropy_without_missing_values_and_padding(rng):
    kind = spec.Target("classif", ("a", "b", "c"), "x", missing_value=9)
    logits, labels = rng.normal(size=(5, 3)).astype(np.float32), np.asarray([0, 2, 9, 1, 1])
    weight = np.asarray([1.0, 1.0, 1.0, 1.0, 0.0], np.float32)
    found = losses.prediction_errors({"t": logits}, {"t": labels}, weight, dataset(t=kind), "l1")["t"]
    assert found.count == 3
    expected = np.mean([softmax_error(logits[i], labels[i]) for i in (0, 1, 3)])
    np.testing.assert_allclose(found.mean, expected, rtol=1e-5)


def test_segmentation_is_cross_entropy_per_pixel(rng):
    kind = spec.Target("segment", ("a", "b", "c"), "x", missing_value=-1, size=4)
    logits, labels = rng.normal(size=(3, 4, 4, 3)).astype(np.float32), rng.integers(-1, 3, (3, 4, 4))
    weight = np.asarray([1.0, 0.0, 1.0], np.float32)
    found = losses.prediction_errors({"t": logits}, {"t": labels}, weight, dataset(t=kind), "l1")["t"]
    counted = [index for index in np.ndindex(3, 4, 4) if index[0] != 1 and labels[index] != -1]
    assert found.count == len(counted)
    np.testing.assert_allclose(found.mean, np.mean([softmax_error(logits[i], labels[i]) for i in counted]), rtol=1e-5)


def test_targets_are_added_and_nothing_labelled_is_zero_with_zero_gradient():
    kind = spec.Target("segment", ("a", "b"), "x", missing_value=-1, size=2)
    labels = {"t": -jnp.ones((1, 2, 2), int), "u": jnp.zeros((1, 2, 2), int)}

    def loss(logits):
        return losses.prediction_loss(
            losses.prediction_errors(logits, labels, jnp.ones(1), dataset(t=kind, u=kind), "l1")
        )

    logits = {name: jnp.ones((1, 2, 2, 2)) for name in labels}
    value, gradients = jax.value_and_grad(loss)(logits)
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)
    assert (gradients["t"] == 0).all()
    assert (gradients["u"] != 0).all()


def test_totals_of_parts_add_up_to_the_mean_of_the_whole(rng):
    kind = spec.Target("classif", ("a", "b", "c"), "x")
    logits, labels = rng.normal(size=(5, 3)).astype(np.float32), rng.integers(-1, 3, 5)
    whole, first, rest = (
        losses.prediction_errors({"t": logits[s]}, {"t": labels[s]}, np.ones(len(labels[s])), dataset(t=kind), "l1")[
            "t"
        ]
        for s in (slice(None), slice(0, 2), slice(2, None))
    )
    added = losses.Total(first.total + rest.total, first.count + rest.count)
    np.testing.assert_allclose(added.mean, whole.mean, rtol=1e-6)
