"""Intervals hold what they say, and verdicts follow from them."""

import numpy as np
import pytest

from mmae_jax.claims.claim import Comparison
from mmae_jax.claims.verdict import FAILS, HOLDS, OPEN, half_width, verdict

CLAIM = Comparison("a beats b", "a", "b", margin=0.02)


def told(differences, comparison=CLAIM, tested=None):
    worse = np.full((len(differences), 1), 0.5)
    return verdict(comparison, worse + np.array(differences)[:, None], worse, tested=tested)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.10, 0.12, 0.11], HOLDS),
        ([0.001, -0.002, 0.0], FAILS),
        ([-0.10, -0.12, -0.11], FAILS),
        ([0.012, 0.011, 0.0115], FAILS),  # there, but too small to count
        ([0.10, -0.12, 0.11], OPEN),
        ([0.10], OPEN),  # one fold tells nothing
    ],
)
def test_a_verdict_follows_from_the_interval(differences, expected):
    assert told(differences).verdict == expected


def test_at_most_a_point_behind_is_a_claim_too():
    behind = Comparison("a is at most a point behind b", "a", "b", least=-0.01)
    assert told([-0.001, 0.001, 0.0], behind).verdict == HOLDS
    assert told([-0.05, -0.06, -0.055], behind).verdict == FAILS


def test_seeds_are_averaged_within_their_fold():
    rng = np.random.default_rng(0)
    better, worse = rng.random((4, 3)), rng.random((4, 3))
    found = verdict(CLAIM, better, worse, tested=None)
    again = verdict(CLAIM, better[:, ::-1], worse[:, ::-1], tested=None)
    assert (found.difference, found.low, found.high) == pytest.approx((again.difference, again.low, again.high))
    assert found.difference == pytest.approx((better - worse).mean())


def test_an_interval_of_independent_folds_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.03, 0.1, (4000, 5))
    held = [abs(draw.mean() - 0.03) < half_width(draw, None) for draw in draws]
    assert 0.94 < np.mean(held) < 0.96


def test_folds_of_the_same_data_have_wider_intervals():
    differences = np.array([0.01, 0.02, 0.03, 0.01, 0.02])
    # five folds, each tested on a fifth and trained on three: sqrt(1/5 + 1/3) against sqrt(1/5)
    assert half_width(differences, 1 / 3) / half_width(differences, None) == pytest.approx(np.sqrt(8 / 3))
