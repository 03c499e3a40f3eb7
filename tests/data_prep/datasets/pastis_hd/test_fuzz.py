"""Damaged patches of PASTIS-HD are named or read."""

import argparse

import pytest

from data_prep.datasets.pastis_hd.read import SERIES, source, spot_path, target_path
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, number):
    found = read_damaged(
        source(argparse.Namespace(filter_percent=None, fold=None)),
        raw,
        lambda patch: [
            spot_path(raw, patch),
            target_path(raw, patch),
            *(series.path(raw, patch) for series in SERIES.values()),
        ],
        number,
    )
    assert found["named"] > number / 8


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_tables(raw, number):
    assert list_damaged(source(argparse.Namespace(filter_percent=None, fold=None)), raw, number // 4)["named"]
