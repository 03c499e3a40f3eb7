"""AdamW, its one-cycle learning rate, and the momentum of the weights' moving average (docs/method.md §8)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from mmae_jax import spec

WARM_UP = 0.2
INITIAL_FACTOR = 1e3


def learning_rate(phase: spec.Phase, total_steps: int) -> optax.Schedule:
    """Returns the one-cycle cosine schedule of a phase (docs/method.md §8): step → learning rate, float32.

    The rate rises from `peak / 1000` to the peak at step `0.2 · total_steps − 1` and falls to `peak / final_factor` at
    step `total_steps − 1`, where it stays. Phases too short to warm up start at the peak.

    Args:
      phase: gives `peak_lr` and `final_factor`.
      total_steps: optimiser steps of the whole phase.

    Raises:
      ValueError: `total_steps` is not positive.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps: expected a positive number, found {total_steps}")
    peak = phase.peak_lr
    initial, final = peak / INITIAL_FACTOR, peak / phase.final_factor
    last = total_steps - 1
    peak_step = max(WARM_UP * total_steps - 1, 0.0)

    def schedule(step: jax.typing.ArrayLike) -> jax.Array:
        step = jnp.asarray(step)
        risen = step / peak_step if peak_step > 0 else jnp.ones_like(step, jnp.float32)
        # Counting down from the last step keeps the end of the curve exact in float32.
        remaining = (last - step) / (last - peak_step) if last > peak_step else jnp.ones_like(step, jnp.float32)
        rising = initial + (peak - initial) * _half_cosine(risen)
        falling = final + (peak - final) * _half_cosine(remaining)
        return jnp.where(step <= peak_step, rising, falling)

    return schedule


def _half_cosine(fraction: jax.Array) -> jax.Array:
    """Returns `(1 − cos π·fraction) / 2` without cancellation near 0."""
    return jnp.sin(jnp.pi / 2 * jnp.clip(fraction, 0.0, 1.0)) ** 2


def optimizer(phase: spec.Phase, total_steps: int) -> optax.GradientTransformation:
    """Returns AdamW with decoupled weight decay on every parameter it is given (docs/method.md §8).

    Args:
      phase: gives `b1`, `b2`, `weight_decay` and the learning rate.
      total_steps: optimiser steps of the whole phase.
    """
    return optax.adamw(
        learning_rate(phase, total_steps),
        b1=phase.b1,
        b2=phase.b2,
        eps=1e-8,
        weight_decay=phase.weight_decay,
    )


def ema_momentum(epochs: int) -> float:
    """Returns how much of the moving average of the weights survives an epoch, in [0, 1) (docs/method.md §8).

    Args:
      epochs: length of the phase.
    """
    return max(0.0, 1 - 1 / (0.2 * epochs))
