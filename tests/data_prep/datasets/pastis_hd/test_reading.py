"""Samples are what a slow reading of the raw files gives, from few bytes and in little memory."""

import dataclasses
import itertools
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform as reproject

from data_prep.datasets.pastis_hd.contract import CONTRACT
from data_prep.datasets.pastis_hd.metadata import official_fold, read_patches
from data_prep.datasets.pastis_hd.read import SERIES, read_tile, spot_path
from data_prep.shards.blocks import blocks
from data_prep.shards.records import features
from mmae_jax.contract import read_contract
from mmae_jax.data import crops, sample
from mmae_jax.data.shards import open_shards
from mmae_jax.data.tiles import Tile
from tests.data_prep.datasets.pastis_hd.raw_files import (
    NAMES,
    day_of_year,
    metadata,
    published_arrays,
    replace,
    save,
    with_table,
)
from tests.places import ROOT

NODATA = -10_000


def assert_published(found, raw_dir, name, start, experiment):
    """Asserts that a sample without augmentation shows the raw values of its crop on the dates it tells."""
    row, column = start
    assert found["ref_date"].tolist() == [2019, 182, 0]
    for modality, (pixels, days) in published_arrays(raw_dir, name).items():
        scale, num_bands = pixels.shape[-1] // 128, len(experiment.inputs[modality].band_names)
        cut = pixels[:, :num_bands, row * scale : (row + 16) * scale, column * scale : (column + 16) * scale]
        values, valid = found["inputs"][modality], found["valid"][modality]
        num_bins = len(values)
        position = [
            [index for index, day in enumerate(days) if day == tuple(taken)] for taken in found["dates"][modality]
        ]
        assert all(position), modality
        if len(days) >= num_bins:  # in the bins' order, each in its own
            assert all(last[0] < following[-1] for last, following in itertools.pairwise(position))
        for index, candidates in enumerate(position):
            shown = np.broadcast_to(valid[index], values.shape[-2:])
            expected = [cut[candidate].astype(np.float64) for candidate in candidates]
            usable = [np.all(np.isfinite(image) & (image != NODATA), axis=0) for image in expected]
            match = [
                np.array_equal(shown, here if modality != "spot" else np.ones_like(here))
                and np.abs(values[index].astype(np.float64) - image)[:, shown].max(initial=0) <= 1e-6
                for image, here in zip(expected, usable, strict=True)
            ]
            assert any(match), (modality, index)
    classes = np.load(raw_dir / "ANNOTATIONS" / f"TARGET_{name}.npy")[0, row : row + 16, column : column + 16]
    np.testing.assert_array_equal(found["targets"]["pastis_seg"], classes)
    assert found["targets"]["pastis_mlc"].tolist() == [int((classes == kind).any()) for kind in range(1, 19)]


def tiles_of(experiment, split):
    tiles = open_shards(experiment).source((split,))
    return {tile.read((0, 0), 1)["name"].decode(): tile for tile in (tiles[index] for index in range(len(tiles)))}


def test_fixed_crops_show_the_published_values(made_up, experiment):
    for split, names in (("train", NAMES[:3]), ("val", NAMES[3:4]), ("test", NAMES[4:])):
        tiles = tiles_of(experiment, split)
        assert sorted(tiles) == sorted(names)
        for name, tile in tiles.items():
            for crop in (0, 7, 35, 63):
                start = (crop // 8 * 16, crop % 8 * 16)
                assert_published(sample.eval_sample(experiment, tile, crop), made_up, name, start, experiment)


def test_random_crops_show_the_published_values(made_up, experiment):
    experiment = dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, augment=False))
    for name, tile in tiles_of(experiment, "train").items():
        for seed in range(4):
            start = crops.random_start(np.random.default_rng(seed), 128, 16)
            found = sample.train_sample(experiment, tile, np.random.default_rng(seed))
            assert_published(found, made_up, name, start, experiment)


def test_pixels_without_data_are_missing(made_up, experiment):
    tile = tiles_of(experiment, "train")["20000"]
    pixels, days = published_arrays(made_up, "20000")["s2"]
    pixels = pixels[..., :16, :16]
    every_date = dataclasses.replace(experiment.inputs["s2"], num_dates=len(days))
    experiment = dataclasses.replace(experiment, inputs=experiment.inputs | {"s2": every_date})
    found = sample.eval_sample(experiment, tile, 0)
    absent = (pixels == NODATA).any(1)
    assert absent.any()
    np.testing.assert_array_equal(found["valid"]["s2"], ~absent)
    np.testing.assert_array_equal(found["dates"]["s2"][1:], days[1:])
    assert found["dates"]["s2"][0].tolist() == ([2019, 182, 0] if absent[0].all() else list(days[0]))
    kept = np.broadcast_to(~absent[:, None], pixels.shape)
    np.testing.assert_array_equal(found["inputs"]["s2"][kept], pixels[kept])
    assert not (found["inputs"]["s2"] == NODATA).any()


def test_blocks_put_together_are_the_published_arrays(made_up, shards, experiment):
    assert read_contract(shards) == CONTRACT
    for name, tile in tiles_of(experiment, "train").items():
        record = tile.read((0, 0), 128)
        for modality, (pixels, days) in published_arrays(made_up, name).items():
            bands = range(pixels.shape[1])
            expected = np.where(np.isinf(pixels), np.nan, pixels) if modality != "spot" else pixels
            np.testing.assert_array_equal(record[modality]["pixels"][:, bands], expected)
            assert record[modality]["pixels"].dtype == pixels.dtype
            np.testing.assert_array_equal(record[modality]["dates"], days)


