"""How often intervals hold what is expected: 1000 evaluations of 200 samples, by two models that find the same hard."""

import numpy as np
import pytest

from mmae_jax.evaluate.bootstrap import resampled
from mmae_jax.spec import Target
from tests.evaluate.vectors import BIOMASS

REPETITIONS, SAMPLES, DRAWS = 1000, 200, 500
SHARES = np.array([0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05])
CLASSES = tuple("abcdefgh")


def logits(rng, has, strength, hard):
    return (hard + rng.normal(size=hard.shape) / 2 + strength * has).astype(np.float32)


def accuracy(rng):
    targets, hard = rng.choice(8, SAMPLES, p=SHARES / SHARES.sum()), rng.normal(size=(SAMPLES, 8))
    known = {"targets": targets.astype(np.int32), "counted": np.ones(SAMPLES, bool)}
    return [known | {"logits": logits(rng, np.eye(8)[targets], strength, hard)} for strength in (1.8, 1.5)]


def precision(rng):
    targets, hard = rng.random((SAMPLES, 8)) < SHARES, rng.normal(size=(SAMPLES, 8))
    known = {"targets": targets.astype(np.int32), "counted": np.ones(SAMPLES, bool)}
    return [known | {"logits": logits(rng, targets, strength, hard)} for strength in (1.5, 1.2)]


def errors(rng):
    true, hard, found = rng.gamma(2, 10, SAMPLES), rng.normal(size=SAMPLES), []
    for spread in (4, 5):
        error = spread * (hard + 0.7 * rng.normal(size=SAMPLES))
        sums = {"count": np.ones(SAMPLES), "mean": true, "spread": np.zeros(SAMPLES), "predicted": true + error}
        found.append(sums | {"absolute": abs(error), "squared": error**2})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "metric", "draw"),
    [
        (Target("classif", CLASSES, "class"), "overall_accuracy", accuracy),
        (Target("multilabel", CLASSES, "classes"), "weighted_ap", precision),
        (BIOMASS, "rmse", errors),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_intervals_hold_what_is_expected_in_95_of_100_cases(target, metric, draw):
    scores, differences = [], []
    for number in range(REPETITIONS):
        samples = draw(np.random.default_rng(number))
        one, other = (resampled(target, each, np.arange(SAMPLES), DRAWS, seed=number) for each in samples)
        scores.append(one.intervals()[metric])
        differences.append(one.minus(other)[metric])
    for intervals in (scores, differences):
        expected = np.mean([interval.value for interval in intervals])
        held = sum(interval.low <= expected <= interval.high for interval in intervals)
        print(metric, held)
        assert 930 <= held <= 970
