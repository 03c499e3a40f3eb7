"""Damaged tiles of a described folder are named or read, or a date of theirs is left out."""

import numpy as np
import pytest

from data_prep.datasets.folder.command import source
from data_prep.datasets.folder.description import Files, Folder, Fractions, Raster
from mmae_jax.spec import Modality, Target
from tests.data_prep.datasets.folder.test_folder import write_tif
from tests.data_prep.fuzz import NUMBERS, read_damaged


@pytest.mark.parametrize("number", NUMBERS)
def test_damaged_files(tmp_path, number):
    rng = np.random.default_rng(0)
    for tile in "ab":
        for date in ("20200101", "20200201"):
            write_tif(tmp_path / f"s2/{tile}_{date}.tif", rng.integers(1, 99, (2, 8, 8)).astype(np.uint16), 10)
        pixels = rng.normal(size=(1, 8, 8)).astype(np.float32)
        write_tif(tmp_path / f"dem/{tile}.tif", pixels, 10, compress="deflate", predictor=3)
        write_tif(tmp_path / f"crop/{tile}.tif", rng.integers(0, 2, (1, 8, 8)).astype(np.uint8), 10)
    folder = Folder(
        "d",
        80.0,
        {
            "s2": Files("s2/{tile}_{date}.tif", Modality(("B02", "B03"), "uint16", "", 10.0, size=8)),
            "dem": Files("dem/{tile}.tif", Modality(("height",), "float32", "m", 10.0, size=8), date="20200101"),
        },
        Fractions({"train": 1.0}),
        {"crop": Raster("crop/{tile}.tif", Target("segment", ("x", "y"), "crop", size=8))},
    )
    found = read_damaged(source(folder), tmp_path, lambda tile: sorted(tmp_path.glob(f"*/{tile.name}*.tif")), number)
    assert found["named"] > number / 8
