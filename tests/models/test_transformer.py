"""Depth, recomputation and compute dtype change cost, not results."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmae_jax import spec
from mmae_jax.models.masking import sequence_masks
from mmae_jax.models.params import abstract_model, by_path
from mmae_jax.models.transformer import Blocks, Transformer
from tests.experiments import TINY, Tiny, experiment, random_samples

REMAT = ("none", "dots", "full")


def pretrain_step(**model):
    """Returns value and gradient of the (smooth) loss of an experiment of one modality, and its arguments."""
    tiny = Tiny(experiment(("s1_asc",), (), fusion="group", loss="l2_norm", **model))
    samples = random_samples(tiny.experiment, 2)
    masked = jnp.tile(jnp.arange(8) % 4 > 0, (2, 1))
    masks = sequence_masks({"s1": masked}, {"s1": jnp.ones((2, 8), bool)}, {"s1": 2})
    return jax.value_and_grad(tiny.pretrain, has_aux=True), (tiny.params, samples, masks)


@pytest.mark.parametrize("remat", REMAT)
def test_program_does_not_grow_with_depth(remat):
    sizes = []
    for depth in (12, 24):
        step, arguments = pretrain_step(remat=remat, architecture=dataclasses.replace(TINY, depth=depth), inter_depth=3)
        sizes.append(len(jax.jit(step).lower(*arguments).as_text()))
    assert sizes[1] / sizes[0] < 1.05


@pytest.fixture(scope="module")
def steps():
    """Loss, reconstructions and gradients by setting."""
    settings = {remat: {"remat": remat} for remat in REMAT} | {"bfloat16": {"dtype": "bfloat16"}}
    found = {}
    for name, setting in settings.items():
        step, arguments = pretrain_step(**setting)
        (loss, (patches, _)), gradients = jax.jit(step)(*arguments)
        found[name] = (loss, patches, by_path(gradients))
    return found


@pytest.mark.parametrize("remat", ["dots", "full"])
def test_recomputation_gives_the_same_gradients(steps, remat):
    loss, _, gradients = steps[remat]
    expected_loss, _, expected = steps["none"]
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected[path], rtol=1e-5, atol=1e-6, err_msg=str(path))


def test_backward_pass_recomputes_as_much_as_asked():
    def products(remat):
        graph, params = nnx.split(
            Transformer(16, 2, 2, 8, 24, dtype=jnp.dtype("float32"), remat=remat, attention="auto", rngs=nnx.Rngs(0))
        )
        gradient = jax.grad(lambda params, x: nnx.merge(graph, params)(x, jnp.ones((1, 4), bool)).sum())
        return str(jax.make_jaxpr(gradient)(params, jnp.ones((1, 4, 16)))).count("dot_general")

    # `dots` keeps the products with weights and repeats the two of the attention.
    assert products("none") < products("dots") < products("full")


def test_bfloat16_is_close_and_keeps_parameters_and_gradients_in_float32(steps):
    loss, patches, gradients = steps["bfloat16"]
    expected_loss, expected, expected_gradients = steps["none"]
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, expected_loss, rtol=2e-2)
    for name in expected:
        assert patches[name].dtype == jnp.float32
        assert_close_to_max(patches[name], expected[name], 5e-2)
        assert not np.array_equal(patches[name], expected[name])
    for path, gradient in gradients.items():
        assert gradient.dtype == jnp.float32
        error = np.linalg.norm(gradient - expected_gradients[path]) / np.linalg.norm(expected_gradients[path])
        assert error < 5e-2, path


def test_bfloat16_logits_are_float32_and_close():
    found, expected = (Tiny(experiment(("s2",), dtype=dtype)) for dtype in ("bfloat16", "float32"))
    samples = random_samples(expected.experiment, 2)
    found, expected = (jax.jit(tiny.predict)(tiny.params, samples) for tiny in (found, expected))
    for target in expected:
        assert found[target].dtype == jnp.float32
        assert_close_to_max(found[target], expected[target], 5e-2)


def test_parameters_are_float32_in_any_compute_dtype():
    _, abstract = abstract_model(experiment(dtype="bfloat16"))
    assert {leaf.dtype for leaf in by_path(abstract).values()} == {jnp.dtype("float32")}


def assert_close_to_max(found, expected, tolerance):
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


@pytest.fixture(scope="module")
def transformer():
    return Transformer(16, 2, 2, 8, 24, dtype=jnp.dtype("float32"), remat="none", attention="auto", rngs=nnx.Rngs(0))


def test_tokens_attend_to_valid_tokens_only(transformer):
    x = jax.random.normal(jax.random.key(0), (2, 6, 16))
    valid = jnp.asarray([[True, True, False, True, False, True], [True] * 6])
    run = jax.jit(transformer)
    found, changed = run(x, valid), run(jnp.where(valid[..., None], x, 1e4), valid)
    np.testing.assert_array_equal(found[valid], changed[valid])
    alone = jax.jit(transformer)(x[:1, jnp.asarray([0, 1, 3, 5])], jnp.ones((1, 4), bool))
    np.testing.assert_allclose(found[0][valid[0]], alone[0], atol=1e-5)


def test_no_valid_token_is_finite_in_value_and_gradient(transformer):
    x = jax.random.normal(jax.random.key(0), (1, 6, 16))
    gradient = jax.jit(jax.grad(lambda x: transformer(x, jnp.zeros((1, 6), bool)).sum()))(x)
    assert np.isfinite(gradient).all()


def test_blocks_differ_and_have_a_leading_layer_axis(transformer):
    stacked = transformer.blocks.stacked()
    assert {array.shape[0] for array in stacked.values()} == {2}
    assert not np.allclose(stacked["qkv_kernel"][0], stacked["qkv_kernel"][1])


def test_one_head_as_wide_as_the_tokens_has_no_output_projection():
    def projects(heads, dim_head):
        return hasattr(nnx.eval_shape(lambda: Blocks(16, 2, heads, dim_head, 24, rngs=nnx.Rngs(0))), "out_kernel")

    assert not projects(1, 16)
    assert projects(2, 8)
    assert projects(1, 8)


@pytest.mark.parametrize("fusion", ["monotemp", "group"])
def test_sequences_so_short_that_all_is_masked_train(fusion):
    # One and two tokens, of which round(0.75 · 1) = 1 and round(0.75 · 2) = 2 are masked.
    inputs = {
        "aerial": spec.Input(bands=(("nir",),), image_size=2, patch_size=2),
        "s2": spec.Input(bands=(("b2",),), image_size=2, patch_size=2, num_dates=2),
    }
    tiny = Tiny(experiment((), (), modalities=inputs, fusion=fusion))
    samples = random_samples(tiny.experiment, 2)
    masks = tiny.draw_masks(samples)
    (loss, _), gradients = jax.jit(jax.value_and_grad(tiny.pretrain, has_aux=True))(tiny.params, samples, masks)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in by_path(gradients).values())
