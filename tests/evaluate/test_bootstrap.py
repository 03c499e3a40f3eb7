"""Intervals: how often they hold the truth, what is drawn together, and that nothing depends on how work is cut."""

import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.evaluate import bootstrap
from mmae_jax.evaluate.bootstrap import Interval, drawn, resampled

TARGET = spec.Target("multilabel", ("a",), "labels")


def samples(right: np.ndarray) -> dict[str, np.ndarray]:
    """Samples of one class that all have, found where `right`: their F1 tells which share is."""
    logits = np.where(right, 1, -1).astype(np.float32)[:, None]
    return {"logits": logits, "targets": np.ones_like(logits, np.int32), "counted": np.ones(len(logits), bool)}


def error(right: np.ndarray, groups: np.ndarray, number: int, seed: int = 0) -> Interval:
    """Interval of the mean of `right`, as of a tile's number that is 0."""
    sums = dict.fromkeys(("mean", "spread", "predicted"), np.zeros(len(right)))
    sums |= {"count": np.ones(len(right)), "absolute": right.astype(float), "squared": right.astype(float)}
    target = spec.Target("regression", (), "number")
    return resampled(target, sums, groups, number, seed).intervals()["mae"]


def test_half_of_the_groups_are_drawn_whole():
    groups = np.asarray([0, 1, 1, 2, 0, 3])
    weights = np.concatenate(list(drawn(groups, 50, 7, seed=1)))
    assert weights.shape == (50, 6)
    assert (weights[:, [0, 1, 3, 5]].sum(1) == 2).all()
    odd = np.concatenate(list(drawn(np.arange(5), 50, 7, seed=1)))
    assert odd.sum(1).tolist() == [2, 3] * 25
    np.testing.assert_array_equal(weights[:, [0, 1]], weights[:, [4, 2]])


def test_intervals_depend_on_the_seed_and_on_nothing_else(monkeypatch):
    right, groups = np.random.default_rng(0).random(30) < 0.7, np.arange(30)
    whole = resampled(TARGET, samples(right), groups, 40).intervals()
    monkeypatch.setattr(bootstrap, "MOST_NUMBERS", 100)
    again, other = (resampled(TARGET, samples(right), groups, 40, seed=seed).intervals() for seed in (0, 1))
    assert again["micro_f1"] == whole["micro_f1"]
    assert other["micro_f1"] != whole["micro_f1"]


def test_a_difference_is_drawn_together():
    rng = np.random.default_rng(0)
    hard = rng.random(200) < 0.5
    first, second = hard, hard & (rng.random(200) < 0.98)
    one, other = (resampled(TARGET, samples(right), np.arange(200), 300) for right in (first, second))
    difference, apart = one.minus(other)["micro_f1"], one.intervals()["micro_f1"]
    assert difference.value == one.values["micro_f1"] - other.values["micro_f1"]
    assert 0 <= difference.low <= difference.value <= difference.high
    assert difference.high - difference.low < (apart.high - apart.low) / 3
    same = one.minus(one)["micro_f1"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_copies_of_a_sample_do_not_narrow_the_interval_of_its_group():
    right = np.random.default_rng(0).random(50) < 0.7
    once = error(right, np.arange(50), 200)
    copies = error(np.repeat(right, 9), np.repeat(np.arange(50), 9), 200)
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high))


def test_one_group_has_no_interval():
    found = error(np.ones(5), np.zeros(5, int), 20)
    assert found.value == 1
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 5], ids=["samples", "groups"])
def test_intervals_hold_the_truth_in_95_of_100_cases(size):
    """1000 evaluations of 200 groups, whose samples are right or wrong together, mostly: all of them, 70 % in truth."""
    rng, held = np.random.default_rng(0), 0
    groups = np.repeat(np.arange(200), size)
    for seed in range(1000):
        alike = rng.random(200) < 0.7
        right = np.where(rng.random(len(groups)) < 0.8, alike[groups], rng.random(len(groups)) < 0.7)
        interval = error(right, groups, 400, seed)
        held += interval.low <= 0.7 <= interval.high
    assert 930 <= held <= 970
