"""Damaged patches of FLAIR-HUB are named or read."""

import argparse

import pytest

from data_prep.datasets.flair_hub import date_tables, read
from data_prep.datasets.flair_hub.read import FOLDERS, MASK_FOLDER, TARGET_FOLDERS, source
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged

CHOSEN = {"csv_dir": None, "version": None, "filter_percent": None, "official_split": None, "flair2_areas": None}


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_tables(raw, number, monkeypatch):
    monkeypatch.setattr(read, "date_tables", date_tables.date_tables.__wrapped__)  # not those of a file as it was
    assert list_damaged(source(argparse.Namespace(**CHOSEN)), raw, number // 12)["named"]


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, number):
    folders = (*FOLDERS.values(), MASK_FOLDER, *TARGET_FOLDERS.values())
    found = read_damaged(
        source(argparse.Namespace(**CHOSEN)), raw, lambda patch: [patch.path(raw, each) for each in folders], number
    )
    assert found["named"] > number / 4
