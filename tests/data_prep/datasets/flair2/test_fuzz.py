"""Damaged patches of FLAIR#2 are named or read."""

import argparse

import pytest

from data_prep.__main__ import main
from data_prep.datasets.flair2.read import source
from tests.data_prep.fuzz import NUMBERS, list_damaged, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(tmp_path, number):
    raw = tmp_path / "raw"
    assert main(["synthetic", "flair2", f"--out_dir={raw}", "--tiles=3", "--s2_dates=4"]) == 0
    found = read_damaged(
        source(argparse.Namespace()),
        raw,
        lambda patch: [
            patch.path(raw, 0, "img", f"IMG_{patch.number}.tif"),
            patch.path(raw, 1, "msk", f"MSK_{patch.number}.tif"),
            *(patch.sentinel(raw, part) for part in ("data.npy", "masks.npy", "products.txt")),
        ],
        number,
    )
    assert found["named"] > number / 8
    assert list_damaged(source(argparse.Namespace()), raw, number // 4)["named"]
