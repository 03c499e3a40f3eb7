"""The gradients written by hand, and what each of them saves.

- `product`: a gradient that devices would add up in bfloat16, at the loss of its low bits, and an all-reduce in place
  of a reduce-scatter.
- `shifted`, `scaled`: the same loss, for the sums over all tokens that are the gradients of a bias and a scale.
- `whole_vectors`: one small communication per layer and vector, in place of one for the vectors of all layers.
- `normalised`: float32 copies of all tokens, kept for every layer; its input and two numbers a set are enough.
- `gelu`: the same copies of the widest activations there are.
- `moved`: a scatter, which devices do row by row or in an order of their own; it is the gather that moves tokens back.

Automatic differentiation gives the gradient of a bfloat16 operation in bfloat16, and leaves to XLA where it lies.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from mmae_jax import parallel


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def product(formula: str, partition: PartitionSpec, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiplies activations by a kernel in the dtype of the activations.

    Args:
      formula: subscripts for `jnp.einsum`; each letter of an operand is in the other one or in the result.
      partition: how `kernel` is divided over the mesh.
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


@jax.custom_vjp
def scaled(x: jax.Array, scale: jax.Array) -> jax.Array:
    """Multiplies the last axis of `x` by a float32 scale, in its dtype; the gradient of the scale is float32."""
    return x * _along_last_axis(scale, x).astype(x.dtype)


def _scaled_backward(residuals: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, scale = residuals
    along = jnp.sum(x.astype(jnp.float32) * gradient.astype(jnp.float32), axis=tuple(range(x.ndim - 1)))
    return scaled(gradient, scale), along


scaled.defvjp(lambda x, scale: (scaled(x, scale), (x, scale)), _scaled_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def whole_vectors(partition: PartitionSpec, stack: jax.Array) -> jax.Array:
    """Returns the vectors `[depth, width]` of all layers, gathered; their gradient lies by `partition` as they do."""
    return parallel.gathered(stack, partition)


whole_vectors.defvjp(
    lambda partition, stack: (whole_vectors(partition, stack), None),
    lambda partition, _, gradient: (parallel.placed(gradient, partition),),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalised(x: jax.Array, scale: jax.Array, bias: jax.Array, axes: tuple[int, ...], epsilon: float) -> jax.Array:
    """Subtracts the mean and divides by the standard deviation over `axes`, then scales and shifts the last axis.

    Args:
      x: `[..., E]`.
      scale: float32 `[E]`.
      bias: float32 `[E]`.
      axes: axes of one normalised set, as negative numbers.
      epsilon: added to the variance.

    Returns:
      An array like `x`; statistics and affine map are computed in float32.
    """
    return _normalised(x, scale, bias, axes, epsilon)[0]


def _normalised(
    x: jax.Array, scale: jax.Array, bias: jax.Array, axes: tuple[int, ...], epsilon: float
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array, jax.Array]]:
    wide = x.astype(jnp.float32)
    mean = wide.mean(axis=axes, keepdims=True)
    centred = wide - mean
    inverse = jax.lax.rsqrt(jnp.square(centred).mean(axis=axes, keepdims=True) + epsilon)
    result = centred * inverse * _along_last_axis(scale, x) + _along_last_axis(bias, x)
    return result.astype(x.dtype), (x, scale, mean, inverse)


def _normalised_backward(
    axes: tuple[int, ...], _: float, residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, scale, mean, inverse = residuals
    unit, gradient = (x.astype(jnp.float32) - mean) * inverse, gradient.astype(jnp.float32)
    others = tuple(range(x.ndim - 1))
    of_unit = gradient * _along_last_axis(scale, x)
    along = (of_unit * unit).mean(axis=axes, keepdims=True)
    of_x = (of_unit - of_unit.mean(axis=axes, keepdims=True) - unit * along) * inverse
    return of_x.astype(x.dtype), jnp.sum(gradient * unit, axis=others), jnp.sum(gradient, axis=others)


normalised.defvjp(_normalised, _normalised_backward)


def _along_last_axis(vector: jax.Array, like: jax.Array) -> jax.Array:
    return vector.reshape((1,) * (like.ndim - 1) + vector.shape)


@jax.custom_vjp
def gelu(x: jax.Array) -> jax.Array:
    """Returns the exact GELU of `x` in its dtype, computed in float32."""
    return jax.nn.gelu(x.astype(jnp.float32), approximate=False).astype(x.dtype)


def _gelu_backward(x: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    wide = x.astype(jnp.float32)
    bell = jnp.exp(-0.5 * jnp.square(wide))
    slope = 0.5 * jax.lax.erfc(wide * -math.sqrt(0.5)) + wide * bell * (1 / math.sqrt(2 * math.pi))
    return ((slope * gradient.astype(jnp.float32)).astype(x.dtype),)


gelu.defvjp(lambda x: (gelu(x), x), _gelu_backward)


@jax.custom_vjp
def moved(x: jax.Array, places: jax.Array, back: jax.Array) -> jax.Array:
    """Moves tokens.

    Args:
      x: `[B, N, E]`.
      places: int32 `[B, M]`, from where each token of the result comes, each from its own; N where none comes.
      back: int32 `[B, N]`, to where each token of `x` goes; M where it goes nowhere.

    Returns:
      Tokens `[B, M, E]`; 0 where none comes.
    """
    return jnp.take_along_axis(x, places[..., None], axis=1, mode="fill", fill_value=0)


moved.defvjp(
    lambda x, places, back: (moved(x, places, back), (places, back)),
    lambda residuals, gradient: (moved(gradient, *residuals[::-1]), None, None),
)
