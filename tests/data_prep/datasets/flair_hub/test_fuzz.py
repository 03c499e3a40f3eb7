"""Damaged patches of FLAIR-HUB are named or read."""

import argparse

import pytest

from data_prep.datasets.flair_hub.read import FOLDERS, MASK_FOLDER, TARGET_FOLDERS, source
from tests.data_prep.fuzz import NUMBERS, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, number):
    chosen = {"csv_dir": None, "version": None, "filter_percent": None, "official_split": None, "flair2_areas": None}
    folders = (*FOLDERS.values(), MASK_FOLDER, *TARGET_FOLDERS.values())
    found = read_damaged(
        source(argparse.Namespace(**chosen)), raw, lambda patch: [patch.path(raw, each) for each in folders], number
    )
    assert found["named"] > number / 4
