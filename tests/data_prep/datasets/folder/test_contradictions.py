"""Descriptions, names and files that contradict each other are refused before or where they would be stored."""

import dataclasses

import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.datasets.folder.command import load
from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, InNames, Raster, Table, check
from data_prep.datasets.folder.offsets import check_offsets
from data_prep.datasets.folder.patterns import parse_moment
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.targets import read_raster_target
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.errors import DataPrepError, TileError
from data_prep.readers.raw import open_raster
from data_prep.readers.splits import check_tiles
from mmae_jax.spec import Modality, SpecError, Target
from tests.data_prep.datasets.folder.test_folder import write_tif
from tests.data_prep.datasets.folder.test_names import write

S2 = Modality(("B02",), "uint16", "reflectance", 10.0, size=8, scale=1e-4)
FILES = Files("s2/{tile}.tif", S2, date="20200101")
CROP = Target("segment", ("wheat", "maize"), "crop", missing_value=9, size=8)
TRAIN = Fractions({"train": 1.0})


def folder(sensor=None, target=None, files=None, splits=TRAIN, **more):
    series = dataclasses.replace(FILES, sensor=dataclasses.replace(S2, **(sensor or {})), **(files or {}))
    targets = {"crop": Raster("c/{tile}.tif", dataclasses.replace(CROP, **target))} if target is not None else {}
    return Folder(
        **{"name": "d", "tile_meters": 80.0, "modalities": {"s2": series}, "splits": splits, "targets": targets, **more}
    )


DESCRIPTIONS = {
    "no scale": (
        folder({"scale": float("nan")}),
        r"modalities\.s2\.sensor\.scale: expected a positive number .*, found nan",
    ),
    "scale 0": (folder({"scale": 0.0}), r"modalities\.s2\.sensor\.scale: expected a positive number .*, found 0"),
    "no metres": (folder({"ground_sample_distance": 0.0}), r"sensor\.ground_sample_distance: expected .* found 0"),
    "no tile": (folder(tile_meters=0.0), "tile_meters: expected a positive number of metres, .* found 0"),
    "text for metres": (folder(tile_meters="80"), "tile_meters: expected float, found '80'"),
    "a band twice": (folder({"bands": ("B02", "B02")}), r"bands: expected different names"),
    "a range upside down": (
        folder({"value_range": (2.0, 1.0)}),
        "s2.value_range: expected the smallest and the largest",
    ),
    "missing a class": (
        folder(target={"missing_value": 1}),
        "crop.missing_value: expected a value that is no class, 0 to 1",
    ),
    "ignored of text": (folder(target={"ignored": ("x",)}), r"crop\.ignored\[0\]: expected int, found 'x'"),
    "no pattern": (folder(files={"pattern": None}), r"modalities\.s2\.pattern: expected str, found None"),
    "a number for a regex": (folder(files={"date_regex": 8, "date": None}), r"date_regex: expected str, found 8"),
    "yes for True": (folder(files={"georeferenced": "yes"}), "georeferenced: expected bool, found 'yes'"),
    "no table": (folder(splits=Table(None)), r"splits\.table: expected str, found None"),
    "a seed below 0": (
        folder(splits=Fractions({"train": 1.0}, seed=-1)),
        r"splits\.seed: expected a whole number .*, found -1",
    ),
    "half a block": (folder(blocks=0.5), "blocks: expected int, found 0.5"),
    "a splits' field in names": (
        folder(files={"pattern": "{split}/{tile}.tif"}),
        "expected no {split}, as splits are Frac",
    ),
    "tile beside *": (folder(files={"pattern": "s2/{tile}*"}), "expected text between {tile}, {split} and"),
    "a name of records": (
        dataclasses.replace(folder(), modalities={"transform": FILES}),
        "modalities: expected a name that no other part of a record has, found 'transform'",
    ),
    "numbers for names": (
        folder(targets={"crop": Column("t.csv", Target("classif", ("1", "2"), "crop"))}),
        r"targets\.crop\.values: expected what each value means, as class '1' has index 0, found None",
    ),
    "numbers for names of pixels": (folder(target={"classes": ("10", "20")}), "as class '10' has index 0, found None"),
}


