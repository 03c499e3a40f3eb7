"""The made-up landscape: the same everywhere, in the published format, and learnable from its seasons."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_prep.__main__ import main
from data_prep.synthetic import frame
from data_prep.synthetic.landscape import COVERS, grow, observe_optical, photograph
from tests.data_prep.conftest import rows
from tests.places import ROOT

SMALL = ("--tiles=6", "--s2_dates=8", "--s1_dates=8")


def write(directory: Path, *flags: str) -> Path:
    assert main(["synthetic", "treesatai_ts", f"--out_dir={directory}", *flags]) == 0
    return directory


def digests(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_bytes_depend_on_the_seed_only(tmp_path, monkeypatch):
    here = digests(write(tmp_path / "here", *SMALL))
    with monkeypatch.context() as patch:
        patch.setattr(frame, "TILES_OF_A_PROCESS", 3)
        patch.setattr(os, "cpu_count", lambda: 2)
        assert digests(write(tmp_path / "by_processes", *SMALL)) == here
    elsewhere = {"TZ": "Pacific/Auckland", "LC_ALL": "de_DE.UTF-8", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    command = [
        sys.executable,
        "-m",
        "data_prep",
        "synthetic",
        "treesatai_ts",
        f"--out_dir={tmp_path / 'there'}",
        *SMALL,
    ]
    subprocess.run(command, cwd=ROOT, env=os.environ | elsewhere, check=True, capture_output=True)
    assert digests(tmp_path / "there") == here
    other = digests(write(tmp_path / "other", *SMALL, "--seed=1"))
    assert not set(other.values()) & set(here.values())


def test_a_tile_does_not_depend_on_the_number_of_tiles(tmp_path):
    few, many = (digests(write(tmp_path / number, f"--tiles={number}", *SMALL[1:])) for number in ("3", "5"))
    images = {name: digest for name, digest in few.items() if not name.endswith(".csv")}
    assert images.items() <= many.items()


def test_splits_share_no_tile(synthetic_raw):
    names = [[row["aerial_name"] for row in rows(synthetic_raw, split)] for split in ("train", "val", "test")]
    assert [len(split) for split in names] == [12, 3, 3]
    assert len({name for split in names for name in split}) == 18


@pytest.mark.parametrize("tiles", [1, 2])
def test_too_few_tiles_for_three_splits_are_refused(tmp_path, capsys, tiles):
    assert main(["synthetic", "treesatai_ts", f"--out_dir={tmp_path / 'raw'}", f"--tiles={tiles}"]) == 1
    assert f"--tiles: expected at least 3, one for each split, found {tiles}" in capsys.readouterr().err


def test_existing_output_is_refused(tmp_path, capsys):
    assert main(["synthetic", "treesatai_ts", f"--out_dir={tmp_path}"]) == 1
    assert f"error: --out_dir: {tmp_path} exists already" in capsys.readouterr().err


def test_format_is_the_published_one(synthetic_raw, real_treesat_dir):
    made_up, real = rows(synthetic_raw, "val")[0], rows(real_treesat_dir, "val")[0]
    assert list(made_up) == list(real)
    with (
        rasterio.open(synthetic_raw / "aerial" / made_up["aerial_name"]) as mine,
        rasterio.open(real_treesat_dir / "aerial" / real["aerial_name"]) as theirs,
    ):
        assert mine.crs.to_proj4() == theirs.crs.to_proj4()
        assert mine.colorinterp == theirs.colorinterp
        np.testing.assert_allclose(mine.res, theirs.res)
        ignored = ("crs", "transform")
        assert {k: v for k, v in mine.profile.items() if k not in ignored} == {
            k: v for k, v in theirs.profile.items() if k not in ignored
        }
    with (
        h5py.File(synthetic_raw / "sentinel-ts" / made_up["sen_name"]) as mine,
        h5py.File(real_treesat_dir / "sentinel-ts" / real["sen_name"]) as theirs,
    ):
        assert set(mine) == set(theirs)
        for key in theirs:
            assert (mine[key].dtype, mine[key].shape[1:]) == (theirs[key].dtype, theirs[key].shape[1:])
            assert mine[key].dtype != object or len(mine[key][0]) == len(theirs[key][0])


@pytest.fixture(scope="module")
def forests() -> list[tuple]:
    """Forest and monthly means of clear Sentinel-2 pixels `[12, 10]` (NaN: never clear) of 240 tiles."""
    tiles = []
    for index in range(240):
        rng = np.random.default_rng([5, index])
        forest = grow(rng)
        days = np.sort(rng.choice(np.arange(1, 361), 45, replace=False))
        pixels, masks = observe_optical(rng, forest, days)
        clear = np.where((masks == 0).all(1, keepdims=True), pixels, np.nan).reshape(len(days), 10, 36)
        months = [clear[(days - 1) // 30 == month] for month in range(12)]
        means = [np.nanmean(month, (0, 2)) if np.isfinite(month).any() else np.full(10, np.nan) for month in months]
        tiles.append((forest, np.stack(means)))
    return tiles


def accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers of a linear classifier on the last third, after training on the others."""
    features = features.reshape(len(features), -1)
    features = np.where(np.isnan(features), np.nanmean(features, 0), features)
    split = 2 * len(labels) // 3
    classifier = make_pipeline(StandardScaler(), RidgeClassifier(10.0)).fit(features[:split], labels[:split])
    return classifier.score(features[split:], labels[split:])


def test_seasons_tell_genera_apart_and_one_summer_date_does_not(forests):
    labels = np.array([forest.main for forest, _ in forests])
    months = np.stack([means for _, means in forests])
    whole, july = accuracy(months, labels), accuracy(months[:, 6], labels)
    guess = np.bincount(labels).max() / len(labels)
    assert july > guess + 0.1
    assert whole > july + 0.15
    assert whole > 0.65


def test_proportions_are_what_the_image_shows(forests):
    for forest, _ in forests[:20]:
        inside = forest.cover[2:-2, 2:-2]
        shares = np.bincount(inside.ravel(), minlength=len(COVERS)) / inside.size
        np.testing.assert_allclose(forest.proportions, shares[:-1])
    sums = np.array([forest.proportions.sum() for forest, _ in forests])
    assert (sums < 0.98).any()
    assert (sums > 0.999).any()
    present = np.array([forest.proportions > 0.07 for forest, _ in forests])
    assert (present.sum(1) > 1).mean() > 0.2
    assert (present.mean(0) > 0.05).sum() >= 8


def test_aerial_images_have_texture(forests):
    rng = np.random.default_rng(0)
    image = photograph(rng, forests[0][0])
    assert image.shape == (4, 304, 304)
    assert image.dtype == np.uint8
    assert image.std((1, 2)).min() > 5
