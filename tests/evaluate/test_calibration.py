"""Reliability and temperature, on outputs whose probabilities are known."""

import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.evaluate.calibration import Outputs, best_temperature, calibration, confidences, reliability

EXCLUSIVE = spec.Target("classif", ("a", "b", "c"), "labels")
SEVERAL = spec.Target("multilabel", ("a", "b"), "labels")


def outputs(target: spec.Target, temperature: float, number: int = 20_000, seed: int = 0) -> Outputs:
    """Classes drawn by their probabilities, with logits that are `temperature` times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (number, target.num_classes)).astype(np.float32)
    if target is SEVERAL:
        targets = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int32)
    else:
        targets = (logits + rng.gumbel(size=logits.shape)).argmax(1).astype(np.int32)
    return Outputs(logits * np.float32(temperature), targets)


@pytest.mark.parametrize("target", [EXCLUSIVE, SEVERAL], ids=["exclusive", "several"])
@pytest.mark.parametrize("temperature", [1, 3, 0.5])
def test_the_temperature_is_found_and_makes_probabilities_true(target, temperature):
    found = calibration(target, outputs(target, temperature), outputs(target, temperature, seed=1))
    assert found["temperature"] == pytest.approx(temperature, rel=0.05)
    assert found["ece_scaled"] < 0.015
    assert (found["ece"] > 0.05) == (temperature != 1)
    assert sum(bin["count"] for bin in found["bins"]) == 20_000 * (2 if target is SEVERAL else 1)


def test_bins_hold_what_they_say():
    error, bins = reliability(np.asarray([0.0, 0.05, 0.99, 1.0]), np.asarray([False, True, True, True]))
    assert bins == [
        {"confidence": pytest.approx(0.025), "accuracy": 0.5, "count": 2},
        {"confidence": pytest.approx(0.995), "accuracy": 1.0, "count": 2},
    ]
    assert error == pytest.approx(0.5 * 0.475 + 0.5 * 0.005)


def test_confidence_is_that_of_the_predicted_class():
    confidence, right = confidences(
        EXCLUSIVE, Outputs(np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]), np.asarray([0, 1])), 1
    )
    assert confidence == pytest.approx([0.7, 0.8])
    assert right.tolist() == [True, False]


def test_what_is_ruled_out_stays_a_number():
    ruled_out = Outputs(np.asarray([[0, -np.inf, 0], [0, 0, -np.inf]], np.float32), np.asarray([0, 1]))
    assert np.isfinite(best_temperature(ruled_out))


def test_numbers_and_nothing_have_none():
    assert calibration(spec.Target("regression", (), "n"), Outputs(np.ones((3, 1)), np.ones(3)), None) is None
    assert calibration(EXCLUSIVE, Outputs(np.ones((0, 3)), np.ones(0)), None) is None
    assert calibration(EXCLUSIVE, outputs(EXCLUSIVE, 1), None)["temperature"] is None
