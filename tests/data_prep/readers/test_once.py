"""What occurs twice in a published dataset's splits, tables and archives is refused with both places named."""

import io
import json
import tarfile

import numpy as np
import pytest

from data_prep.datasets.flair_hub.date_tables import date_tables
from data_prep.datasets.s2_naip_urban import files
from data_prep.datasets.treesatai_ts.contract import GENERA
from data_prep.datasets.treesatai_ts.read import CSV_COLUMNS, list_tiles, read_tile
from data_prep.datasets.treesatai_ts.read import Tile as TreeTile
from data_prep.errors import DataPrepError, TileError
from data_prep.readers.dates import are_one, from_products
from data_prep.readers.json_files import read_json
from data_prep.readers.splits import SplitFiles, check_tiles
from tests.data_prep.shards.tiny import Tile


def test_a_tile_in_two_splits():
    with pytest.raises(DataPrepError, match=r"tile a: expected once, found in split train \(.* 2\) and in split test"):
        check_tiles({"train": [Tile("b"), Tile("a")], "test": [Tile("a")]})


@pytest.mark.parametrize("name", ["Test", "validation", "TRAIN", "val ", "a b", "all", "", "prüfung"])
def test_a_split_of_another_name(name):
    with pytest.raises(DataPrepError, match=f"splits: expected .*{name}"):
        check_tiles({"train": [Tile("a")], name: [Tile("b")]})


def test_a_key_of_a_json_file(tmp_path):
    (tmp_path / "a.json").write_text('{"x": {"IMG_1": 1, "IMG_2": 2, "IMG_1": 3}}')
    with pytest.raises(DataPrepError, match=r"a\.json: IMG_1: expected once, found as entries 1 and 3 of 3"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("text", ['{"a": ', "[" * 100_000, "\udcff"])
def test_json_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataPrepError, match=r"a\.json: cannot be read"):
        read_json(tmp_path / "a.json")


def test_a_member_of_an_archive(tmp_path):
    archive = tmp_path / "naip_32612" / "32612_30_-190.tar"
    archive.parent.mkdir()
    with tarfile.open(archive, "w") as file:
        for name in ("x/32612_960_-6049.png", "y/._32612_960_-6049.png", "y/32612_960_-6049.png"):
            member = tarfile.TarInfo(name)
            member.size = 3
            file.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(TileError, match=r"tar: 32612_960_-6049.png: .*x/32612.* at byte 0 and in y/32612.* at byte"):
        files.find(tmp_path, "naip", "32612_960_-6049", ".png")


def test_a_patch_of_a_table_of_dates(tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    import numpy as np

    folder = tmp_path / "GLOBAL_ALL_MTD"
    folder.mkdir()
    patches = np.array(["D1-2019_A_1-1", "D1-2019_A_1-2", "D1-2019_A_1-1"], object)
    dates = np.array(["20190101", "20190101", "20190102"], object)
    pyogrio.raw.write(
        str(folder / "GLOBAL_AERIAL_MTD_DATES.gpkg"),
        None,
        [patches, dates],
        ["patch_id", "date"],
        geometry_type=None,
        crs=None,
    )
    with pytest.raises(DataPrepError, match="patch_id D1-2019_A_1-1: expected once, found in row 1 and in row 3"):
        date_tables(tmp_path)


def test_a_feature_of_metadata(tmp_path):
    from data_prep.datasets.pastis_hd.metadata import read_patches

    feature = {"properties": {"ID_PATCH": 7}, "geometry": None}
    (tmp_path / "metadata.geojson").write_text(json.dumps({"features": [feature, feature]}))
    with pytest.raises(DataPrepError, match="patch 7: expected once, found in feature 1 and in feature 2"):
        read_patches(tmp_path)


@pytest.mark.parametrize("token", [2, -3])
def test_a_product_name_with_too_few_parts_is_named(token):
    with pytest.raises(ValueError, match="at least 3 parts"):
        from_products(["S2A_20190103"], token)


def test_images_of_the_same_pixels_are_one_acquisition():
    image = np.array([np.nan, 1, 2], np.float32)
    assert are_one(image, image.copy())
    assert not are_one(image, image + 1)
    assert not are_one(np.zeros(3), np.zeros(3))  # nodata, for example


def test_a_series_belongs_to_one_tile(tmp_path):
    for split, tile in (("train", "a"), ("val", "b"), ("test", "c")):
        line = ",".join([f"{tile}.tif", "c_2020.h5" if split == "test" else "s.h5", "20200701", *["0"] * len(GENERA)])
        (tmp_path / f"{split}.csv").write_text(f"{','.join(CSV_COLUMNS)}\n{line}\n")
    with pytest.raises(DataPrepError, match=r"sen_name s.h5: expected once, found in train.csv: a.tif and in val"):
        list_tiles(SplitFiles(), tmp_path)


def test_a_series_is_that_of_its_tile(tmp_path):
    tile = TreeTile(aerial="a.tif", sentinel="b_2020.h5", aerial_date=(2020, 1, 0), proportions=())
    with pytest.raises(TileError, match=r"sentinel-ts/b_2020.h5: expected the series of a, .*--accept=place"):
        read_tile(tmp_path, tile)
