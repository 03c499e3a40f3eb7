"""The three gradients written by hand, and what each of them saves.

- `product`: a gradient that devices would add up in bfloat16, at the loss of its low bits, and an all-reduce in place
  of a reduce-scatter.
- `shifted`: the same loss, for the sum over all tokens that is the gradient of a bias.
- `whole_vectors`: one small communication per layer and vector, in place of one for the vectors of all layers.

Automatic differentiation gives the gradient of a bfloat16 operation in bfloat16, and leaves to XLA where it lies.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from mmae_jax import parallel


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def product(formula: str, partition: PartitionSpec, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiplies activations by a kernel in the dtype of the activations.

    Args:
      formula: of `jnp.einsum`; each letter of an operand is in the other one or in the result.
      partition: where `kernel` stays.
      x: activations; first axis the batch.
      kernel: parameter, float32.

    Returns:
      `jnp.einsum(formula, x, kernel)`; the gradient of `kernel` is float32 and lies like `kernel`.
    """
    return jnp.einsum(formula, x, _used(kernel, partition, x.dtype))


def _used(kernel: jax.Array, partition: PartitionSpec, dtype: jnp.dtype) -> jax.Array:
    """Rounded first, gathered then: half the bytes."""
    return parallel.gathered(kernel.astype(dtype), partition)


def _forward(
    formula: str, partition: PartitionSpec, x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return product(formula, partition, x, kernel), (x, kernel)


def _backward(
    formula: str, partition: PartitionSpec, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    operands, result = formula.split("->")
    of_x, of_kernel = operands.split(",")
    kernel_gradient = jnp.einsum(f"{of_x},{result}->{of_kernel}", x, gradient, preferred_element_type=jnp.float32)
    x_gradient = jnp.einsum(f"{result},{of_kernel}->{of_x}", gradient, _used(kernel, partition, x.dtype))
    return x_gradient, parallel.placed(kernel_gradient, partition)


product.defvjp(_forward, _backward)


@jax.custom_vjp
def shifted(x: jax.Array, bias: jax.Array) -> jax.Array:
    """Adds a float32 bias along the last axes of `x`, in its dtype; the gradient of the bias is float32."""
    return x + bias.reshape((1,) * (x.ndim - bias.ndim) + bias.shape).astype(x.dtype)


def _shifted_backward(axes: tuple[int, ...], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    return gradient, jnp.sum(gradient, axis=axes, dtype=jnp.float32)


shifted.defvjp(
    lambda x, bias: (shifted(x, bias), tuple(range(x.ndim - bias.ndim))),
    _shifted_backward,
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def whole_vectors(partition: PartitionSpec, stack: jax.Array) -> jax.Array:
    """Returns the vectors `[depth, width]` of all layers, gathered; their gradient lies by `partition` as they do."""
    return parallel.gathered(stack, partition)


whole_vectors.defvjp(
    lambda partition, stack: (whole_vectors(partition, stack), None),
    lambda partition, _, gradient: (parallel.placed(gradient, partition),),
)
