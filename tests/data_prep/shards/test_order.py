"""Acquisitions are stored in order of time, whatever the order of their files."""

import numpy as np

from data_prep.shards.prepare import prepare
from tests.data_prep.conftest import records
from tests.data_prep.shards.tiny import Tile, source, tile_record


def unsorted(_raw_dir, tile):
    record = tile_record(tile.name, [(2020, 9, 1), (2019, 300, 0), (2020, 9, 0)])
    record["s"]["pixels"] = np.array([3, 1, 2], np.uint8).reshape(-1, 1, 1, 1)
    return record, 0


def test_stored_in_time_with_their_pixels(tmp_path):
    (tmp_path / "raw").mkdir()
    prepare(source({"train": [Tile("a")]}, unsorted), tmp_path / "raw", tmp_path / "out")
    stored = records(tmp_path / "out")["a"]["s"]
    np.testing.assert_array_equal(stored["dates"], [[2019, 300, 0], [2020, 9, 0], [2020, 9, 1]])
    np.testing.assert_array_equal(stored["pixels"].ravel(), [1, 2, 3])