class Counted(list):
    """Blocks that count the stored bytes of those that are read."""

    def __init__(self, records):
        super().__init__(records)
        encoder = features(CONTRACT, {"pastis_seg": ((128, 128), "uint8")})
        self.sizes = [len(encoder.serialize_example(record)) for record in records]
        self.read = 0

    def __getitem__(self, index):
        self.read += self.sizes[index]
        return super().__getitem__(index)


@pytest.mark.parametrize(("crop", "limit"), [("random", 4.0), ("fixed", 1.6)])
def test_a_crop_reads_few_bytes_besides_its_own(made_up, crop, limit):
    record, _ = read_tile(made_up, read_patches(made_up)["10000"])
    stored = Counted(list(blocks(record, CONTRACT)))
    rng = np.random.default_rng(0)
    starts = [crops.fixed_start(index, 8, 128) for index in range(64)]
    if crop == "random":
        starts = [crops.random_start(rng, 128, 16) for _ in range(400)]
    used = 0
    for start in starts:
        shown = Tile(stored, CONTRACT, 0).read(start, 16)
        used += sum(shown[name]["pixels"].nbytes for name in CONTRACT.modalities) + shown["pastis_seg"].nbytes
    assert 1 <= stored.read / used <= limit


def corners(transform, side):
    """Map coordinates `[4, 2]` of the corners of `side × side` pixels, clockwise from the north-west one."""
    a, b, c, d, e, f = transform
    return np.array([[a * x + b * y + c, d * x + e * y + f] for x, y in ((0, 0), (side, 0), (side, side), (0, side))])


def test_georeference_is_that_of_the_outline(made_up):
    for name, patch in read_patches(made_up).items():
        record, _ = read_tile(made_up, patch)
        assert rasterio.crs.CRS.from_string(record["crs"]).to_epsg() == 2154
        with rasterio.open(spot_path(made_up, patch)) as file:
            np.testing.assert_allclose(record["transform"], file.transform[:6], rtol=1e-9)
        outline = metadata(made_up)[name]["geometry"]["coordinates"][0][0]
        np.testing.assert_allclose(corners(record["transform"], 1280), outline[:4], atol=1e-3)
        *_, last = blocks(record, CONTRACT)
        np.testing.assert_allclose(corners(last["transform"], 160)[2], outline[2], atol=1e-3)


def test_real_outlines_are_squares_of_the_utm_grid(real_pastis_dir, tmp_path):
    shutil.copy(real_pastis_dir / "metadata_S2only_9patches.geojson", tmp_path / "metadata.geojson")
    for patch in read_patches(tmp_path).values():
        x, y = reproject("EPSG:2154", "EPSG:32630", *corners(patch.transform(1280, tmp_path), 1280).T)
        np.testing.assert_allclose(np.array(x) - x[0], [0, 1280, 1280, 0], atol=1.5)
        np.testing.assert_allclose(np.array(y) - y[0], [0, 0, -1280, -1280], atol=1.5)


def test_real_metadata_tell_patches_dates_and_folds(real_pastis_dir, tmp_path):
    shutil.copy(real_pastis_dir / "metadata_S1S2_2patches_transcribed.geojson", tmp_path / "metadata.geojson")
    patch = read_patches(tmp_path)["10000"]
    days = {table: patch.dates(table, tmp_path) for table in ("dates-S2", "dates-S1A", "dates-S1D")}
    assert {table: len(found) for table, found in days.items()} == {"dates-S2": 43, "dates-S1A": 65, "dates-S1D": 70}
    assert (tuple(days["dates-S2"][0]), tuple(days["dates-S2"][-1])) == (day_of_year(20180924), day_of_year(20191019))
    shutil.copy(real_pastis_dir / "metadata_S2only_9patches.geojson", tmp_path / "metadata.geojson")
    patches = read_patches(tmp_path)
    assert {"10000", "10007", "10009"} < set(patches)  # not the features' own numbers 0, 7, 9
    splits = official_fold(patches.values(), 1, tmp_path)
    assert [patch.name for patch in splits["test"]] == ["10003"]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_patch_of_published_size_needs_little_memory(raw, tmp_path):
    """61 S2 dates and 70 of each orbit: the largest patch there is."""
    patch, *others = read_patches(raw).values()
    assert patch.name == "10000"
    for name, number in (("s2", 61), ("s1_asc", 70), ("s1_des", 70)):
        path = SERIES[name].path(raw, patch)
        save(path, np.resize(np.load(path), (number, *np.load(path, mmap_mode="r").shape[1:])))
        table = {
            str(index): int(str(np.datetime64("2018-09-20") + 5 * index).replace("-", "")) for index in range(number)
        }
        with_table(raw, "10000", SERIES[name].table, lambda _, table=table: table)
    for split, only in zip(("train", "val", "test"), [patch, *others], strict=False):
        replace(raw / f"{split}.csv", f"image\n{only.name}\n".encode())
    script = (
        "from pathlib import Path; from data_prep.__main__ import main; "
        f"assert main(['pastis_hd', '--raw_dir={raw}', '--out_dir={tmp_path / 'out'}']) == 0; "
        "print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    peak = next(line.split() for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
    assert peak[2] == "kB"
    assert int(peak[1]) * 1024 < 500e6
