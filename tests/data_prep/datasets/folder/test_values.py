"""What the values of own masks and columns mean, and that a class that never occurs is told."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, Raster, check
from data_prep.datasets.folder.targets import read_labels
from data_prep.datasets.folder.values import as_indices
from data_prep.errors import DataPrepError, TileError
from mmae_jax.spec import Modality, SpecError, Target
from tests.data_prep.conftest import records
from tests.data_prep.datasets.folder.test_folder import write_tif

CROP = Target("segment", ("wheat", "maize", "rye"), "crop", missing_value=255, size=2)
FARM = Target("classif", ("small", "large"), "farm")
PIXELS = np.array([[1, 2], [3, 0]])
MEANINGS = {1: "wheat", 2: "maize", 3: "rye", 7: "rye", 0: None}
S2 = Files("s2/{tile}.tif", Modality(("B02",), "uint8", "", 10.0, size=2), date="20200101")


def test_values_become_indices():
    stored = as_indices(Path("a.tif"), PIXELS.astype(np.int16), CROP, MEANINGS)
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored, [[0, 1], [2, 255]])


@pytest.mark.parametrize(
    ("value", "meanings", "message"),
    [
        (3, None, "a.tif: expected classes 0 to 2 or 255 .*, found 3; values= tells"),
        (4, MEANINGS, "a.tif: expected values 0, 1, 2, 3, 7 or 255 .*, found 4; values= tells"),
    ],
)
def test_other_values_are_named(value, meanings, message):
    with pytest.raises(TileError, match=message):
        as_indices(Path("a.tif"), np.full((2, 2), value, np.uint8), CROP, meanings)


def test_values_of_a_column(tmp_path):
    (tmp_path / "farms.csv").write_text("tile,farm\na,1\nb,2\nc,-9\n")
    source = Column("farms.csv", FARM, values={1: "small", 2: "large", -9: None})
    assert read_labels(source, tmp_path) == {"a": 0, "b": 1, "c": -1}
    with pytest.raises(DataPrepError, match=r"tile c: farm: expected a class \(1, 2\), found '-9'"):
        read_labels(Column("farms.csv", FARM, values={1: "small", 2: "large"}), tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Raster("{tile}", CROP, values={1: "oat"}), r"values: 1: expected a class \(wheat, maize, rye\), found 'oat'"),
        (
            Raster("{tile}", CROP, values={1: "rye"}),
            "values: expected a value of each class, found none of wheat, maize",
        ),
        (Raster("{tile}", CROP, values={"1": "rye"}), "values: expected whole numbers, found '1'"),
        (Raster("{tile}", CROP, values=("rye",)), "values: expected a value for each class"),
        (
            Raster("{tile}", Target("segment", ("x",), "crop", size=2), values={1: "x", 0: None}),
            "missing_value: expected a value of uint8, which None is stored as, found -1",
        ),
        (Column("t.csv", Target("regression", (), "t"), values={1: "x"}), "values: expected a value for each class"),
    ],
)
def test_wrong_values_are_refused(source, message):
    with pytest.raises(SpecError, match=f"targets.t.*{message}"):
        check(Folder("d", 20.0, {"s2": S2}, Fractions({"train": 1.0}), {"t": source}))


SPEC = """
from data_prep.folder import Files, Folder, Fractions, Raster
from mmae_jax.spec import Modality, Target

crop = Target("segment", ("wheat", "maize", "rye"), "crop", missing_value=255, size=2)
dataset = Folder(
    "d", 20.0, {"s2": Files("s2/{tile}.tif", Modality(("B02",), "uint8", "", 10.0, size=2), date="20200101")},
    Fractions({"train": 1.0}), {"crop": Raster("crop/{tile}.tif", crop)},
)
"""


@pytest.fixture
def prepare(tmp_path, capsys):
    for tile in "ab":
        write_tif(tmp_path / "s2" / f"{tile}.tif", np.ones((1, 2, 2), np.uint8), 10)
        write_tif(tmp_path / "crop" / f"{tile}.tif", np.array([[[1, 2], [2, 1]]], np.uint8), 10)

    def run(spec: str) -> str:
        (tmp_path / "d.py").write_text(spec)
        assert main(["folder", f"--spec={tmp_path / 'd.py'}", f"--out_dir={tmp_path / 'out'}"]) == 0
        return capsys.readouterr().out

    return run


def test_a_class_that_never_occurs_is_told(prepare):
    assert "target crop: 1 of 3 classes in no tile: wheat; do the files count from 1?" in prepare(SPEC)


def test_described_values_are_stored_as_classes(prepare, tmp_path):
    values = 'crop, values={1: "wheat", 2: "maize", 3: "rye"})}'
    assert "target crop: 1 of 3 classes in no tile: rye\n" in prepare(SPEC.replace("crop)}", values))
    np.testing.assert_array_equal(records(tmp_path / "out")["a"]["crop"], [[0, 1], [1, 0]])


def test_one_band_too_few_is_said_in_numbers(prepare, tmp_path, capsys):
    spec = SPEC.replace('("B02",)', '("B02", "B03")')
    (tmp_path / "d.py").write_text(spec)
    assert main(["folder", f"--spec={tmp_path / 'd.py'}", f"--out_dir={tmp_path / 'out'}"]) == 1
    assert "a.tif: expected 2 bands, found 1\n" in capsys.readouterr().err
