"""Damaged patches of PureForest are named or read."""

import argparse

import pytest

from data_prep.datasets.pureforest.read import source
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, number):
    found = read_damaged(
        source(argparse.Namespace()),
        raw,
        lambda tile: [
            raw / "imagery" / tile.split / f"{tile.name}.tiff",
            raw / "lidar" / tile.split / f"{tile.name}.laz",
        ],
        number,
    )
    assert found["named"] > number / 4


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_tables(raw, number):
    assert list_damaged(source(argparse.Namespace()), raw, number // 4)["named"]
