"""Crops of S2-NAIP read few blocks, and samples are windows of the published files."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from array_record.python.array_record_data_source import ArrayRecordDataSource
from rasterio.windows import Window

from data_prep.datasets.s2_naip_urban.contract import CONTRACT
from mmae_jax.data import crops, sample
from mmae_jax.data.shards import open_shards
from mmae_jax.data.tiles import Tile
from tests.data_prep.datasets.s2_naip_urban.tiles import SPLITS, experiment

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


class Counting(list):
    """Records that know which of them were read."""

    def __getitem__(self, index):
        self.read = [*getattr(self, "read", []), index]
        return super().__getitem__(index)


def test_crops_read_little_more_than_they_show(shards):
    described = experiment(shards)
    records = open_shards(described).records(("val",))
    stored = Counting(records[index] for index in range(256))
    encoded = ArrayRecordDataSource([str(path) for path in shards.glob("*-val.array_record*")])
    tile, rng = Tile(stored, CONTRACT, 0), np.random.default_rng(0)

    def amplification(starts: list[tuple[int, int]]) -> float:
        used = read = 0
        for start in starts:
            stored.read = []
            shown = tile.read(start, described.crop_cells)
            used += sum(shown[name]["pixels"].nbytes for name in CONTRACT.modalities)
            read += sum(len(encoded[index]) for index in stored.read)
            assert len(set(stored.read)) == len(stored.read) <= 16
        return read / used

    assert amplification([crops.random_start(rng, 64, 12) for _ in range(50)]) < 2
    assert amplification([crops.fixed_start(index, 5, 64) for index in range(25)]) <= 1.6


def test_samples_have_the_published_shapes_whatever_is_missing(shards):
    described = experiment(shards)
    tiles = open_shards(described).source(SPLITS)
    shapes = {"aerial": (1, 4, 96, 96), "spot": (1, 3, 96, 96), "s2": (16, 10, 12, 12), "s1": (4, 2, 12, 12)}
    few = 0
    for index in range(len(tiles)):
        result = sample.eval_sample(described, tiles[index], 24)
        assert {name: pixels.shape for name, pixels in result["inputs"].items()} == shapes
        np.testing.assert_array_equal(result["inputs"]["spot"], result["inputs"]["aerial"][:, 1:])
        days = result["dates"]["s2"].astype(int) @ [366, 1, 0]
        assert (np.diff(days) >= 0).all()  # bins are periods of time
        few += len(np.unique(days)) <= 5
        whole = tiles[index].read((51, 51), 12)
        stored = {image.tobytes() for image in whole["s2"]["pixels"]}
        assert all(image.tobytes() in stored for image in result["inputs"]["s2"])
        if len(whole["s1"]["dates"]) == 0:
            assert not result["valid"]["s1"].any()
    assert few >= 1


@pytest.mark.parametrize(("crop", "row", "column"), [(0, 0, 0), (7, 12, 25), (23, 51, 38)])
def test_samples_are_windows_of_the_stacked_files(raw, shards, crop, row, column):
    described = experiment(shards)
    tile = open_shards(described).source(("val",))[0]
    name = tile.read((0, 0), 64)["name"].decode()
    result = sample.eval_sample(described, tile, crop)

    def window(path: Path, scale: int) -> np.ndarray:
        with rasterio.open(path) as file:
            return file.read(window=Window(column * scale, row * scale, 12 * scale, 12 * scale))

    aerial = window(raw["stacked"] / "naip" / f"{name}.png", 8)
    np.testing.assert_array_equal(result["inputs"]["aerial"][0], aerial[[3, 0, 1, 2]])
    np.testing.assert_array_equal(result["inputs"]["spot"][0], aerial[:3])
    for sensor, folder, ending in (("s2", "sentinel2", "_stacked"), ("s1", "sentinel1", "")):
        found = result["inputs"][sensor]
        images = window(raw["stacked"] / folder / f"{name}{ending}.tif", 1).reshape(-1, *found.shape[1:])
        scenes = (raw["stacked"] / "dates" / sensor / f"{name}.txt").read_text().split()
        days = [datetime.datetime.strptime(scene.split("_")[-5][:8], "%Y%m%d").timetuple() for scene in scenes]
        published = {(day.tm_year, day.tm_yday, image.tobytes()) for day, image in zip(days, images, strict=True)}
        for (year, day, _), image in zip(result["dates"][sensor].tolist(), found, strict=True):
            assert (year, day, image.tobytes()) in published
