"""Damaged tiles of S2-NAIP are named or read."""

import shutil

import pytest

from data_prep.datasets.s2_naip_urban import files
from tests.data_prep.datasets.s2_naip_urban.tiles import source
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged


@pytest.mark.parametrize("layout", ["published", "archives", "stacked"])
@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(raw, tmp_path, layout, number):
    raw_dir = shutil.copytree(raw[layout], tmp_path / "raw")
    archives = sorted(raw_dir.glob("*_?????/*.tar"))

    def files_of(tile):
        files.members.cache_clear()  # of archives as they were
        return archives or sorted(raw_dir.glob(f"**/{tile.name}*.*"))

    found = read_damaged(source(), raw_dir, files_of, number if layout == "published" else number // 4)
    assert sum(found.values()) >= number // 4


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_tables(damaged, number):
    assert list_damaged(source(), damaged, number // 4)["named"]
