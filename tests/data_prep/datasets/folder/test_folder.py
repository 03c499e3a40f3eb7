"""A user's own rasters, described by a Python file, become shards that a config can train on."""

import re
import shutil
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS

from data_prep.__main__ import main
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.pipeline import train_dataset
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records
from tests.places import SAMPLES

DESCRIPTION = """
from data_prep.folder import Column, Files, Folder, Fractions, InNames, Raster, Table
from mmae_jax.spec import Modality, Target

dataset = Folder(
    name="fields",
    tile_meters=80.0,
    modalities={
        "s2": Files(
            "s2/{tile}/{tile}_{date}.tif",
            Modality(("B02", "B04", "B08"), "uint16", "reflectance", 10.0, size=8, mask_channels=("cloud",)),
            masks="clouds/{tile}_{date}.tif",
        ),
        "s1": Files(
            "s1/{tile}.tif",
            Modality(("VV", "VH"), "float32", "dB", 20.0, size=4),
            dates="s1.csv",
            date_format="%Y-%m-%d",
        ),
        "dem": Files("dem/dem_{tile}.tif", Modality(("height",), "float32", "m", 5.0, size=16), date="20200101"),
    },
    targets={
        "crop": Raster("crop/{tile}.tif", Target("segment", ("wheat", "maize"), "crop", missing_value=9, size=16)),
        "farm": Column("labels.csv", Target("classif", ("small", "large"), "farm")),
        "trees": Column("labels.csv", Target("multilabel", ("oak", "beech"), "cover", threshold=0.1)),
    },
    splits=Table("splits.csv"),
)
"""
TILES = ("a1", "a2", "b_1", "c")
S2_DATES = ("20200301", "20200105", "20200620")
S1_DATES = ("2020-02-01", "2020-02-13")


def write_tif(path, pixels, gsd, shift=0.0, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"width": pixels.shape[2], "height": pixels.shape[1], "count": len(pixels), "dtype": pixels.dtype}
    names = more.pop("names", None)
    georeference = {"crs": CRS.from_epsg(32632), "transform": rasterio.Affine(gsd, 0, 500 + shift, 0, -gsd, 900)}
    with rasterio.open(path, "w", driver="GTiff", **profile | georeference | more) as file:
        file.write(pixels)
        if names:
            file.descriptions = names


