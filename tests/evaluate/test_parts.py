"""Which samples belong together, and which part of the labels is taken."""

import itertools
import re

import numpy as np
import pytest

from mmae_jax.evaluate.fractions import part
from mmae_jax.evaluate.groups import GroupBy, numbered
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import SpecError

PLACE = (np.array([500_000.0, 5_600_000.0]), "EPSG:32632")


def strata(*shares, number=1000, seed=0):
    """Samples of one class each, so many of each."""
    classes = np.random.default_rng(seed).permutation(
        np.repeat(np.arange(len(shares)), np.round(np.array(shares) * number).astype(int))
    )
    return classes[:, None] == np.arange(len(shares))


def test_parts_lie_in_each_other_and_are_like_the_whole():
    has = strata(0.7, 0.25, 0.05)
    parts = [part(has, fraction, seed=3) for fraction in (0.01, 0.05, 0.2, 1.0)]
    assert [len(each) for each in parts] == [10, 50, 200, 1000]
    for smaller, larger in itertools.pairwise(parts):
        assert np.isin(smaller, larger).all()
    np.testing.assert_allclose(has[parts[2]].mean(0), [0.7, 0.25, 0.05], atol=0.02)
    assert has[parts[0]].any(0).all(), "one of each class"


def test_the_seed_decides():
    has = strata(0.5, 0.5)
    assert part(has, 0.1, 0).tolist() == part(has, 0.1, 0).tolist()
    assert part(has, 0.1, 0).tolist() != part(has, 0.1, 1).tolist()


def test_of_several_classes_the_rarest_counts_and_samples_without_any_are_left_out():
    has = np.zeros((100, 3), bool)
    has[:90, 0], has[:90:30, 2] = True, True
    taken = part(has, 1.0, 0)
    assert taken.tolist() == list(range(90))
    assert has[part(has, 0.02, 0)].any(0).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"^[A-Z]+", ["AB", "AB", "C"]),
        (r"_(\d)", ["1", "2", "1"]),
    ],
)
def test_names_tell_groups(text, expected):
    tiles = np.array(["AB_1", "AB_2", "C_1"])
    assert GroupBy.parsed(text).names(tiles, np.zeros(3), np.zeros((3, 2))).tolist() == expected
    assert GroupBy().names(tiles, np.zeros(3), np.zeros((3, 2))).tolist() == tiles.tolist()


def test_blocks_are_of_so_many_kilometres_in_any_coordinate_system():
    steps = np.arange(100) * 250.0
    centres, crs = PLACE[0] + steps[:, None] * [1, 0], np.array([PLACE[1]] * 100)
    groups = GroupBy.parsed("5 km").names(np.array(["t"] * 100), crs, centres)
    counts = np.bincount(numbered(groups))
    assert len(counts) == 6
    assert counts.max() in (20, 21)
    # the same places in longitude and latitude
    from rasterio.warp import transform

    degrees = np.transpose(transform(PLACE[1], "EPSG:4326", *centres.T))
    again = GroupBy.parsed("5km").names(np.array(["t"] * 100), np.array(["EPSG:4326"] * 100), degrees)
    assert again.tolist() == groups.tolist()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("0km", UsageError, "expected a length above 0, found 0km"),
        ("(", UsageError, "expected such as 5km, or a regular expression, found '('"),
        ("^x", SpecError, "tile AB_1: its name does not match '^x'"),
        ("5km", SpecError, "tile AB_1: where it lies is not known; group by names"),
    ],
)
def test_mistakes_are_told(text, error, message):
    with pytest.raises(error, match=re.escape(message)):
        GroupBy.parsed(text).names(np.array(["AB_1"]), np.array([""]), np.full((1, 2), np.nan))
