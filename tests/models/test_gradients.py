"""Gradients written by hand are those of automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax.models.gradients import gelu, moved, normalised


def plain_norm(x, scale, bias, axes):
    centred = x - x.mean(axis=axes, keepdims=True)
    unit = centred * jax.lax.rsqrt(jnp.square(centred).mean(axis=axes, keepdims=True) + 1e-5)
    return unit * scale[None, None] + bias[None, None]


@pytest.mark.parametrize("axes", [(-1,), (-2, -1)], ids=["layer", "group"])
def test_norm(axes):
    rng = np.random.default_rng(0)
    x, sent = (jnp.asarray(rng.normal(2, 3, (4, 5, 8)), jnp.float32) for _ in range(2))
    scale, bias = (jnp.asarray(rng.normal(size=8), jnp.float32) for _ in range(2))
    found, back = jax.vjp(lambda *arrays: normalised(*arrays, axes, 1e-5), x, scale, bias)
    expected, plain_back = jax.vjp(lambda *arrays: plain_norm(*arrays, axes), x, scale, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(back(sent), plain_back(sent), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_gelu():
    x = jnp.linspace(-8, 8, 101)
    found, back = jax.vjp(gelu, x)
    expected, plain_back = jax.vjp(lambda x: jax.nn.gelu(x, approximate=False), x)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(back(x)[0], plain_back(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [gelu, lambda x: normalised(x, jnp.ones(8), jnp.zeros(8), (-1,), 1e-5)])
def test_nothing_is_kept_in_float32_but_statistics(function):
    x = jnp.ones((4, 5, 8), jnp.bfloat16)
    kept = jax.tree.leaves(jax.eval_shape(lambda x: jax.vjp(function, x)[1], x))
    assert not [leaf for leaf in kept if leaf.dtype == jnp.float32 and leaf.size >= x.size]


def test_moved():
    rng = np.random.default_rng(0)
    x, sent = jnp.asarray(rng.normal(size=(2, 4, 3)), jnp.float32), jnp.asarray(rng.normal(size=(2, 3, 3)), jnp.float32)
    places, back = jnp.asarray([[2, 0, 4], [3, 4, 1]]), jnp.asarray([[1, 3, 0, 3], [3, 2, 3, 0]])
    found, send_back = jax.vjp(lambda x: moved(x, places, back), x)
    expected, plain_back = jax.vjp(lambda x: jnp.pad(x, ((0, 0), (0, 1), (0, 0)))[jnp.arange(2)[:, None], places], x)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(send_back(sent)[0], plain_back(sent)[0])
    assert "scatter" not in str(jax.make_jaxpr(send_back)(sent))