def values(tile, what, shape, dtype):
    rng = np.random.default_rng([TILES.index(tile), *what.encode()])
    return rng.integers(1, 200, shape).astype(dtype)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four tiles in every layout at once; tile c has no Sentinel-1."""
    raw = tmp_path_factory.mktemp("folder") / "raw"
    for tile in TILES:
        for date in S2_DATES:
            write_tif(raw / f"s2/{tile}/{tile}_{date}.tif", values(tile, date, (3, 8, 8), "uint16"), 10)
            write_tif(raw / f"clouds/{tile}_{date}.tif", values(tile, "cloud", (1, 8, 8), "uint8") % 3, 10)
        if tile != "c":
            write_tif(raw / f"s1/{tile}.tif", values(tile, "s1", (4, 4, 4), "float32"), 20)
        write_tif(raw / f"dem/dem_{tile}.tif", values(tile, "dem", (1, 16, 16), "float32"), 5)
        write_tif(raw / f"crop/{tile}.tif", values(tile, "crop", (1, 16, 16), "uint8") % 2, 5)
    lines = [f"{tile},{date}" for tile in TILES[:3] for date in S1_DATES]
    (raw / "s1.csv").write_text("tile,date\n" + "\n".join(lines))
    labels = zip(TILES, ("small", "large", "1", "0"), strict=True)
    (raw / "labels.csv").write_text(
        "tile,farm,oak,beech\n" + "\n".join(f"{tile},{farm},0.5,0" for tile, farm in labels)
    )
    (raw / "splits.csv").write_text("tile,split\na1,train\na2,train\nc,train\nb_1,val\n")
    (raw / "fields.py").write_text(DESCRIPTION)
    return raw


@pytest.fixture
def raw(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "raw"))


@pytest.fixture
def prepare(raw, tmp_path, capsys):
    return preparing(DESCRIPTION, raw, tmp_path, capsys)


def preparing(description, raw, tmp_path, capsys):
    """Returns a function that prepares `raw` as described, but for some changes: the exit code, and what is printed."""

    def run(*flags, changes=()):
        text = description
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (raw / "fields.py").write_text(text)
        code = main(["folder", f"--spec={raw / 'fields.py'}", f"--out_dir={tmp_path / 'out'}", *flags])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_records_hold_the_files_values(prepare, raw, tmp_path):
    code, printed = prepare()
    assert code == 0, printed
    assert "train: 3 tiles kept, 0 skipped, 1 without s1" in printed
    found = records(tmp_path / "out")["a2"]
    in_time = sorted(S2_DATES)
    expected = np.stack([values("a2", date, (3, 8, 8), "uint16") for date in in_time])
    np.testing.assert_array_equal(found["s2"]["pixels"], expected)
    np.testing.assert_array_equal(found["s2"]["dates"], [[2020, 5, 0], [2020, 61, 0], [2020, 172, 0]])
    np.testing.assert_array_equal(found["s2"]["mask"][1], values("a2", "cloud", (1, 8, 8), "uint8") % 3)
    np.testing.assert_array_equal(found["s1"]["pixels"].reshape(4, 4, 4), values("a2", "s1", (4, 4, 4), "float32"))
    np.testing.assert_array_equal(found["s1"]["dates"], [[2020, 32, 0], [2020, 44, 0]])
    np.testing.assert_array_equal(found["dem"]["dates"], [[2020, 1, 0]])
    np.testing.assert_array_equal(found["crop"], values("a2", "crop", (16, 16), "uint8") % 2)
    np.testing.assert_array_equal(found["cover"], np.float32([0.5, 0]))
    assert found["farm"] == 1
    np.testing.assert_array_equal(found["ref_date"], [2020, 5, 0])
    np.testing.assert_array_equal(found["transform"], [5, 0, 500, 0, -5, 900])
    assert CRS.from_wkt(found["crs"].decode()) == CRS.from_epsg(32632)
    assert len(records(tmp_path / "out")["c"]["s1"]["dates"]) == 0


def test_the_printed_config_is_complete_and_trains(prepare, tmp_path):
    code, printed = prepare()
    assert code == 0, printed
    (tmp_path / "my_config.py").write_text(re.search(r"^# a config to train.*return config$", printed, re.M | re.S)[0])
    experiment = load_experiment(f"{tmp_path / 'my_config.py'}:runlocal")
    assert experiment.phases == ("pretrain", "probe", "finetune")
    assert (experiment.finetune.monitor, experiment.pretrain.train_splits) == ("crop/average_iou", ("train", "val"))
    assert experiment.inputs["s2"].num_dates == 3
    shards = open_shards(experiment)
    shards.check_phase("finetune")
    batch = train_dataset(experiment, "pretrain", shards.source(("train",)), 2)[0]
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch)
    assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract_batch(experiment, 2))


def test_tiles_may_be_split_by_chance_or_by_name(prepare, raw, tmp_path):
    halves = ('splits=Table("splits.csv")', 'splits=Fractions({"train": 0.5, "val": 0.5}, seed=1)')
    assert prepare(changes=[halves])[0] == 0
    first = set(records(tmp_path / "out"))
    assert len(first) == 2
    assert first.isdisjoint(records(tmp_path / "out", "val"))
    shutil.rmtree(tmp_path / "out")
    for tile in TILES:
        folder = raw / "heights" / ("train" if tile != "c" else "val")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw / f"dem/dem_{tile}.tif", folder / f"{tile}.tif")
    by_name = [('splits=Table("splits.csv")', "splits=InNames()"), ("dem/dem_{tile}.tif", "heights/{split}/{tile}.tif")]
    assert prepare(changes=by_name)[0] == 0
    assert set(records(tmp_path / "out", "val")) == {"c"}


def test_blocks_and_dates_in_names_of_whole_tiles(prepare, raw, tmp_path):
    for tile in TILES:
        (raw / f"dem/dem_{tile}.tif").rename(raw / f"dem/dem_{tile}_T20210203.tif")
    (raw / "dem").rename(raw / "dem_T20220101")  # which is no date of a file
    regex = (
        ('"dem/dem_{tile}.tif"', '"dem_T20220101/dem_{tile}_T*.tif"'),
        ('date="20200101"', r'date_regex=r"_T(\d{8})"'),
    )
    assert prepare(changes=[*regex, ("tile_meters=80.0,", "tile_meters=80.0, blocks=2,")])[0] == 0
    found = records(tmp_path / "out", "val")["b_1"]  # the last of its blocks
    np.testing.assert_array_equal(found["dem"]["dates"], [[2021, 34, 0]])
    np.testing.assert_array_equal(found["dem"]["pixels"][0], values("b_1", "dem", (1, 16, 16), "float32")[:, 8:, 8:])


def test_shards_of_another_description_are_not_gone_on_with(prepare):
    assert prepare()[0] == 0
    code, printed = prepare(changes=[('date="20200101"', 'date="20200102"')])
    assert code == 1
    assert "out exists already" in printed
    assert prepare()[0] == 0


BAD_DESCRIPTIONS = [
    (("name=", "nam="), r"line \d+: TypeError: .*nam"),
    (
        ("dataset = Folder", "data = Folder"),
        "expected a variable dataset that is a data_prep.folder.Folder, found None",
    ),
    (("from mmae_jax", "from mmae_jaxx"), r"line \d+: ModuleNotFoundError: .*mmae_jaxx"),
    (("splits=Table", "splits=(Table"), r"line \d+: "),
    (('"s1/{tile}.tif"', '"s1/{tle}.tif"'), r"modalities.s1.pattern: expected \{tile\}.*found 's1/\{tle\}.tif'"),
    (('"s1/{tile}.tif"', '"../{tile}.tif"'), "modalities.s1.pattern: expected a path below the raw folder"),
    ((', date="20200101"', ""), "modalities.dem: expected one of .* found none"),
    (('date="20200101"', 'date="2020"'), "modalities.dem.date: expected a date %Y%m%d, found '2020'"),
    (("%Y-%m-%d", "%Q"), r"modalities.s1.date_format: expected a date format of .*, found %Q"),
    (("size=4)", "size=5)"), r"modalities.s1.sensor.size: expected 4 pixels of 20 m to cover 80 m, found 5"),
    (('"float32", "dB"', '"flot32", "dB"'), "modalities.s1.sensor.dtype: expected the name of a numeric dtype"),
    (('("VV", "VH")', '("VV", "VV")'), "modalities.s1.sensor.bands: expected different names, found 'VV' and 'VV'"),
    (('("VV", "VH")', '"VV"'), r"modalities.s1.bands: expected a list"),
    (
        ('mask_channels=("cloud",)', "mask_channels=()"),
        "modalities.s2.masks: expected None, since sensor.mask_channels is \\(\\), found 'clouds/",
    ),
    (('"cover"', '"name"'), "targets.trees.target.field: expected a name that no other part"),
    (('"classif"', '"segment"'), "farm.target.kind: expected classif, multilabel or regression, found 'segment'"),
    (("s1/{tile}.tif", "s1/{tile}.tiff"), r"modalities.s1.pattern: expected files 's1/\{tile\}.tiff' in"),
    (("splits.csv", "absent.csv"), r"absent.csv: cannot be read"),
    (('Table("splits.csv")', "3"), "splits: expected Table, Fractions or InNames, found 3"),
    (('Table("splits.csv")', 'Fractions({"train": 0.5})'), "splits.shares: expected shares above 0 that add up to 1"),
    (
        ('Table("splits.csv")', "InNames()"),
        r"splits: expected one \{split\} in the names of tile a1's files, found none",
    ),
    (("tile_meters=80.0", "tile_meters=80.0, blocks=3"), "blocks: expected a divisor of 4, .* found 3"),
    (('"small", "large"', '"tiny", "huge"'), "labels.csv: tile a1: farm: expected a class .*found 'small'"),
]


@pytest.mark.parametrize(("change", "message"), BAD_DESCRIPTIONS)
def test_a_wrong_description_is_one_line_with_file_and_field(prepare, tmp_path, change, message):
    code, printed = prepare(changes=[change])
    assert code == 1
    (line,) = [line for line in printed.splitlines() if line]
    assert line.startswith("error: ")
    assert "fields.py" in line
    assert re.search(message, line), line
    assert not (tmp_path / "out").exists()


def damaged(pixels, gsd=20.0, **more):
    return lambda path: write_tif(path, pixels, gsd, **more)


S1 = np.ones((4, 4, 4), np.float32)
BAD_FILES = [
    (damaged(S1[:3]), "expected 2 bands × 2 dates = 4, found 3"),
    (damaged(S1[:, :3]), r"size: expected \(4, 4\), found \(3, 4\)"),
    (damaged(S1.astype("float64")), "dtype: expected float32, found float64"),
    (damaged(S1, gsd=10.0), "ground sample distance: expected 20 m, found 10"),
    (damaged(S1, shift=10.0), r"north-west corner: expected \(500.0, 900.0\) as in .*s2/a1.*, found \(510.0, 900.0\)"),
    (damaged(S1, crs=CRS.from_epsg(32633)), "coordinate system, as in .*s2/a1"),
    (damaged(S1, crs=CRS.from_epsg(4326)), "coordinate system: expected a projected one, in metres"),
    (damaged(S1, nodata=-9999.0), "nodata: expected none as the contract says, found -9999"),
    (damaged(S1, names=("VH", "VV", "VH", "VV")), "band names: expected VV, VH, found VH, VV"),
    (lambda path: path.write_bytes(path.read_bytes()[:200]), "cannot be read"),
]


@pytest.mark.parametrize(("damage", "message"), BAD_FILES)
def test_a_file_that_is_not_as_described_is_named_and_its_tile_skipped(prepare, raw, tmp_path, damage, message):
    damage(raw / "s1/a1.tif")
    code, printed = prepare()
    assert code == 0, printed
    assert re.search(rf"skipped a1: .*s1/a1.tif: {message}", printed), printed
    assert set(records(tmp_path / "out")) == {"a2", "c"}


def test_a_damaged_date_is_dropped_and_counted(prepare, raw, tmp_path):
    (raw / "s2/a1" / f"a1_{S2_DATES[0]}.tif").write_bytes(b"damaged")
    (raw / "clouds" / f"a1_{S2_DATES[1]}.tif").unlink()
    code, printed = prepare()
    assert code == 0, printed
    assert "2 damaged dates dropped" in printed
    np.testing.assert_array_equal(records(tmp_path / "out")["a1"]["s2"]["dates"], [[2020, 172, 0]])


def test_targets_are_checked(prepare, raw):
    write_tif(raw / "crop/a1.tif", np.full((1, 16, 16), 7, np.uint8), 5)
    (raw / "crop/a2.tif").unlink()
    code, printed = prepare()
    assert code == 0, printed
    assert "a1.tif: expected classes 0 to 1 or 9 (missing or ignored), found 7" in printed
    assert "skipped a2: target crop: expected a file crop/a2.tif, found none" in printed


BIGEARTHNET = textwrap.dedent('''
    """Pairs of Sentinel-1 and Sentinel-2 images of BigEarthNet, 1200 m wide."""

    from data_prep.folder import Files, Folder, Fractions
    from mmae_jax.spec import Modality

    S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
    TAKEN = r"MSIL2A_(\\d{8})T"  # where the date is in a file's name

    dataset = Folder(
        name="bigearthnet_pairs",
        tile_meters=1200.0,
        modalities={
            "s2": Files(
                "s2/{tile}.tif",
                Modality(S2_BANDS, "uint16", "surface reflectance", ground_sample_distance=10.0, size=120, scale=1e-4),
                date_regex=TAKEN,
                georeferenced=False,  # these files say 60 m, the resolution of B01
            ),
            "s1": Files(
                "s1/{tile}.tif",
                Modality(("VH", "VV"), "float32", "sigma0, dB", ground_sample_distance=10.0, size=120, decibel=True),
                date_regex=TAKEN,
            ),
        },
        splits=Fractions({"train": 0.34, "val": 0.33, "test": 0.33}),
    )
''')


def test_real_pairs_of_bigearthnet(tmp_path, capsys):
    directory = SAMPLES / "bigearthnet"
    if not directory.is_dir():
        pytest.skip("real BigEarthNet pairs are not here")
    (tmp_path / "bigearthnet.py").write_text(BIGEARTHNET)
    out = tmp_path / "out"
    code = main(["folder", f"--spec={tmp_path / 'bigearthnet.py'}", f"--raw_dir={directory}", f"--out_dir={out}"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "s2=dict(" in printed.out
    found = {name: record for split in ("train", "val", "test") for name, record in records(out, split).items()}
    assert len(found) == 3
    for name, record in found.items():
        for modality in ("s1", "s2"):
            with rasterio.open(directory / modality / f"{name}.tif") as file:
                np.testing.assert_array_equal(record[modality]["pixels"], file.read()[None])
        assert record["ref_date"][0] == int(name[11:15])
