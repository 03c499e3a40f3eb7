"""Logistic regression with a quadratic penalty: the minimum that scikit-learn finds, for many strengths in turn.

Vectors are turned to their principal axes. There the curvature of the loss is bounded by a diagonal (D. Böhning,
"Multinomial logistic regression algorithm", 1992), by which L-BFGS is preconditioned: it needs a fraction of the steps.
Turning changes nothing of the penalty.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

LEAST_GAIN = 1e-7
"""The search ends where a step gains less of the mean loss: that of torchgeo-bench."""
LEAST_SLOPE = 1e-6
MOST_STEPS = 2_000


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear map.

    Attributes:
      weight: float32 `[C, outputs]`.
      bias: float32 `[outputs]`.
    """

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Maps float32 `[M, C]` to float32 `[M, outputs]`."""
        return vectors @ self.weight + self.bias


class Turned:
    """Vectors around their mean, on their principal axes.

    Attributes:
      vectors: float32 `[M, C]`.
      spread: float64 `[C]`, the mean square along each axis.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self._mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - self._mean
        spread, self._axes = np.linalg.eigh(centred.T @ centred / len(vectors))
        self.spread = np.maximum(spread, 0)
        self.vectors = (centred @ self._axes).astype(np.float32)

    def back(self, weight: np.ndarray, bias: np.ndarray) -> Linear:
        """Returns the map of vectors that maps turned ones by `weight` `[C, outputs]` and `bias` `[outputs]`."""
        turned = self._axes @ weight
        return Linear(turned.astype(np.float32), (bias - self._mean @ turned).astype(np.float32))


class Logistic:
    """Minimises the mean cross-entropy + |weights|² / (2 C M) over M vectors; biases are free."""

    def __init__(self, vectors: np.ndarray, targets: np.ndarray) -> None:
        """Turns the vectors.

        Args:
          vectors: float32 `[M, C]`.
          targets: 0 or 1, `[M, K]`: one 1 in each row where classes exclude each other.
        """
        self._turned = Turned(vectors)
        self._exclusive = bool((targets.sum(axis=1) == 1).all())
        self._arrays = jnp.asarray(self._turned.vectors), jnp.asarray(targets, jnp.float32)
        self._found = np.zeros((vectors.shape[1] + 1, targets.shape[1]))

    def fit(self, strength: float) -> Linear:
        """Returns the minimum for C = `strength`, looked for from the last one on."""
        penalty = 1 / (strength * len(self._turned.vectors))
        bound = 0.5 if self._exclusive else 0.25
        spread = self._turned.spread
        scale = 1 / np.sqrt(np.append(bound * spread + penalty, bound))

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(self._found.shape) * scale[:, None]
            slope, losses = _loss(jnp.asarray(weights, jnp.float32), *self._arrays, self._exclusive)
            gradient = np.asarray(slope, np.float64)
            gradient[:-1] += penalty * weights[:-1]
            # in float64, or gains as small as the last ones are lost in rounding
            total = np.asarray(losses, np.float64).mean() + penalty / 2 * np.square(weights[:-1]).sum()
            return total, (gradient * scale[:, None]).ravel()

        options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "ftol": LEAST_GAIN, "gtol": LEAST_SLOPE}
        start = (self._found / scale[:, None]).ravel()
        # L-BFGS itself multiplies short vectors, for which threads of a busy machine would wait on each other
        with threadpool_limits(1, "blas"):
            found = minimize(value, start, jac=True, method="L-BFGS-B", options=options).x
        self._found = found.reshape(self._found.shape) * scale[:, None]
        return self._turned.back(self._found[:-1], self._found[-1])


@functools.partial(jax.jit, static_argnums=3)
def _loss(weights: jax.Array, vectors: jax.Array, targets: jax.Array, exclusive: bool) -> tuple[jax.Array, jax.Array]:
    """Returns the gradient of the mean loss, and the loss of each vector `[M]`."""

    def loss(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = jnp.dot(vectors, weights[:-1], precision=jax.lax.Precision.HIGHEST) + weights[-1:]
        losses = (
            optax.softmax_cross_entropy(outputs, targets)
            if exclusive
            else optax.sigmoid_binary_cross_entropy(outputs, targets).sum(axis=1)
        )
        return losses.mean(), losses

    return jax.grad(loss, has_aux=True)(weights)
