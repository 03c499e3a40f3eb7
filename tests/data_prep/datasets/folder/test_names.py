"""Names and keys of a described folder: what may occur once, what may not be a name, and which files are meant."""

import os
from pathlib import Path

import pytest

from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, InNames, Raster, Table, check
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.errors import DataPrepError
from mmae_jax.spec import Modality, SpecError, Target

S2 = Modality(("B02", "B03"), "uint16", "reflectance", 10.0, size=8)
CLOUDY = Modality(("B02", "B03"), "uint16", "reflectance", 10.0, size=8, mask_channels=("cloud",))
CROP = Target("segment", ("wheat", "maize"), "crop", missing_value=9, size=8)
FARM = Target("classif", ("small", "large"), "farm")
ALL_TRAIN = Fractions({"train": 1.0})


def described(files=None, splits=ALL_TRAIN, **more) -> Folder:
    files = files if isinstance(files, Files) else Files(files or "s2/{tile}_{date}.tif", S2)
    folder = Folder("fields", 80.0, {"s2": files}, splits, **more)
    check(folder)
    return folder


def write(raw: Path, *names: str, **tables: str) -> Path:
    """Makes empty files, and tables with the text given."""
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()
    for name, text in tables.items():
        (raw / f"{name}.csv").write_text(text)
    return raw


def found(folder: Folder, raw: Path) -> dict[str, list[str]]:
    return {split: sorted(tile.name for tile in tiles) for split, tiles in list_tiles(folder, raw).items()}


def paths(folder: Folder, raw: Path) -> list[str]:
    return [each.path for tiles in list_tiles(folder, raw).values() for tile in tiles for each in tile.series["s2"]]


