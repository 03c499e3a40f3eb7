"""The made-up scene opens as the contract of the quickstart says, and looks like its tiles."""

import dataclasses

import numpy as np
import pyogrio
import pytest
import rasterio

from configs import quickstart
from data_prep.__main__ import main
from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from data_prep.scenes import open_scene
from data_prep.synthetic.landscape import grow, photograph
from data_prep.synthetic.stands import Woods
from mmae_jax.config import experiment_from_config
from mmae_jax.data.sample import eval_sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("made_up") / "scene"
    assert main(["synthetic", "scene", f"--out_dir={out}", "--meters=120", "--s2_dates=9", "--s1_dates=3"]) == 0
    return out


@pytest.fixture(scope="module")
def experiment():
    config = quickstart.get_config()
    config.data.dir = ""
    return experiment_from_config(config)


def test_every_square_has_all_sensors(folder, experiment):
    scene = open_scene(folder / "scene.py", experiment)
    assert scene.frame.cells == (12, 12)
    record = scene.read((3, 5), 6)
    for name, dates in (("aerial", 1), ("s2", 9), ("s1_asc", 3), ("s1_des", 3)):
        sensor = CONTRACT.modalities[name]
        assert record[name]["pixels"].shape == (dates, len(sensor.bands), sensor.size, sensor.size)
        assert record[name]["pixels"].dtype == sensor.dtype
        means = record[name]["pixels"].mean((0, 2, 3))
        assert (means > 0.2 * np.array(sensor.typical_means)).all()
    assert record["s2"]["mask"].shape == (9, 2, 6, 6)

    class Square:
        def read(self, start, cells):
            return scene.read(start, cells)

    assert eval_sample(dataclasses.replace(experiment, targets=()), Square(), 0)["inputs"]["aerial"].shape == (
        1,
        4,
        300,
        300,
    )


def test_the_two_zones_meet(folder, experiment):
    """What is seen of both sides of the border is one image: no column of the reflectances is missing or doubled."""
    files = sorted((folder / "s2").glob("*.tif"))
    assert {rasterio.open(file).crs.to_epsg() for file in files} == {32631, 32632}
    pixels = open_scene(folder / "scene.py", experiment).read((0, 0), 12)["s2"]["pixels"]
    assert pixels.shape[0] == 9
    assert pixels.min() > 0


def test_the_truth_belongs_to_the_images(folder):
    with rasterio.open(folder / "truth/genera.tif") as file:
        genera, bounds = file.read(1), file.bounds
    assert genera.shape == (12, 12)
    assert set(np.unique(genera)) <= {*range(len(GENERA)), 255}
    _, _, squares, values = pyogrio.raw.read(folder / "truth/tiles.gpkg")
    assert len(squares) == 4
    proportions = np.stack(values[1:], 1)
    assert (proportions.sum(1) <= 1 + 1e-6).all()
    with rasterio.open(next((folder / "aerial").glob("*.tif"))) as file:
        assert file.bounds == bounds


def test_blocks_look_like_single_tiles():
    """Brightness, and the number of genera of a tile, are drawn as those of the quickstart are."""
    rng, woods = np.random.default_rng(0), Woods(0, 50)
    blocks = [woods.block(*rng.integers(0, 50, 2)) for _ in range(20)]
    tiles = [grow(np.random.default_rng([1, index])) for index in range(20)]
    genera, brightness = [], []
    for group in (blocks, tiles):
        shares = [np.bincount(each.cover.ravel(), minlength=16)[:15] / each.cover.size for each in group]
        genera.append(np.sum(np.array(shares) > 0.07, axis=1).mean())
        brightness.append(np.mean([each.relief.mean() for each in group]))
    assert abs(genera[0] - genera[1]) < 1
    assert abs(brightness[0] - brightness[1]) < 0.05
    assert photograph(np.random.default_rng(0), tiles[0]).shape == (4, 304, 304)


def test_what_cannot_be_written_is_refused(folder, capsys):
    assert main(["synthetic", "scene", f"--out_dir={folder}", "--meters=120"]) == 1
    assert main(["synthetic", "scene", f"--out_dir={folder.parent / 'other'}", "--meters=100"]) == 1
    assert "--meters: expected a multiple of 60, found 100" in capsys.readouterr().err
