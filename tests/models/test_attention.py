"""Attention kernels agree with attention that writes its scores, and each is chosen where it runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import parallel, spec
from mmae_jax.models.attention import attention, kernel_for, kernels_of
from mmae_jax.models.attention.arrangement import Arrangement, Moves

BFLOAT16_ROUNDING = 2.0**-7


def random_arrays(batch, length, width):
    rng = np.random.default_rng(0)
    arrays = [jnp.asarray(rng.standard_normal((batch, length, width), np.float32), jnp.bfloat16) for _ in range(4)]
    return arrays, jnp.asarray(rng.random((batch, length)) < 0.7).at[0, 0].set(True)


def both_ways(kernel, heads, q, k, v, valid, gradient):
    result, back = jax.vjp(lambda q, k, v: attention(q, k, v, valid, heads, kernel), q, k, v)
    return result, *back(gradient.astype(result.dtype))


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        difference = np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32))
        assert difference.max() <= BFLOAT16_ROUNDING * np.abs(np.asarray(other, np.float32)).max()


@pytest.mark.parametrize(
    ("length", "heads", "dim_head"), [(7, 2, 64), (130, 4, 32), (256, 2, 64)], ids=["short", "rest", "whole chunks"]
)
def test_kernel_for_tpus_computes_what_float32_does(length, heads, dim_head):
    (*arrays, gradient), valid = random_arrays(2, length, heads * dim_head)
    found = jax.jit(functools.partial(both_ways, "pallas", heads))(*arrays, valid, gradient)
    wide = [array.astype(jnp.float32) for array in arrays]
    expected = jax.jit(functools.partial(both_ways, "xla", heads))(*wide, valid, gradient)
    assert_close(found, expected)


@pytest.mark.parametrize("number", [1, 150])
def test_kernel_for_tpus_takes_fewer_or_more_queries_than_keys(number):
    (q, *_, gradient), _ = random_arrays(2, number, 128)
    (_, k, v, _), valid = random_arrays(2, 130, 128)
    found = jax.jit(functools.partial(both_ways, "pallas", 2))(q, k, v, valid, gradient)
    wide = [array.astype(jnp.float32) for array in (q, k, v)]
    expected = jax.jit(functools.partial(both_ways, "xla", 2))(*wide, valid, gradient)
    assert_close(found, expected)


def test_sample_without_any_token_stays_finite():
    (*arrays, gradient), valid = random_arrays(2, 9, 128)
    found = both_ways("pallas", 2, *arrays, valid.at[1].set(False), gradient)
    assert all(np.isfinite(np.asarray(array, np.float32)).all() for array in found)


@pytest.mark.parametrize("kernel", ["xla", "cudnn", "pallas"])
def test_sequence_of_no_token_stays_empty(kernel):
    (*arrays, _), valid = random_arrays(2, 1, 128)
    q, k, v = (array[:, :0] for array in arrays)
    assert attention(q, k, v, valid[:, :0], 2, kernel).shape == (2, 0, 128)


def test_every_device_computes_its_samples_and_heads():
    (*arrays, gradient), valid = random_arrays(4, 7, 256)
    expected = both_ways("pallas", 4, *arrays, valid, gradient)
    mesh = parallel.make_mesh(spec.Mesh(data=2, fsdp=2, tensor=2), jax.devices()[:8])
    rows = jax.sharding.NamedSharding(mesh, parallel.BATCH)
    step = jax.jit(functools.partial(both_ways, "pallas", 4))
    found = step(*jax.device_put((*arrays, valid, gradient), rows))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    # Heads are spread by the program's own partitions (`tensor`); what comes out stays so.
    assert "tensor" in str(found[0].sharding.spec)


def test_arrangement_puts_tokens_that_are_there_first_and_each_back():
    _, valid = random_arrays(3, 10, 8)
    x = jnp.arange(3 * 10 * 8, dtype=jnp.float32).reshape(3, 10, 8)
    arrangement = Arrangement.of(valid, "cudnn")
    arranged = arrangement.arranged(x)
    assert arranged.shape == (3, 16, 8)
    lengths = np.asarray(valid.sum(axis=1))
    np.testing.assert_array_equal(arrangement.valid, np.arange(16) < lengths[:, None])
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(arranged[row, :length], x[row][np.asarray(valid[row])])
    np.testing.assert_array_equal(arrangement.restored(arranged), x)


def test_tokens_asked_for_are_found_where_they_were_arranged():
    _, valid = random_arrays(3, 10, 8)
    x = jnp.arange(1, 3 * 10 * 8 + 1, dtype=jnp.float32).reshape(3, 10, 8)
    arrangement = Arrangement.of(valid, "cudnn")
    asked = Moves(jnp.asarray([[9, 2, 10]] * 3), jnp.asarray([[3, 3, 1, *([3] * 6), 0]] * 3))
    moves = arrangement.then(asked)
    found = moves(arrangement.arranged(x))
    assert found.shape == (3, 8, 8)
    there = np.asarray(valid[:, [9, 2]])[..., None]
    np.testing.assert_array_equal(found[:, :2], jnp.where(there, x[:, [9, 2]], found[:, :2]))
    assert there.any()
    assert not found[:, 2:].any()
    np.testing.assert_array_equal(
        arrangement.restored(moves.inverse(found)), jnp.where(valid[..., None], asked.inverse(asked(x)), 0)
    )


def test_other_kernels_take_tokens_as_they_are():
    _, valid = random_arrays(3, 10, 8)
    x = jnp.ones((3, 10, 8))
    arrangement = Arrangement.of(valid, "xla")
    assert arrangement.arranged(x) is x
    assert arrangement.restored(x) is x


@pytest.mark.parametrize(
    ("chosen", "platform", "kind", "dtype", "width", "dim_head", "kernel"),
    [
        ("auto", "cpu", "cpu", "bfloat16", 768, 64, "xla"),
        ("auto", "gpu", "NVIDIA H100 80GB HBM3", "bfloat16", 768, 64, "cudnn"),
        ("auto", "gpu", "NVIDIA H100 80GB HBM3", "float32", 768, 64, "xla"),
        ("auto", "gpu", "Tesla V100-SXM2-16GB", "bfloat16", 768, 64, "xla"),
        ("auto", "tpu", "TPU v5 lite", "bfloat16", 512, 32, "pallas"),
        ("auto", "tpu", "TPU v5 lite", "float32", 512, 32, "xla"),
        ("auto", "tpu", "TPU v5 lite", "bfloat16", 192, 64, "xla"),
        ("xla", "gpu", "NVIDIA H200", "bfloat16", 768, 64, "xla"),
    ],
)
def test_kernel_is_that_of_the_platform(chosen, platform, kind, dtype, width, dim_head, kernel):
    assert kernel_for(chosen, platform, kind, jnp.dtype(dtype), width, dim_head) == kernel


@pytest.mark.parametrize("chosen", ["cudnn", "pallas"])
def test_kernel_that_does_not_run_here_is_refused_by_field(chosen):
    model = spec.Model(spec.ARCHITECTURES["base"], attention=chosen)
    message = rf"model\.attention: expected auto or xla for 12 heads of 64 in bfloat16 on cpu, found {chosen}"
    with pytest.raises(spec.SpecError, match=message):
        kernels_of(model, jax.devices()[0])


def test_kernel_of_the_platform_may_be_asked_for():
    model = spec.Model(spec.ARCHITECTURES["base"], attention="xla")
    assert kernels_of(model, jax.devices()[0]) == ("xla",)
