"""Whether probabilities say how often a prediction is right, and the temperature that makes them do so.

Reliability bins and expected calibration error as Guo et al. 2017 (https://arxiv.org/abs/1706.04599): of classes that
exclude each other the confidence is the largest probability, and right is its class; of several classes each pair of
sample and class counts, with the probability that the sample has the class.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from mmae_jax import tasks
from mmae_jax.spec import Target

BINS = 15
HOTTEST = 1e3
"""Temperatures between 1 / this and this are tried."""
LARGEST_LOGIT = 1e4


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Outputs of single places, tiles or pixels.

    Attributes:
      logits: float32 `[M, C]`.
      targets: class `[M]`, or 0 and 1 of each `[M, C]`.
    """

    logits: np.ndarray
    targets: np.ndarray


def calibration(target: Target, tested: Outputs, val: Outputs | None) -> dict[str, Any] | None:
    """Returns error, bins and temperature as JSON values; None of targets without classes, and where nothing is tested.

    Args:
      target: what is predicted.
      tested: outputs of the evaluated samples.
      val: those of other samples, on which the temperature is chosen; none is chosen where None.
    """
    if not target.classes or not len(tested.logits):
        return None
    error, bins = reliability(*confidences(target, tested, 1.0))
    described: dict[str, Any] = {"ece": error, "temperature": None, "ece_scaled": None, "bins": bins}
    if val is not None and len(val.logits):
        temperature = best_temperature(val)
        scaled, _ = reliability(*confidences(target, tested, temperature))
        described |= {"temperature": temperature, "ece_scaled": scaled}
    return described


def confidences(target: Target, outputs: Outputs, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is said to be how probable, and whether it is so, `[M]` or `[M · C]` each."""
    probability = _probabilities(target, outputs.logits, temperature)
    if outputs.targets.ndim == 2:
        return probability.ravel(), outputs.targets.ravel() == 1
    return probability.max(axis=1), probability.argmax(axis=1) == outputs.targets


def reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[float, list[dict[str, float]]]:
    """Returns the expected calibration error, and mean confidence and accuracy of each bin that is not empty."""
    which = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(which, minlength=BINS)
    said, found = (np.bincount(which, weights, BINS) for weights in (confidence, right.astype(np.float64)))
    there = np.flatnonzero(count)
    bins = [
        {
            "confidence": float(said[one] / count[one]),
            "accuracy": float(found[one] / count[one]),
            "count": int(count[one]),
        }
        for one in there
    ]
    return float(np.abs(said - found).sum() / count.sum()), bins


def best_temperature(outputs: Outputs) -> float:
    """Returns by which number logits are divided for the likelihood of the targets to be largest."""
    from scipy.optimize import minimize_scalar  # takes half a second to import

    def cost(log_temperature: float) -> float:
        return _mean_loss(outputs, float(np.exp(log_temperature)))

    bound = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(cost, bounds=(-bound, bound), method="bounded").x))


def _mean_loss(outputs: Outputs, temperature: float) -> float:
    """Returns the mean negative log-likelihood."""
    logits = _scaled(outputs.logits, temperature)
    if outputs.targets.ndim == 2:
        sign = np.where(outputs.targets == 1, -1, 1)
        return float(np.logaddexp(0, sign * logits).mean())
    largest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return float((total - logits[np.arange(len(logits)), outputs.targets]).mean())


def _probabilities(target: Target, logits: np.ndarray, temperature: float) -> np.ndarray:
    return np.asarray(tasks.of(target).readout(jnp.asarray(_scaled(logits, temperature))))


def _scaled(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Returns logits by a temperature; such as −∞, of what a protocol rules out, are cut off."""
    return np.clip(logits.astype(np.float64), -LARGEST_LOGIT, LARGEST_LOGIT) / temperature