ONE_DATE = Files("*/{tile}.tif", S2, date="20200101")
TWICE = {
    "a tile in two folders": (ONE_DATE, {}, ("n/a.tif", "s/a.tif"), {}, "s2: tile a: .*n/a.tif and in .*s/a.tif"),
    "a date in two folders": (
        "**/{tile}_{date}.tif",
        {},
        ("n/a_20200101.tif", "s/o/a_20200101.tif"),
        {},
        "s2: tile a, 2020-01-01 00:00:00: .*n/a_20200101.tif and in .*s/o/a_20200101.tif",
    ),
    "a date in two formats": (
        "s2/{tile}_{date}.*",
        {},
        ("s2/a_20200101.tif", "s2/a_20200101.png"),
        {},
        "tile a, 2020-01-01 .*png and in .*tif",
    ),
    "a label image": (
        None,
        {"targets": {"crop": Raster("crop/*/{tile}.tif", CROP)}},
        ("s2/a_20200101.tif", "crop/n/a.tif", "crop/s/a.tif"),
        {},
        "targets.crop: tile a: .*n/a.tif and in .*s/a.tif",
    ),
    "a label": (
        None,
        {"targets": {"farm": Column("labels.csv", FARM)}},
        ("s2/a_20200101.tif",),
        {"labels": "tile,farm\na,small\n\na,large\n"},
        "labels.csv: tile a: expected once, found in line 2 and in line 4",
    ),
    "a date of a table": (
        Files("s2/{tile}.tif", S2, dates="dates.csv"),
        {},
        ("s2/a.tif",),
        {"dates": "tile,date\na,20200101\na,20200101\n"},
        "dates.csv: tile a, date 20200101: expected once, found in line 2 and in line 3",
    ),
    "a tile of a table of splits": (
        None,
        {"splits": Table("splits.csv")},
        ("s2/a_20200101.tif",),
        {"splits": "tile,split\na,train\na,val\n"},
        "splits.csv: tile a: expected once, found in line 2 and in line 3",
    ),
    "a column of a table": (
        None,
        {"splits": Table("splits.csv")},
        ("s2/a_20200101.tif",),
        {"splits": "tile,split,split\na,train,val\n"},
        "splits.csv: column split: expected once, found in column 2 and in column 3",
    ),
    "a tile of two splits": (
        "{split}/{tile}_{date}.tif",
        {"splits": InNames()},
        ("train/a_20200101.tif", "val/a_20200301.tif"),
        {},
        r"found train \(train/a_20200101.tif\), val \(val/a_20200301.tif\)",
    ),
    "a mask": (
        Files("s2/{tile}_{date}.tif", CLOUDY, masks="{tile}_{date}_*.tif"),
        {},
        ("s2/a_20200101.tif", "a_20200101_1.tif", "a_20200101_2.tif"),
        {},
        "s2.masks: tile a, date 20200101: expected once, found in .*_1.tif and in .*_2.tif",
    ),
    "a mask of two images": (
        Files("s2/{tile}_{date}_*.tif", CLOUDY, masks="{tile}_{date}.tif"),
        {},
        ("s2/a_20200101_1.tif", "s2/a_20200101_2.tif", "a_20200101.tif"),
        {},
        "the image of the mask: tile a, date 20200101: expected once, found in .*_1.tif and in .*_2.tif",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_what_is_there_twice_is_refused_with_both_places(tmp_path, case):
    files, more, names, tables, message = TWICE[case]
    with pytest.raises(DataPrepError, match=message):
        list_tiles(described(files, **more), write(tmp_path, *names, **tables))


def test_two_passes_on_a_day_have_their_own_masks(tmp_path):
    files = Files("s2/{tile}_{date}_*.tif", CLOUDY, masks="cloud/{tile}_{date}_*.tif")
    names = [f"{folder}/a_20200101_{orbit}.tif" for folder in ("s2", "cloud") for orbit in ("R022", "R065")]
    (tile,) = list_tiles(described(files), write(tmp_path, *names))["train"]
    assert [(each.path, each.mask) for each in tile.series["s2"]] == [
        (f"s2/a_20200101_{orbit}.tif", f"cloud/a_20200101_{orbit}.tif") for orbit in ("R022", "R065")
    ]


def test_a_pass_does_not_take_the_mask_of_the_other(tmp_path):
    files = Files("s2/{tile}_{date}_*.tif", CLOUDY, masks="cloud/{tile}_{date}_*.tif")
    names = ("s2/a_20200101_1.tif", "s2/a_20200101_2.tif", "cloud/a_20200101_1.tif")
    (tile,) = list_tiles(described(files), write(tmp_path, *names))["train"]
    assert [each.mask for each in tile.series["s2"]] == ["cloud/a_20200101_1.tif", None]


BESIDE = (
    "._a_20200101.tif",
    ".a_20200101.tif",
    "__MACOSX/s2/a_20200101.tif",
    "a_20200101.tif.aux.xml",
    "a_20200101.tif.ovr",
    "a_20200101.tif.msk",
    "a_20200101.tfw",
    "Thumbs.db",
    "Thumbs_20200101.db/x",
)


@pytest.mark.parametrize("pattern", ["{tile}_{date}.tif", "{tile}_{date}*", "**/{tile}_{date}.*", "{tile}_{date}.t*"])
def test_what_systems_leave_beside_files_is_no_tile(tmp_path, pattern):
    raw = write(tmp_path / "raw", "a_20200101.tif", *BESIDE)
    assert paths(described(pattern), raw) == ["a_20200101.tif"]


def test_hidden_files_are_found_where_they_are_named(tmp_path):
    raw = write(tmp_path, ".cache/.a_20200101.tif", ".cache/b_20200101.tif")
    assert paths(described(".cache/.{tile}_{date}.tif"), raw) == [".cache/.a_20200101.tif"]


def test_brackets_in_names_are_literal(tmp_path):
    raw = write(tmp_path / "[raw]", "s2 [10m]/a_20200101.tif", "s2 1/b_20200101.tif", "s2 ?/c_20200101.tif")
    assert found(described("s2 [10m]/{tile}_{date}.tif"), raw) == {"train": ["a"]}
    assert found(described("s2 ?/{tile}_{date}.tif"), raw) == {"train": ["c"]}


def test_two_stars_are_folders_of_any_depth(tmp_path):
    raw = write(tmp_path, "s2/a_20200101.tif", "s2/x/b_20200101.tif", "s2/x/y/z/c_20200101.tif", "d_20200101.tif")
    assert found(described("s2/**/{tile}_{date}.tif"), raw) == {"train": ["a", "b", "c"]}
    assert found(described("**/{tile}_{date}.tif"), raw) == {"train": ["a", "b", "c", "d"]}
    with pytest.raises(SpecError, match=r"expected \*\* alone between slashes"):
        described("s2/**{tile}_{date}.tif")


def test_a_link_to_a_folder_that_it_is_in_has_no_depth(tmp_path):
    raw = write(tmp_path, "s2/x/a_20200101.tif")
    (raw / "s2" / "x" / "up").symlink_to("..")
    with pytest.raises(DataPrepError, match=r"s2/x/up: expected a folder, found a link to one that it is in"):
        found(described("**/{tile}_{date}.tif"), raw)


def test_dates_may_be_folders(tmp_path):
    files = Files("{date}/{tile}.tif", S2, date_format="%Y/%m/%d")
    assert paths(described(files), write(tmp_path, "2020/02/01/a.tif")) == ["2020/02/01/a.tif"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    raw, scandir = write(tmp_path, "s2/x/a_20200101.tif", "s2/locked/b_20200101.tif"), os.scandir

    def refusing(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataPrepError, match=r"s2/locked: cannot be read \(.*Permission denied"):
        list_tiles(described("s2/*/{tile}_{date}.tif"), raw)


NAMES = {
    "a dataset": ({"name": "my data"}, "name: expected a letter, then .*'my data'"),
    "a version": ({"version": "1"}, "version: expected three numbers like 1.0.0, found '1'"),
    "a sensor with a slash": ({"modalities": {"s2/a": Files("{tile}_{date}", S2)}}, "modalities: .*found 's2/a'"),
    "a keyword": ({"modalities": {"class": Files("{tile}_{date}", S2)}}, "modalities: .*found 'class'"),
    "sensors alike": (
        {"modalities": {"s2": Files("{tile}_{date}", S2), "S2": Files("{tile}_{date}", S2)}},
        "modalities: expected different names, found 's2' and 'S2'",
    ),
    "a target with a space": ({"targets": {"my crop": Raster("{tile}", CROP)}}, "targets: .*found 'my crop'"),
    "a field of two targets": (
        {"targets": {"crop": Raster("x/{tile}", CROP), "field": Raster("y/{tile}", CROP)}},
        "targets.field.target.field: expected a name that no other",
    ),
    "a class twice": (
        {"targets": {"farm": Column("l.csv", Target("classif", ("small", "small"), "farm"))}},
        "targets.farm.target.classes: expected different names, found 'small' and 'small'",
    ),
    "classes alike": (
        {"targets": {"farm": Column("l.csv", Target("classif", ("small", "Small"), "farm"))}},
        "targets.farm.target.classes: expected different names, found 'small' and 'Small'",
    ),
    "a class with a space": (
        {"targets": {"farm": Column("l.csv", Target("classif", ("small", "large "), "farm"))}},
        "targets.farm.target.classes: expected names without spaces around them, found 'large '",
    ),
    "a split of another case": ({"splits": Fractions({"Train": 1.0})}, "'Train'; did you mean train?"),
    "validation": ({"splits": Fractions({"train": 0.5, "validation": 0.5})}, "'validation'; did you mean val?"),
    "a split TFDS refuses": ({"splits": Fractions({"train": 0.5, "a-b c": 0.5})}, "splits.shares: .*'a-b c'"),
    "all": ({"splits": Fractions({"train": 0.5, "all": 0.5})}, "splits.shares: .*'all'"),
    "a negative share": ({"splits": Fractions({"train": 1.5, "val": -0.5})}, "splits.shares: expected shares above 0"),
    "no expression": ({"modalities": {"s2": Files("{tile}", S2, date_regex="(")}}, "date_regex: expected a regular"),
    "no group": ({"modalities": {"s2": Files("{tile}", S2, date_regex="x")}}, "date_regex: expected a group"),
    "no year": (
        {"modalities": {"s2": Files("{tile}_{date}", S2, date_format="%m%d")}},
        "date_format: expected a format with the year, %Y or %y, found '%m%d'",
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_what_cannot_be_a_name_is_refused(case):
    changes, message = NAMES[case]
    fields = {"name": "d", "tile_meters": 80.0, "modalities": {"s2": Files("{tile}_{date}", S2)}, "splits": ALL_TRAIN}
    with pytest.raises(SpecError, match=message):
        check(Folder(**fields | changes))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("Test", "splits.csv: line 3: split: expected train, val, test, found 'Test'; did you mean test"),
        ("validation", "line 3: .*found 'validation'; did you mean val"),
        ("", "line 3: split: expected a split's name"),
        ("val/1", "line 3: split: expected a split's name of letters, digits and underscores, found 'val/1'"),
    ],
)
def test_a_split_of_a_table_is_checked_before_any_tile(tmp_path, split, message):
    raw = write(tmp_path, "s2/a_20200101.tif", "s2/b_20200101.tif", splits=f"tile,split\na,train\nb,{split}\n")
    with pytest.raises(DataPrepError, match=message):
        list_tiles(described(splits=Table("splits.csv")), raw)


def test_spaces_around_values_of_a_table_are_nothing(tmp_path):
    raw = write(tmp_path, "s2/a_20200101.tif", "s2/b_20200101.tif", splits="tile, split\na,train\nb , val \n")
    assert found(described(splits=Table("splits.csv")), raw) == {"train": ["a"], "val": ["b"]}


TIMES = [
    ("20200201T233000+0200", "%Y%m%dT%H%M%S%z", (2020, 32, 21)),
    ("20200101T003000+0530", "%Y%m%dT%H%M%S%z", (2019, 365, 19)),
    ("20200201T233000Z", "%Y%m%dT%H%M%S%z", (2020, 32, 23)),
    ("2020366", "%Y%j", (2020, 366, 0)),
]


@pytest.mark.parametrize(("text", "date_format", "stored"), TIMES)
def test_times_are_stored_in_utc(tmp_path, text, date_format, stored):
    raw = write(tmp_path, f"s2/a_{text}.tif")
    (tile,) = list_tiles(described(Files("s2/{tile}_{date}.tif", S2, date_format=date_format)), raw)["train"]
    assert tile.series["s2"][0].dates == (stored,)


@pytest.mark.parametrize(
    ("text", "date_format"), [("20200230", "%Y%m%d"), ("2019366", "%Y%j"), ("20201301", "%Y%m%d"), ("2020000", "%Y%j")]
)
def test_a_day_that_does_not_exist_is_refused(tmp_path, text, date_format):
    raw = write(tmp_path, f"s2/a_{text}.tif")
    with pytest.raises(DataPrepError, match=f"{text}.tif: expected .*, found '{text}'"):
        list_tiles(described(Files("s2/{tile}_{date}.tif", S2, date_format=date_format)), raw)


def test_images_are_in_order_of_time_to_the_second(tmp_path):
    names = ("b/x_20200101T103002.tif", "a/x_20200101T103001.tif", "c/x_20200101T093000.tif")
    files = Files("*/{tile}_{date}.tif", S2, date_format="%Y%m%dT%H%M%S")
    assert paths(described(files), write(tmp_path, *names)) == [names[2], names[1], names[0]]
