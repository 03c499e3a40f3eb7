"""A square of a scene on the place of a tile is the tile's record as `data_prep folder` prepares it."""

import dataclasses

import numpy as np
import pytest

from data_prep.datasets.folder.description import Files, Folder, InNames
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.scenes import open_scene
from tests.data_prep.scenes.scenery import AERIAL, LEFT, S1, S2, TOP, describe, experiment, values, write

MASKED = dataclasses.replace(S2, mask_channels=("snow", "cloud"))
SENSORS = {"aerial": AERIAL, "s2": MASKED, "s1": S1}
DATES = ("20170115", "20170302", "20171224")


@pytest.fixture
def folder(tmp_path):
    """Four tiles of 20 m of one area, each in files of its own."""
    for row in range(2):
        for column in range(2):
            place, seed = {"left": LEFT + 20 * column, "top": TOP - 20 * row}, 10 * row + column
            tile = f"train_{row}{column}"
            write(tmp_path / f"aerial/{tile}.tif", values(2, 20, 20, seed=seed), 1.0, **place)
            for date in DATES:
                s2 = values(2, 2, 2, seed=seed + int(date), dtype="uint16", low=0, high=9000)
                write(tmp_path / f"s2/{tile}_{date}.tif", s2, 10.0, **place, names=("B02", "B08"), nodata=0)
                write(tmp_path / f"masks/{tile}_{date}.tif", values(2, 2, 2, seed=seed, high=100), 10.0, **place)
                s1 = values(2, 2, 2, seed=seed + int(date)).astype(np.float32) / 100
                s1[0, 0, 0] = np.nan
                write(tmp_path / f"s1/{tile}_{date}.tif", s1, 10.0, **place)
    return tmp_path


def test_a_square_is_the_record_of_the_tile(folder):
    images = {
        "aerial": Files("aerial/{split}_{tile}.tif", AERIAL, date="20170701"),
        "s2": Files("s2/{split}_{tile}_{date}.tif", MASKED, masks="masks/{split}_{tile}_{date}.tif"),
        "s1": Files("s1/{split}_{tile}_{date}.tif", S1),
    }
    described = Folder("tiny", 20.0, images, InNames())
    text = (
        "sensors={'aerial': Images('aerial/*.tif', date='2017-07-01'), 's1': Images('s1/*_{date}.tif'), "
        "'s2': Images('s2/*_{date}.tif', masks='masks/*_{date}.tif')}"
    )
    scene = open_scene(describe(folder, text), experiment(**SENSORS))
    for tile in list_tiles(described, folder)["train"]:
        prepared, _ = read_tile(described, folder, tile)
        row, column = map(int, tile.name)
        found = scene.read((2 * row, 2 * column), 2)
        assert found.keys() <= prepared.keys()
        np.testing.assert_array_equal(found["ref_date"], prepared["ref_date"])
        for name in SENSORS:
            assert found[name].keys() == prepared[name].keys()
            for part, array in prepared[name].items():
                assert found[name][part].dtype == array.dtype
                np.testing.assert_array_equal(found[name][part], array)
