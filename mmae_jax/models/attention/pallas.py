"""Attention on TPUs by a kernel of our own: one sample's heads at a time lie whole in fast memory.

Sequences here are short enough (50 to 1880 tokens) that no softmax has to be computed piece by piece: a chunk of rows
of scores is made, used and forgotten. The gradient makes them again from queries and keys, so that nothing but the
inputs is kept. Heads of 32 or 64 share the 128 lanes of a register: instead of moving them apart, the lanes of other
heads are set to 0 in one factor of each product, which costs nothing on a matrix unit 128 wide.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import PartitionSpec

from mmae_jax import parallel

LANES = 128
ROWS = 128
"""Rows of scores made at a time."""

_FAST_MEMORY = 16 << 20
"""Bytes that a kernel may use without asking for more."""

ABSENT = -1e30
"""Added to the scores of tokens that are not there; finite, so that a sample without any has no NaN."""


def supports(dtype: jnp.dtype, width: int, dim_head: int) -> bool:
    """Returns whether the kernel takes heads of `dim_head`, `width` wide together: they fill registers."""
    return jnp.dtype(dtype).itemsize == 2 and width % LANES == 0 and LANES % dim_head == 0


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def attention(q: jax.Array, k: jax.Array, v: jax.Array, valid: jax.Array, heads: int) -> jax.Array:
    """Attends from every token `[B, N, H·D]` to those of `[B, M, H·D]` that are `valid` (bool `[B, M]`)."""
    return _call(_forward_kernel, 1, 0, heads, q, k, v, valid)[0]


def _forward(
    q: jax.Array, k: jax.Array, v: jax.Array, valid: jax.Array, heads: int
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    return attention(q, k, v, valid, heads), (q, k, v, valid)


def _backward(heads: int, residuals: tuple[jax.Array, ...], gradient: jax.Array) -> tuple[jax.Array | None, ...]:
    q, k, v, valid = residuals
    return *_call(_backward_kernel, 3, 2, heads, q, k, v, valid, gradient), None


attention.defvjp(_forward, _backward)


def _call(
    kernel: Callable[..., None],
    results: int,
    sums: int,
    heads: int,
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    valid: jax.Array,
    *more: jax.Array,
) -> tuple[jax.Array, ...]:
    """Runs a kernel over samples and groups of heads, each device over its own.

    Results are like the first arrays; `sums` are float32 `[M, 128]`.
    """
    dim_head = q.shape[-1] // heads
    interpret = parallel.platform_of(q)[0] == "cpu"
    bias = jnp.where(valid, 0.0, ABSENT)[:, None]

    def local(bias: jax.Array, *arrays: jax.Array) -> tuple[jax.Array, ...]:
        batch, length, width = arrays[1].shape
        blocks = [
            pl.BlockSpec((1, array.shape[1], LANES), lambda sample, group: (sample, 0, group)) for array in arrays
        ]
        return pl.pallas_call(
            functools.partial(kernel, dim_head),
            grid=(batch, width // LANES),
            in_specs=[pl.BlockSpec((1, 1, length), lambda sample, _: (sample, 0, 0)), *blocks],
            out_specs=tuple(blocks[:results]),
            out_shape=tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays[:results]),
            scratch_shapes=[pltpu.VMEM((length, LANES), jnp.float32)] * sums,
            interpret=interpret,
            name=kernel.__name__.strip("_"),
            compiler_params=_compiler_params(max(length, arrays[0].shape[1])),
        )(bias, *arrays)

    mesh = jax.typeof(q).sharding.mesh
    if mesh.empty:
        return local(bias, q, k, v, *more)
    tokens, rows = PartitionSpec(*parallel.BATCH, None, "tensor"), parallel.BATCH
    in_specs = (rows, *([tokens] * (3 + len(more))))
    spread = jax.shard_map(local, mesh=mesh, in_specs=in_specs, out_specs=(tokens,) * results, check_vma=False)
    return spread(bias, q, k, v, *more)


def _compiler_params(length: int) -> pltpu.CompilerParams:
    # Inputs and results twice (while one sample is computed, the next is read), and a chunk of scores a few times over.
    needed = 20 * length * LANES * 4 + 8 * min(length, ROWS) * length * 4
    return pltpu.CompilerParams(
        dimension_semantics=("parallel", "parallel"), vmem_limit_bytes=max(_FAST_MEMORY, needed)
    )


def _heads(dim_head: int) -> Iterator[jax.Array]:
    """Yields, for each head of a register, which lanes are its own: bool `[1, 128]`."""
    lane = jax.lax.broadcasted_iota(jnp.int32, (1, LANES), 1)
    for head in range(LANES // dim_head):
        yield (lane >= head * dim_head) & (lane < (head + 1) * dim_head)


def _each_chunk(length: int, compute: Callable[[Any], None]) -> None:
    """Calls `compute` with the places of all chunks of rows; equal chunks are compiled once."""
    whole, rest = divmod(length, ROWS)
    if whole:

        @pl.loop(0, whole)
        def _(index: jax.Array) -> None:
            compute(pl.ds(pl.multiple_of(index * ROWS, ROWS), ROWS))

    if rest:
        compute(pl.ds(whole * ROWS, rest))


def _times(a: jax.Array, b: jax.Array, contracted: tuple[int, int]) -> jax.Array:
    """Multiplies matrices along one axis of each; float32."""
    dimensions = (((contracted[0],), (contracted[1],)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32)


def _weights(q: jax.Array, k: jax.Array, bias: jax.Array, dim_head: int) -> jax.Array:
    """Returns the softmax of the scores `[rows, N]`, float32."""
    scores = _times(q, k, (1, 1)) * (1 / math.sqrt(dim_head)) + bias
    powers = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _forward_kernel(dim_head: int, bias_ref: Any, q_ref: Any, k_ref: Any, v_ref: Any, y_ref: Any) -> None:
    bias, k, v = bias_ref[0], k_ref[0], v_ref[0]

    def compute(rows: Any) -> None:
        q = q_ref[0, rows]
        y = jnp.zeros(q.shape, jnp.float32)
        for own in _heads(dim_head):
            weights = _weights(jnp.where(own, q, 0), k, bias, dim_head).astype(v.dtype)
            y = jnp.where(own, _times(weights, v, (1, 0)), y)
        y_ref[0, rows] = y.astype(y_ref.dtype)

    _each_chunk(q_ref.shape[1], compute)


def _backward_kernel(
    dim_head: int,
    bias_ref: Any,
    q_ref: Any,
    k_ref: Any,
    v_ref: Any,
    gradient_ref: Any,
    q_gradient_ref: Any,
    k_gradient_ref: Any,
    v_gradient_ref: Any,
    k_sum_ref: Any,
    v_sum_ref: Any,
) -> None:
    bias, k, v = bias_ref[0], k_ref[0], v_ref[0]
    k_sum_ref[...], v_sum_ref[...] = jnp.zeros(k.shape, jnp.float32), jnp.zeros(v.shape, jnp.float32)

    def compute(rows: Any) -> None:
        q, gradient = q_ref[0, rows], gradient_ref[0, rows]
        q_gradient = jnp.zeros(q.shape, jnp.float32)
        for own in _heads(dim_head):
            own_q, own_gradient = jnp.where(own, q, 0), jnp.where(own, gradient, 0)
            weights = _weights(own_q, k, bias, dim_head)
            of_weights = _times(own_gradient, v, (1, 1))
            mean = jnp.sum(weights * of_weights, axis=-1, keepdims=True)
            of_scores = (weights * (of_weights - mean) * (1 / math.sqrt(dim_head))).astype(k.dtype)
            q_gradient = jnp.where(own, _times(of_scores, k, (1, 0)), q_gradient)
            # Lanes of other heads are 0 in the factor on the right, so that sums over heads mix nothing.
            k_sum_ref[...] += _times(of_scores, own_q, (0, 0))
            v_sum_ref[...] += _times(weights.astype(v.dtype), own_gradient, (0, 0))
        q_gradient_ref[0, rows] = q_gradient.astype(q_gradient_ref.dtype)

    _each_chunk(q_ref.shape[1], compute)
    k_gradient_ref[0] = k_sum_ref[...].astype(k_gradient_ref.dtype)
    v_gradient_ref[0] = v_sum_ref[...].astype(v_gradient_ref.dtype)
