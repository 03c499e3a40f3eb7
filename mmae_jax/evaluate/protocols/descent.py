"""Linear maps learnt by steps down the gradient of small batches, at several learning rates."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmae_jax import tasks
from mmae_jax.evaluate.protocols.logistic import Linear
from mmae_jax.spec import Target

EPSILON = 1e-5
MOMENTUM = 0.1
"""Of the running means of a batch normalisation, which the fitted map uses."""

Places = Callable[[jax.Array], jax.Array]
"""From what a map gives of vectors, `[B, …, outputs]`, to the outputs at the places of the target."""
Schedule = Callable[[Any, Any, int], jax.Array]
"""The learning rate, of the highest one, the epochs that are over (a fraction), and the number of epochs."""


def warm_cosine(rate: Any, epoch: Any, epochs: int) -> jax.Array:
    """Rises over a tenth of the epochs, then falls to 1e-5 on a cosine."""
    warm = int(0.1 * epochs)
    fallen = (epoch - warm) / (epochs - warm)
    return jnp.where(epoch < warm, rate * epoch / max(warm, 1), _cosine(rate, 1e-5, fallen))


def cosine_by_epoch(rate: Any, epoch: Any, epochs: int) -> jax.Array:
    """Falls to 1e-6 on a cosine, at the end of each epoch."""
    return _cosine(rate, 1e-6, jnp.floor(epoch) / epochs)


def _cosine(rate: Any, least: float, share: Any) -> jax.Array:
    return least + (rate - least) * 0.5 * (1 + jnp.cos(jnp.pi * share))


@dataclasses.dataclass(frozen=True)
class Descent:
    """How a map is learnt, with AdamW.

    Attributes:
      rates: highest learning rates; a map is learnt at each, of the same batches from the same start.
      epochs: times that all samples are seen.
      batch_size: samples of a step.
      schedule: how the rate changes.
      weight_decay: of all parameters.
      normalised: whether a batch normalisation comes before the map; it ends as a part of it.
      together: rates that are worked on at once.
    """

    rates: tuple[float, ...]
    epochs: int
    batch_size: int
    schedule: Schedule
    weight_decay: float = 0.0
    normalised: bool = True
    together: int = 1

    def fit(self, target: Target, samples: Samples, places: Places, width: int, seed: int) -> list[Linear]:
        """Returns the map of each rate.

        Args:
          target: what is learnt; its losses are.
          samples: what is learnt from.
          places: gives outputs at places.
          width: what a map gives of a vector.
          seed: draws start and batches.
        """
        rng = np.random.default_rng(seed)
        number, channels = len(samples.vectors), samples.vectors.shape[-1]
        steps = -(-number // self.batch_size)
        bound = channels**-0.5
        start = {
            "scale": np.ones(channels),
            "shift": np.zeros(channels),
            "weight": rng.uniform(-bound, bound, (channels, width)),
            "bias": rng.uniform(-bound, bound, width),
        }
        start = {name: array.astype(np.float32) for name, array in start.items()}
        orders = np.stack([rng.permutation(number) for _ in range(self.epochs)])
        # −1: no sample, where the last batch is not full
        orders = np.pad(orders, ((0, 0), (0, steps * self.batch_size - number)), constant_values=-1)
        orders = orders.reshape(self.epochs * steps, self.batch_size).astype(np.int32)
        found = _learn(self, target, places, steps, samples, start, orders, np.asarray(self.rates, np.float32))
        weights, biases = (np.asarray(array) for array in found)
        return [Linear(weight, bias) for weight, bias in zip(weights, biases, strict=True)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Samples:
    """What is learnt from: as `mmae_jax.evaluate.protocols.protocol.Labelled`, or rows of it."""

    vectors: Any
    targets: Any
    counted: Any


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _learn(
    how: Descent,
    target: Target,
    places: Places,
    steps: int,
    samples: Samples,
    start: dict[str, jax.Array],
    orders: jax.Array,
    rates: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Returns weights `[R, C, width]` and biases `[R, width]`."""
    channels = samples.vectors.shape[-1]

    def at(rate: jax.Array) -> tuple[jax.Array, jax.Array]:
        optimizer = optax.adamw(
            lambda step: how.schedule(rate, step / steps, how.epochs), weight_decay=how.weight_decay
        )

        def step(state: Any, order: jax.Array) -> tuple[Any, None]:
            params, running, moments = state
            batch = jax.tree.map(lambda array: array[order], samples)
            counted = batch.counted & _there(order, batch.counted.shape)
            weight = _there(order, batch.vectors.shape[:-1])

            def loss(params: dict[str, jax.Array]) -> tuple[jax.Array, Any]:
                mean, variance = _moments(batch.vectors, weight)
                map_weight, map_bias = _joined(params, mean, variance, how.normalised)
                outputs = jnp.dot(batch.vectors, map_weight, precision=jax.lax.Precision.HIGHEST)
                outputs = places(outputs + map_bias.reshape(*(1,) * (outputs.ndim - 1), -1))
                errors = tasks.of(target).error(outputs, batch.targets, counted, jnp.square)
                total = jnp.where(counted, errors, 0).sum() / jnp.maximum(counted.sum(), 1)
                number = weight.sum()
                return total, (mean, variance * number / jnp.maximum(number - 1, 1))

            gradient, seen = jax.grad(loss, has_aux=True)(params)
            updates, moments = optimizer.update(gradient, moments, params)
            running = jax.tree.map(lambda old, new: (1 - MOMENTUM) * old + MOMENTUM * new, running, seen)
            return (optax.apply_updates(params, updates), running, moments), None

        running = (jnp.zeros(channels), jnp.ones(channels))
        (params, running, _), _ = jax.lax.scan(step, (start, running, optimizer.init(start)), orders)
        return _joined(params, *running, how.normalised)

    return jax.lax.map(at, rates, batch_size=how.together)


