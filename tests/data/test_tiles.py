"""A crop of a tile in blocks is the crop of the whole tile, read from the blocks it touches only."""

import itertools

import numpy as np
import pytest
from immutabledict import immutabledict

from data_prep.shards.blocks import blocks
from mmae_jax import spec
from mmae_jax.data.records import DataError
from mmae_jax.data.tiles import Tile

GRID, BLOCKS = 8, 4


def dataset(num_blocks):
    return spec.Dataset(
        name="blocks",
        version="1.0.0",
        tile_meters=80.0,
        modalities=immutabledict(
            aerial=spec.Modality(("R", "G"), "uint8", "digital number", 5.0, 16),
            s2=spec.Modality(("B04",), "uint16", "reflectance", 10.0, 8, mask_channels=("cloud",)),
        ),
        targets=immutabledict(
            cover=spec.Target("segment", ("a", "b"), "cover", size=16),
            tree=spec.Target("classif", ("a", "b"), "tree"),
        ),
        blocks=num_blocks,
    )


def tile_record():
    rng = np.random.default_rng(0)
    days = np.array([[2020, day, 0] for day in (10, 20, 30)], np.int16)
    return {
        "name": "tile",
        "transform": np.array([5.0, 0, 1000, 0, -5, 2000]),
        "aerial": {"pixels": rng.integers(0, 255, (1, 2, 16, 16)).astype(np.uint8), "dates": days[:1]},
        "s2": {
            "pixels": rng.integers(0, 9999, (3, 1, 8, 8)).astype(np.uint16),
            "dates": days,
            "mask": rng.integers(0, 100, (3, 1, 8, 8)).astype(np.uint8),
        },
        "cover": rng.integers(0, 2, (16, 16)).astype(np.uint8),
        "tree": np.int32(1),
    }


class Counting(list):
    def __getitem__(self, index):
        self.read = [*getattr(self, "read", []), index]
        return super().__getitem__(index)


@pytest.mark.parametrize("cells", [1, 2, 3, 8])
def test_a_crop_of_blocks_equals_the_crop_of_the_tile(cells):
    whole = Tile([tile_record()], dataset(1), 0)
    stored = Counting(blocks(tile_record(), dataset(BLOCKS)))
    for start in itertools.product(range(GRID - cells + 1), repeat=2):
        stored.read = []
        found, expected = Tile(stored, dataset(BLOCKS), 0).read(start, cells), whole.read(start, cells)
        for name in ("aerial", "s2"):
            for part in expected[name]:
                np.testing.assert_array_equal(found[name][part], expected[name][part])
        np.testing.assert_array_equal(found["cover"], expected["cover"])
        assert found["tree"] == 1
        touched = [(first + cells - 1) // 2 - first // 2 + 1 for first in start]
        assert len(stored.read) == touched[0] * touched[1]


def test_blocks_of_a_second_tile_follow_those_of_the_first():
    other = tile_record()
    other["cover"] = 1 - other["cover"]
    stored = [*blocks(tile_record(), dataset(BLOCKS)), *blocks(other, dataset(BLOCKS))]
    np.testing.assert_array_equal(Tile(stored, dataset(BLOCKS), 1).read((0, 0), GRID)["cover"], other["cover"])


def test_a_block_is_georeferenced_at_its_own_corner():
    last = list(blocks(tile_record(), dataset(BLOCKS)))[-1]
    np.testing.assert_array_equal(last["transform"], [5.0, 0, 1060, 0, -5, 1940])


def test_blocks_with_other_dates_are_refused():
    stored = list(blocks(tile_record(), dataset(BLOCKS)))
    stored[1]["s2"] = {name: array[:2] for name, array in stored[1]["s2"].items()}
    with pytest.raises(DataError, match=r"s2.pixels: its blocks differ"):
        Tile(stored, dataset(BLOCKS), 0).read((0, 0), GRID)
