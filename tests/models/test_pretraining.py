"""What the reconstruction may depend on: visible tokens of the same sample, and nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax.models.mmae import MMAE
from mmae_jax.models.params import by_path
from mmae_jax.models.patches import mask_per_band
from tests.experiments import EACH_FUSION, Tiny, experiment, only, random_samples, without

BATCH = 3


@pytest.fixture(scope="module", params=[fusion for fusion, _ in EACH_FUSION])
def tiny(request):
    names = ("s2", "s1_asc", "s1_des") if request.param == "group" else ("s2", "s1_asc")
    return Tiny(experiment(names, (), fusion=request.param))


@pytest.fixture(scope="module")
def samples(tiny):
    return without(random_samples(tiny.experiment, BATCH), "s2", dates=1)


@pytest.fixture(scope="module")
def masks(tiny, samples):
    return tiny.draw_masks(samples)


@pytest.fixture(scope="module")
def of_tokens(tiny, samples, masks):
    """Reconstructions from embedded tokens, and the gradient of their squares."""

    def loss(tokens):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MMAE, "embed", lambda self, samples: tokens)
            patches = tiny.encoder(tiny.params).reconstruct(samples, masks)
        return sum(jnp.square(array).sum() for array in patches.values()), patches

    return jax.jit(jax.grad(loss, has_aux=True)), jax.jit(tiny.encoder(tiny.params).embed)(samples)


def test_masked_and_missing_tokens_get_no_gradient(of_tokens, masks):
    step, tokens = of_tokens
    gradients, _ = step(tokens)
    for name, mask in masks.items():
        used = np.asarray(mask.visible)
        assert (np.asarray(gradients[name])[~used] == 0).all()
        assert (np.abs(np.asarray(gradients[name])[used]).max(axis=-1) > 0).all()


def test_masked_and_missing_tokens_change_no_reconstruction(of_tokens, masks):
    step, tokens = of_tokens
    changed = {name: jnp.where(masks[name].visible[..., None], array, 1e3) for name, array in tokens.items()}
    _, before = step(tokens)
    _, after = step(changed)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


def test_masked_patches_and_their_gradients_do_not_depend_on_what_else_is_asked(tiny, samples, masks):
    masked = tiny.encoder(tiny.params).fusion.split({name: mask.masked for name, mask in masks.items()})

    def loss(params, masked_only):
        patches = tiny.encoder(params).reconstruct(samples, masks, masked_only=masked_only)
        hidden = {
            name: jnp.where(mask_per_band(masked[name], tiny.experiment.inputs[name])[:, :, :, None], array, 0)
            for name, array in patches.items()
        }
        return sum(jnp.square(array).sum() for array in hidden.values()), hidden

    step = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)
    (all_gradients, expected), (gradients, found) = step(tiny.params, False), step(tiny.params, True)
    for name, array in expected.items():
        assert np.abs(array).max() > 0
        np.testing.assert_allclose(found[name], array, atol=1e-5)
    for one, other in zip(jax.tree.leaves(gradients), jax.tree.leaves(all_gradients), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


@pytest.fixture(scope="module")
def group():
    return Tiny(experiment(targets=(), fusion="group"))


@pytest.fixture(scope="module")
def pretrain(group):
    """The loss, reconstructions, errors and gradients of group mode, compiled once."""
    step = jax.jit(jax.value_and_grad(group.pretrain, has_aux=True))
    return lambda samples, masks: step(group.params, samples, masks)


@pytest.fixture(scope="module")
def complete(group):
    samples = random_samples(group.experiment, BATCH)
    return samples, group.draw_masks(samples)


def test_permuting_rows_permutes_reconstructions(pretrain, complete):
    order = jnp.asarray([2, 0, 1])
    (_, (before, _)), _ = pretrain(*complete)
    (_, (after, _)), _ = pretrain(*jax.tree.map(lambda array: array[order], complete))
    for name in before:
        np.testing.assert_allclose(after[name], before[name][order], atol=1e-6)


def test_a_row_changes_no_other_row(pretrain, complete):
    samples, masks = complete
    changed = jax.tree.map(lambda array: array.at[1].set(array[1] * 2), samples.pixels)
    (_, (before, _)), _ = pretrain(samples, masks)
    (_, (after, _)), _ = pretrain(dataclasses.replace(samples, pixels=changed), masks)
    for name in before:
        np.testing.assert_array_equal(after[name][jnp.asarray([0, 2])], before[name][jnp.asarray([0, 2])])
        assert not np.allclose(after[name][1], before[name][1])


@pytest.mark.parametrize("missing", ["s2", "s1_des"])
def test_missing_modality_equals_never_having_had_it(group, pretrain, complete, missing):
    samples = without(complete[0], missing, garbage=100.0)
    masks = group.draw_masks(samples)
    (loss, (patches, errors)), gradients = pretrain(samples, masks)

    rest = Tiny(experiment([name for name in group.experiment.inputs if name != missing], (), fusion="group"))
    there = only(samples, rest.experiment.inputs)
    rest_masks = rest.draw_masks(there)
    step = jax.jit(jax.value_and_grad(rest.pretrain, has_aux=True))
    (rest_loss, (rest_patches, rest_errors)), rest_gradients = step(rest.params, there, rest_masks)

    assert errors[missing].count == 0
    assert errors[missing].total == 0
    np.testing.assert_allclose(loss, rest_loss, rtol=1e-5)
    for name in rest.experiment.inputs:
        np.testing.assert_allclose(patches[name], rest_patches[name], atol=1e-5)
        assert errors[name].count == rest_errors[name].count
    found = by_path(gradients)
    for path, expected in by_path(rest_gradients).items():
        np.testing.assert_allclose(found[path], expected, atol=1e-5, err_msg=str(path))
    for path in set(found) - set(by_path(rest_gradients)):
        assert (np.asarray(found[path]) == 0).all(), path


def test_values_of_missing_dates_change_nothing(group, pretrain, complete):
    missing = [without(complete[0], "s2", garbage, dates=slice(1, 3)) for garbage in (0.0, 100.0)]
    masks = group.draw_masks(missing[0])
    (before, _), gradients = pretrain(missing[0], masks)
    (after, _), other_gradients = pretrain(missing[1], masks)
    assert before == after
    for path, gradient in by_path(gradients).items():
        np.testing.assert_array_equal(gradient, by_path(other_gradients)[path], err_msg=str(path))


def test_everything_missing_is_finite(group, pretrain, complete):
    samples, _ = complete
    for name in group.experiment.inputs:
        samples = without(samples, name)
    (loss, _), gradients = pretrain(samples, group.draw_masks(samples))
    assert loss == 0
    for path, gradient in by_path(gradients).items():
        assert (np.asarray(gradient) == 0).all(), path


def test_modality_with_nothing_masked_has_no_part_in_the_loss(group, pretrain, complete):
    samples, masks = complete
    nothing = dataclasses.replace(masks["aerial"], masked=jnp.zeros_like(masks["aerial"].masked))
    (loss, (_, errors)), gradients = pretrain(samples, masks | {"aerial": nothing})
    weights = {"s2": 3 * 4, "s1_asc": 2 * 4, "s1_des": 2 * 4}
    means = {name: errors[name].total / errors[name].count for name in weights}
    expected = sum(weights[name] * means[name] for name in weights) / sum(weights.values())
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    found = by_path(gradients)
    assert all(np.isfinite(gradient).all() for gradient in found.values())
    for path in found:
        if path[:2] == ("embed_to_rec", "aerial"):
            assert (np.asarray(found[path]) == 0).all(), path
