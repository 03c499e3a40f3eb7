"""Targets of numbers of a user's own: heights of pixels from rasters, one number per tile from a table."""

import json
import re

import numpy as np
import pyogrio
import pytest

from data_prep.__main__ import main
from data_prep.synthetic.geopackage import square
from mmae_jax import config
from mmae_jax.data.pipeline import train_dataset
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records
from tests.data_prep.datasets.folder.test_folder import preparing, write_tif

DESCRIPTION = """
from data_prep.folder import Column, Files, Folder, Raster, Table
from mmae_jax.spec import Modality, Target

dataset = Folder(
    name="woods",
    tile_meters=80.0,
    modalities={"s2": Files("s2/{tile}.tif", Modality(("B04", "B08"), "uint16", "dn", 10.0, size=8), date="20200101")},
    targets={
        "canopy": Raster("chm/{tile}.tif", Target("regression", (), "height", size=16, dtype="float32")),
        "storeys": Raster("storeys/{tile}.tif", Target("regression", (), "storeys", 255, size=8)),
        "biomass": Column("plots.csv", Target("regression", (), "tonnes", missing_value=-9999)),
    },
    splits=Table("plots.csv"),
)
"""
LOWEST = float(np.finfo("float32").min)
"""Nodata of many rasters of heights."""


def heights(tile):
    """Heights in metres; a quarter of the pixels has none."""
    rng = np.random.default_rng(tile)
    values = rng.uniform(0, 30, (16, 16)).astype(np.float32)
    values[:8, :8] = LOWEST
    return values


@pytest.fixture
def raw(tmp_path):
    for tile in range(3):
        pixels = np.random.default_rng(tile).integers(1, 99, (2, 8, 8), np.uint16)
        write_tif(tmp_path / f"raw/s2/t{tile}.tif", pixels, 10)
        write_tif(tmp_path / f"raw/chm/t{tile}.tif", heights(tile)[None], 5, nodata=LOWEST)
        write_tif(tmp_path / f"raw/storeys/t{tile}.tif", np.full((1, 8, 8), 2 + tile, np.uint8), 10, nodata=255)
    (tmp_path / "raw/plots.csv").write_text("tile,split,tonnes\nt0,train,120.5\nt1,train,\nt2,val,-9999\n")
    return tmp_path / "raw"


@pytest.fixture
def prepare(raw, tmp_path, capsys):
    return preparing(DESCRIPTION, raw, tmp_path, capsys)


def test_numbers_are_stored_verified_counted_and_trained_on(prepare, tmp_path, capsys):
    code, printed = prepare()
    assert code == 0, printed
    out = tmp_path / "out"
    found = records(out)
    height = np.where(heights(0) == LOWEST, np.float32("nan"), heights(0))
    np.testing.assert_array_equal(found["t0"]["height"], height)
    np.testing.assert_array_equal(found["t1"]["storeys"], np.full((8, 8), 3, np.uint8))
    assert found["t0"]["tonnes"] == np.float32(120.5)
    assert np.isnan(found["t1"]["tonnes"])
    assert records(out, "val")["t2"]["tonnes"] == -9999
    assert main(["verify", str(out)]) == 0

    assert main(["statistics", str(out)]) == 0
    told = json.loads((out / "statistics/statistics.json").read_text())["targets"]
    known = np.concatenate([heights(tile)[heights(tile) != LOWEST] for tile in range(3)]).astype(np.float64)
    assert (told["canopy"]["total"], told["canopy"]["missing_fraction"]) == (3 * 256, 0.25)
    assert told["canopy"]["mean"] == pytest.approx(known.mean())
    assert told["canopy"]["standard_deviation"] == pytest.approx(known.std())
    assert (told["biomass"]["values"], told["biomass"]["missing_fraction"]) == (1, pytest.approx(2 / 3))
    assert (out / "statistics/canopy_histogram.png").exists()
    capsys.readouterr()

    printed_config = {}
    exec(
        re.search(r"^# a config to train on it.*^    return config$", printed, re.DOTALL | re.MULTILINE)[0],
        printed_config,
    )
    experiment = config.experiment_from_config(printed_config["get_config"]("runlocal"))
    assert experiment.finetune.monitor == "canopy/r2"
    batch = train_dataset(experiment, "finetune", open_shards(experiment).source(("train",)), 2)[0]
    assert batch["targets"]["canopy"].shape == (2, 16, 16)
    assert batch["targets"]["biomass"].dtype == np.float32


def test_a_table_may_be_a_vector_file(prepare, raw, tmp_path):
    names, split = np.array(["t0", "t1", "t2"], object), np.array(["train", "train", "val"], object)
    pyogrio.raw.write(
        raw / "plots.gpkg",
        geometry=np.array([square(0, 0, 80)] * 3, object),
        field_data=[names, split, np.array([3, np.nan, 7.25])],
        fields=["tile", "split", "tonnes"],
        geometry_type="Polygon",
        crs="EPSG:32632",
    )
    code, printed = prepare(changes=[('"plots.csv", Target', '"plots.gpkg", Target'), ('"tonnes"', '"weight"')])
    assert code == 1
    assert "plots.gpkg: expected a column weight, found tile, split, tonnes" in printed
    code, printed = prepare(changes=[("plots.csv", "plots.gpkg")])
    assert code == 0, printed
    found = records(tmp_path / "out")
    assert found["t0"]["tonnes"] == 3
    assert np.isnan(found["t1"]["tonnes"])


FLOAT_PIXELS = ', size=16, dtype="float32"'
TABLE = '"plots.csv", Target("regression"'
MISTAKES = [
    ('(), "height"', '("a",), "height"', r"targets.canopy.target.classes: expected none of a regression .*\('a',\)"),
    (FLOAT_PIXELS, FLOAT_PIXELS.replace("32", "64"), "canopy.target.dtype: .*at most 32 bits, found 'float64'"),
    (FLOAT_PIXELS, "", "targets.canopy.target.size: expected the pixels per side, found None"),
    ("missing_value=-9999", "size=8", "targets.biomass.target.size: expected None of a target with one value per tile"),
    (TABLE, TABLE.replace("plots", "words"), "words.csv: tile t0: tonnes: expected a number, found 'many'"),
    (TABLE, TABLE.replace("plots", "twice"), "twice.csv: tile t0: expected once, found in line 2 and in line 3"),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_named(prepare, raw, old, new, message):
    (raw / "words.csv").write_text("tile,tonnes\nt0,many\n")
    (raw / "twice.csv").write_text("tile,tonnes\nt0,1\nt0,2\n")
    code, printed = prepare(changes=[(old, new)])
    assert code == 1
    assert re.search(message, printed), printed
    assert "Traceback" not in printed


def test_nodata_that_integers_would_not_exclude_is_named_and_the_tile_skipped(prepare, raw):
    write_tif(raw / "storeys/t1.tif", np.full((1, 8, 8), 2, np.uint8), 10, nodata=0)
    write_tif(raw / "chm/t0.tif", np.ones((1, 16, 16), np.uint8), 5)
    code, printed = prepare()
    assert code == 1  # no tile is left to train on
    assert re.search(
        r"storeys/t1.tif: nodata: expected 255 \(missing_value and ignored of the target\), found 0", printed
    )
    assert "chm/t0.tif: dtype: expected float32, found uint8" in printed