@pytest.mark.parametrize(("description", "message"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_that_training_would_refuse_is_refused(description, message):
    with pytest.raises(SpecError, match=message):
        check(description)


def test_a_description_that_ends_the_program_is_one_line(tmp_path):
    spec = tmp_path / "spec.py"
    spec.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(DataPrepError, match=r"spec.py, line 2: SystemExit: 3"):
        load(spec)


@pytest.mark.parametrize("offset", [-1000, 1e-6])
def test_offsets_in_another_unit_are_refused(offset):
    files = dataclasses.replace(FILES, offsets={"2022-01-25": offset})
    with pytest.raises(SpecError, match=r"expected an offset in reflectance, of which a stored step is 0\.0001, found"):
        check_offsets("modalities.s2", files.sensor, files.offsets)
    check_offsets("modalities.s2", dataclasses.replace(S2, dtype="float32"), files.offsets)


def test_splits_in_names_are_held_against_the_table_and_the_labels(tmp_path):
    raw = write(
        tmp_path, "train/a.tif", "val/b.tif", "c/train/a.tif", "c/train/b.tif", splits="tile,split\na,train\nb,test\n"
    )
    files = Files("{split}/{tile}.tif", S2, date="20200101")
    by_table = Folder("d", 80.0, {"s2": files}, Table("splits.csv"))
    with pytest.raises(DataPrepError, match=r"splits: tile b: expected test, found val in the name of val/b\.tif"):
        list_tiles(by_table, raw)
    (raw / "splits.csv").write_text("tile,split\na,train\nb,val\n")
    assert [[tile.name for tile in tiles] for tiles in list_tiles(by_table, raw).values()] == [["a"], ["b"]]
    labels = {"crop": Raster("c/{split}/{tile}.tif", CROP)}
    with pytest.raises(DataPrepError, match=r"tile b's files, found val \(val/b\.tif\), train \(c/train/b\.tif\)"):
        list_tiles(dataclasses.replace(by_table, splits=InNames(), targets=labels), raw)


def test_tiles_alike_but_for_case_are_one():
    def tile(name):
        return type("Tile", (), {"name": name})()

    with pytest.raises(
        DataPrepError, match=r"tile A1, also written 'a1': expected once, found in split train \(its tile 1\)"
    ):
        check_tiles({"train": [tile("a1")], "test": [tile("A1")]})
    with pytest.raises(DataPrepError, match="also written"):
        check_tiles({"train": [tile("caf\u00e9"), tile("cafe\u0301")]})
    with pytest.raises(DataPrepError, match=r"split train: expected a tile's name in UTF-8"):
        check_tiles({"train": [tile("caf\udce9")]})


def test_a_date_that_may_be_two_days_is_refused():
    with pytest.raises(DataPrepError, match="expected a date %Y%m%d, found '2020111'"):
        parse_moment("2020111", "%Y%m%d", "dates.csv: line 2")
    assert parse_moment("2020-1-5", "%Y-%m-%d", "dates.csv: line 2").day == 5


def test_labels_of_several_bands_are_refused(tmp_path):
    write_tif(tmp_path / "a.tif", np.zeros((2, 8, 8), np.uint8), 10.0)
    with pytest.raises(TileError, match=r"a.tif: bands: expected 1, found 2"):
        read_raster_target(tmp_path / "a.tif", Raster("{tile}.tif", CROP), 80.0)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_labels_in_jpeg_are_refused(tmp_path, name):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((8, 8), np.uint8)).save(
        tmp_path / name, **({"compression": "jpeg"} if "tif" in name else {})
    )
    with pytest.raises(TileError, match=r"a\.\w+: expected values as they were written, found JPEG"):
        read_raster_target(tmp_path / name, Raster("{tile}", CROP), 80.0)


def test_images_of_several_pages_are_refused(tmp_path):
    image = pytest.importorskip("PIL.Image")
    page = image.fromarray(np.zeros((8, 8), np.uint8))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(TileError, match=r"a.tif: expected one image, found 2 pages"), open_raster(tmp_path / "a.tif"):
        pass


def test_a_tile_without_lines_in_the_table_of_dates_says_so(tmp_path):
    write_tif(tmp_path / "s2" / "a.tif", np.zeros((1, 8, 8), np.uint16), 10.0)
    (tmp_path / "dates.csv").write_text("tile,date\nb,20200101\n")
    dated = Folder("d", 80.0, {"s2": Files("s2/{tile}.tif", S2, dates="dates.csv")}, TRAIN)
    [tile] = list_tiles(dated, tmp_path)["train"]
    with pytest.raises(TileError, match=r"s2/a.tif: expected dates of its tile in dates.csv, found none"):
        read_tile(dated, tmp_path, tile)


@pytest.mark.parametrize(
    ("flag", "message"), [("--seed=-1", "a whole number from 0"), ("--raw_dir=http://x", "a local path")]
)
def test_flags_that_cannot_be_are_mistakes_of_the_command_line(flag, message, tmp_path, capsys):
    assert main(["folder", f"--spec={tmp_path / 'x.py'}", f"--out_dir={tmp_path / 'out'}", flag]) == 2
    assert message in capsys.readouterr().err


def test_an_image_that_is_there_twice_is_dropped_and_told(tmp_path, caplog):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pixels = np.random.default_rng(seed).integers(0, 99, (1, 8, 8)).astype(np.uint16)
        write_tif(tmp_path / "s2" / f"t_20200101_{name}.tif", pixels, 10.0)
    copied = Folder("d", 80.0, {"s2": Files("s2/{tile}_{date}_*.tif", S2)}, TRAIN)
    [tile] = list_tiles(copied, tmp_path)["train"]
    record, dropped = read_tile(copied, tmp_path, tile)
    assert (len(record["s2"]["pixels"]), dropped) == (2, 1)
    assert "s2/t_20200101_b.tif: expected another acquisition, found the pixels of s2/t_20200101_a.tif" in caplog.text
