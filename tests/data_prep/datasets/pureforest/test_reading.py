"""PureForest: images and classes as published, height models as a slow reading of the point clouds makes them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import laspy
import numpy as np
import rasterio

from configs.pureforest import get_config
from data_prep.datasets.pureforest.contract import CLASSES, CONTRACT, SPECIES
from data_prep.datasets.pureforest.height_model import GROUND, NOISE, Points, Square
from mmae_jax import config
from mmae_jax.contract import read_contract
from mmae_jax.data import sample
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records
from tests.data_prep.datasets.pureforest.patches import first, heights_of, prepare, read

SPLITS = ("train", "val", "test")


def test_stored_heights_are_those_of_the_points_to_a_centimetre(published):
    record = read(published)
    tile = first(published)
    las = laspy.read(published / "lidar" / "train" / f"{tile.name}.laz")
    square = Square(record["transform"][2], record["transform"][5], 0.5, 100)
    classes = np.asarray(las.classification)
    points = Points(*(np.asarray(part, float) for part in (las.x, las.y, las.z)), classes)
    heights = heights_of(record)[0]
    highest = np.full((100, 100), -np.inf)
    for x, y, z, kind in zip(points.x, points.y, points.z, classes, strict=True):
        if kind not in NOISE:
            cell = min(int((square.north - y) * 2 + 1e-6), 99), min(int((x - square.west) * 2 + 1e-6), 99)
            highest[cell] = max(z, highest[cell])
    seen = np.isfinite(highest)
    assert (np.abs(heights[0][seen] - highest[seen]) < 0.00501).mean() > 0.95  # else: the ground around is higher
    assert (heights[0][seen] - highest[seen] > -0.00501).all()
    assert (np.abs(heights[1]) < heights[0].max() + 1).all()
    ground = points[classes == GROUND]
    assert ground.z.min() - 0.01 <= np.median(heights[1]) <= ground.z.max() + 0.01
    assert record["height"]["pixels"].dtype == np.uint16


def test_images_classes_and_places_are_the_published_ones(made_up, shards):
    with (made_up / "metadata" / "PureForest-patches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for split in SPLITS:
        prepared = records(shards, split)
        listed = [row for row in rows if row["split"] == split]
        assert sorted(prepared) == sorted(row["patch_id"] for row in listed)
        for row in listed:
            record = prepared[row["patch_id"]]
            assert record["tree_class"] == int(row["class_index"])
            assert tuple(SPECIES)[record["species"]].replace("_", " ") == row["name_latin"]
            with rasterio.open(made_up / "imagery" / split / f"{split.upper()}-{row['patch_id']}.tiff") as file:
                np.testing.assert_array_equal(record["aerial"]["pixels"], file.read()[None])
                np.testing.assert_array_equal(record["transform"], file.transform[:6])
                assert rasterio.crs.CRS.from_wkt(record["crs"].decode()) == file.crs
            np.testing.assert_array_equal(record["ref_date"], [2020, 183, 0])


def test_the_contract_is_complete():
    assert list(CLASSES)[:3] == ["Deciduous oak", "Evergreen oak", "Beech"]
    assert len(CLASSES) == len(set(CLASSES.values())) == 13
    assert len(SPECIES) == len(set(SPECIES.values())) == 18
    assert CONTRACT.modalities["height"].quantum == 0.01


def test_samples_hold_heights_with_their_base(shards):
    fields = get_config()
    fields.data.dir = str(shards)
    experiment = config.experiment_from_config(fields)
    assert read_contract(shards) == CONTRACT
    tiles = open_shards(experiment).source(("train",))
    without = 0
    for index in range(len(tiles)):
        result = sample.eval_sample(experiment, tiles[index], 0)
        assert result["inputs"]["height"].shape == (1, 2, 100, 100)
        without += not result["valid"]["height"].any()
        if result["valid"]["height"].any():
            metres = result["base"]["height"] + 0.01 * result["inputs"]["height"].astype(float)
            assert 0 < metres.min() < metres.max() < 2000
    assert without == 1


def test_made_up_bytes_depend_on_the_seed_only(made_up, tmp_path):
    prepare("synthetic", "pureforest", f"--out_dir={tmp_path / 'again'}", "--tiles=7")

    def digests(folder: Path) -> list[tuple[str, str]]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]

    assert digests(tmp_path / "again") == digests(made_up)