def _scheduled(how: Descent, rate: jax.Array, steps: int, step: Any) -> jax.Array:
    """Returns the learning rate of a step, of so many in an epoch."""
    return how.schedule(rate, step / steps, how.epochs)


def _there(order: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns bool of a shape, samples first: is it of a sample?"""
    return jnp.broadcast_to((order >= 0).reshape(-1, *(1,) * (len(shape) - 1)), shape)


def _moments(vectors: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns mean and variance `[C]` of the vectors that count."""
    axes = tuple(range(weight.ndim))
    share = (weight / weight.sum())[..., None]
    mean = (vectors * share).sum(axes)
    return mean, (jnp.square(vectors - mean.reshape(*(1,) * weight.ndim, -1)) * share).sum(axes)


def _joined(
    params: dict[str, jax.Array], mean: jax.Array, variance: jax.Array, normalised: bool
) -> tuple[jax.Array, jax.Array]:
    """Returns weight and bias of the normalisation and the map in one."""
    if not normalised:
        return params["weight"], params["bias"]
    scale = params["scale"] * jax.lax.rsqrt(variance + EPSILON)
    shift = params["shift"] - mean * scale
    moved = jnp.dot(shift, params["weight"], precision=jax.lax.Precision.HIGHEST)
    return scale[:, None] * params["weight"], params["bias"] + moved


@dataclasses.dataclass(frozen=True)
class Unit:
    """Mean and deviation of the numbers that are learnt, in which steps are of the same size whatever their unit."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, target: Target, targets: np.ndarray, counted: np.ndarray) -> Unit:
        """Returns those of a target; of classes, nothing changes."""
        if target.classes:
            return cls()
        numbers = targets[counted].astype(np.float64)
        return cls(float(numbers.mean()), max(float(numbers.std()), 1e-6))

    def scaled(self, targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Returns numbers in this unit; 0 where they do not count."""
        if self == Unit():
            return targets
        return np.where(counted, (targets - self.mean) / self.deviation, 0).astype(np.float32)

    def back(self, linear: Linear) -> Linear:
        """Returns a map to the unit of the target, of one to this unit."""
        return Linear(
            linear.weight * np.float32(self.deviation), linear.bias * np.float32(self.deviation) + np.float32(self.mean)
        )
