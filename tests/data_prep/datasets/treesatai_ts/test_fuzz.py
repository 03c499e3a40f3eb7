"""Damaged tiles of TreeSatAI-TS are named or read."""

import argparse

import pytest

from data_prep.datasets.treesatai_ts.read import source
from data_prep.readers import isolated
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, number, monkeypatch):
    monkeypatch.setattr(isolated, "SECONDS", 5.0)  # some damages let the library read for ever
    found = read_damaged(
        source(argparse.Namespace(filter_percent=None)),
        raw,
        lambda tile: [raw / "aerial" / tile.aerial, raw / "sentinel-ts" / tile.sentinel],
        number,
    )
    assert found["named"] > number / 4


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_tables(raw, number):
    assert list_damaged(source(argparse.Namespace(filter_percent=None)), raw, number // 4)["named"]
