"""Raw data → shards → statistics → verification → training → scores, by the command lines, for every dataset.

Finetuning reads all that a dataset has, inputs and targets; so of a published dataset it is the only phase here, and
all of them follow each other on one's own rasters, in `tests/commands/test_quickstart.py` on TreeSatAI-TS, and under
`pytest -m slow` on every dataset, with the inputs and the model of its `runlocal`. Statistics are counted for classes
of tiles and of pixels here, for every dataset there.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.shards.manifest import read_manifest
from mmae_jax.weights.result import read_result
from tests import runs
from tests.data_prep import small_config
from tests.data_prep.datasets.folder.test_folder import write_tif

SMALL = small_config.__file__
FEW_DATES = ("--s2_dates=8", "--s1_dates=4")
FLAIR = ("flair_hub", "--tiles=6", *FEW_DATES)
ALL_PHASES = ("pretrain", "probe", "finetune")

# Made-up raw data; how they are prepared; configuration and flags; a score of the last phase on the test split.
DATASETS = {
    "TreeSatAI-TS": (
        ("treesatai_ts", "--tiles=12", "--s2_dates=24", "--s1_dates=8"),
        ("treesatai_ts",),
        ("treesatai_ts.runlocal",),
        "treesat_mlc_thresh/weighted_f1",
    ),
    "PASTIS-HD": (
        ("pastis_hd", "--tiles=5", *FEW_DATES),
        ("pastis_hd", "--fold=1"),
        ("pastis_hd.runlocal", "--config.data.repeats=1", "--config.targets=('pastis_seg','pastis_mlc')"),
        "pastis_mlc/weighted_f1",
    ),
    "FLAIR-HUB": (FLAIR, ("flair_hub",), ("flair_hub.runlocal",), "cosia/average_iou"),
    "FLAIR#2 in FLAIR-HUB": (FLAIR, ("flair_hub", "--version=flair2"), ("flair2.runlocal",), "cosia/average_iou"),
    "FLAIR#2": (
        ("flair2", "--tiles=6", "--s2_dates=8"),
        ("flair2",),
        ("flair2.native_runlocal",),
        "cosia/average_iou",
    ),
    "S2-NAIP urban": (
        ("s2_naip_urban", "--tiles=6", "--s2_dates=16"),
        ("s2_naip_urban",),
        ("s2_naip_urban.runlocal",),
        "loss",  # it has no targets, so pretraining is all there is
    ),
    "PureForest": (
        ("pureforest", "--tiles=6"),
        ("pureforest",),
        ("pureforest.runlocal",),
        "tree_class/overall_accuracy",
    ),
}


def count(shards: Path) -> None:
    assert main(["statistics", str(shards), f"--out={shards.with_name('statistics')}"]) == 0


def assert_finished(workdir: Path, phases: tuple[str, ...], score: str) -> None:
    logged = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(entry["phase"] for entry in logged)) == list(phases)
    result = read_result(workdir, phases[-1])
    assert result is not None
    assert np.isfinite(result.scores["test"][score])


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Returns a function of the arguments of `synthetic`: a folder of raw data, written once."""

    @functools.cache
    def write(*arguments: str) -> Path:
        raw = tmp_path_factory.mktemp("made_up") / "raw"
        assert main(["synthetic", *arguments, f"--out_dir={raw}"]) == 0
        return raw

    return write


def prepared(raw: Path, prepare: tuple[str, ...], folder: Path) -> Path:
    shards = folder / "shards"
    assert main([*prepare, f"--raw_dir={raw}", f"--out_dir={shards}"]) == 0
    assert read_manifest(shards).sources, "the files that list the tiles"
    assert main(["verify", str(shards)]) == 0
    return shards


def phases_of(score: str) -> tuple[str, ...]:
    return ALL_PHASES[:1] if score == "loss" else ALL_PHASES


@pytest.mark.parametrize("dataset", DATASETS)
def test_from_raw_files_to_scores(made_up, tmp_path, dataset):
    raw, prepare, (config, *flags), score = DATASETS[dataset]
    shards, last = prepared(made_up(*raw), prepare, tmp_path), phases_of(score)[-1:]
    if dataset == "TreeSatAI-TS":
        count(shards)
        return  # the quickstart trains on it
    flags = [f"--config.data.dir={shards}", f"--config.phases={last}", *flags]
    assert runs.main(tmp_path / "run", *flags, config=f"{SMALL}:{config}") == ""
    assert_finished(tmp_path / "run", last, score)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS)
def test_all_phases_from_raw_files_to_scores(made_up, tmp_path, dataset):
    raw, prepare, (config, *flags), score = DATASETS[dataset]
    shards, (file, argument) = prepared(made_up(*raw), prepare, tmp_path), config.split(".")
    count(shards)
    flags = [f"--config.data.dir={shards}", *flags]
    assert runs.main(tmp_path / "run", *flags, config=f"configs/{file}.py:{argument}") == ""
    assert_finished(tmp_path / "run", phases_of(score), score)


DESCRIPTION = """
from data_prep.folder import Files, Folder, Fractions, Raster
from mmae_jax.spec import Modality, Target

dataset = Folder(
    name="meadows",
    tile_meters=80.0,
    modalities={
        "s2": Files(
            "s2/{tile}_{date}.tif",
            Modality(("B02", "B04", "B08"), "uint16", "reflectance", 10.0, size=8),
        ),
        "ortho": Files("ortho/{tile}.tif", Modality(("R", "G", "B"), "uint8", "", 2.5, size=32), date="20200701"),
    },
    targets={"cover": Raster("cover/{tile}.tif", Target("segment", ("grass", "shrub"), "cover", size=16))},
    splits=Fractions({"train": 0.5, "val": 0.25, "test": 0.25}),
)
"""

SMALLER = """

from tests.data_prep import small_config

printed_config = get_config


def get_config():
    config = printed_config("runlocal")
    config.logging = {}
    small_config.shrink(config)
    return config
"""


def test_ones_own_rasters_from_files_to_scores(tmp_path, capsys):
    raw, shards, rng = tmp_path / "raw", tmp_path / "shards", np.random.default_rng(0)
    for tile in range(8):
        for date in ("20200105", "20200301", "20200620"):
            write_tif(raw / f"s2/{tile}_{date}.tif", rng.integers(1, 4000, (3, 8, 8)).astype("uint16"), 10)
        write_tif(raw / f"ortho/{tile}.tif", rng.integers(0, 255, (3, 32, 32)).astype("uint8"), 2.5)
        write_tif(raw / f"cover/{tile}.tif", rng.integers(0, 2, (1, 16, 16)).astype("uint8"), 5)
    (tmp_path / "meadows.py").write_text(DESCRIPTION)
    capsys.readouterr()
    assert main(["folder", f"--spec={tmp_path / 'meadows.py'}", f"--raw_dir={raw}", f"--out_dir={shards}"]) == 0
    printed = capsys.readouterr().out
    assert main(["verify", str(shards)]) == 0
    count(shards)
    (tmp_path / "config.py").write_text(printed[printed.index("# a config to train on it") :] + SMALLER)
    assert runs.main(tmp_path / "run", f"--config.data.dir={shards}", config=tmp_path / "config.py") == ""
    assert_finished(tmp_path / "run", ALL_PHASES, "cover/average_iou")
