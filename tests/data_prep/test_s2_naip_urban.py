"""S2-NAIP urban: published folders, archives and stacked files give the same records; crops read few blocks."""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from array_record.python.array_record_data_source import ArrayRecordDataSource
from rasterio.windows import Window

from configs.s2_naip_urban import get_config
from data_prep.__main__ import main
from data_prep.datasets.s2_naip_urban import read as s2_naip_urban
from data_prep.datasets.s2_naip_urban.contract import CONTRACT, CONTRACT_WITH_LANDSAT
from data_prep.errors import TileError
from mmae_jax import config
from mmae_jax.contract import read_contract
from mmae_jax.data import crops, sample
from mmae_jax.data.shards import open_shards
from mmae_jax.data.tiles import Tile

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SPLITS = ("train", "val", "test")
LAYOUTS = ("published", "archives", "stacked")
WITHOUT_LANDSAT, FEW_S2, WITHOUT_S1 = 4, 3, 6
"""Numbers of made-up tiles that lack something."""


def data_prep(*arguments: str) -> None:
    assert main(arguments) == 0


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Seven tiles in each layout: 5 train, 1 val, 1 test."""
    folder = tmp_path_factory.mktemp("naip")
    for layout in LAYOUTS:
        data_prep("synthetic", "s2_naip_urban", f"--out_dir={folder / layout}", "--tiles=7", f"--layout={layout}")
    return {layout: folder / layout for layout in LAYOUTS}


@pytest.fixture(scope="module")
def shards(raw: dict[str, Path]) -> Path:
    directory = raw["published"].parent / "shards"
    data_prep("s2_naip_urban", f"--raw_dir={raw['published']}", f"--out_dir={directory}")
    return directory


@pytest.fixture
def damaged(raw: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw["published"], tmp_path / "raw"))


def source(*arguments: str):
    parser = argparse.ArgumentParser()
    s2_naip_urban.add_arguments(parser)
    return s2_naip_urban.source(parser.parse_args(arguments))


def read(raw_dir: Path, number: int = 0, *arguments: str):
    prepared = source(*arguments)
    tiles = [tile for split in prepared.list_tiles(raw_dir).values() for tile in split]
    return prepared.read_tile(raw_dir, tiles[number])


def experiment(directory: Path):
    fields = get_config()
    fields.data.dir = str(directory)
    return config.experiment_from_config(fields)


def whole_tiles(directory: Path) -> dict[str, dict]:
    tiles = open_shards(experiment(directory)).source(SPLITS)
    records = [tiles[index].read((0, 0), 64) for index in range(len(tiles))]
    return {record["name"].decode(): record for record in records}


def slowly(raw_dir: Path, tile: str, sensor: str, bands: dict[str, tuple[str, int]], order: tuple[str, ...]):
    """Images by acquisition day, read band by band: `bands` is name → file ending and number in an image of `per`."""
    with (raw_dir / f"{sensor}.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if f"{row['projection'][5:]}_{row['col']}_{row['row']}" == tile]
    per = {ending: sum(other == ending for other, _ in bands.values()) for ending, _ in bands.values()}
    files = {}
    for ending in per:
        with rasterio.open(raw_dir / sensor / f"{tile}{ending}") as file:
            files[ending] = file.read()
    images = []
    for row in rows:
        day = row[f"{sensor}_scene"].split("_")[-5][:8]
        image = np.empty((len(order), 64, 64))
        for position, band in enumerate(order):
            ending, number = bands[band]
            pixels = files[ending][int(row["index"]) * per[ending] + number]
            for line in range(64):
                image[position, line] = [pixels[line * len(pixels) // 64, c * len(pixels) // 64] for c in range(64)]
        images.append((day, image))
    return sorted(images, key=lambda pair: pair[0])


S2_FILES = {band: ("_8.tif", number) for number, band in enumerate(("B02", "B03", "B04", "B08"))}
S2_FILES |= {band: ("_16.tif", number) for number, band in enumerate(("B05", "B06", "B07", "B11", "B12", "B8A"))}


@pytest.mark.parametrize(
    ("sensor", "modality", "bands"),
    [("sentinel2", "s2", S2_FILES), ("sentinel1", "s1", {"VV": (".tif", 0), "VH": (".tif", 1)})],
)
def test_records_are_the_published_images_in_chronological_order(raw, shards, sensor, modality, bands):
    tile, record = next(iter(whole_tiles(shards).items()))
    expected = slowly(raw["published"], tile, sensor, bands, CONTRACT.modalities[modality].bands)
    np.testing.assert_array_equal(record[modality]["pixels"], [image for _, image in expected])
    days = [datetime.datetime.strptime(day, "%Y%m%d") for day, _ in expected]
    np.testing.assert_array_equal(record[modality]["dates"], [[day.year, int(day.strftime("%j")), 0] for day in days])


def test_the_aerial_image_is_dated_by_its_flight(raw, shards):
    for tile, record in whole_tiles(shards).items():
        with rasterio.open(raw["published"] / "naip" / f"{tile}.png") as file:
            np.testing.assert_array_equal(record["aerial"]["pixels"], file.read()[None])
        text = (raw["stacked"] / "dates" / "naip" / f"{tile}.txt").read_text()
        flight = datetime.datetime.strptime(text.strip().split("_")[-2], "%Y%m%d")
        expected = [flight.year, int(flight.strftime("%j")), 0]
        np.testing.assert_array_equal(record["ref_date"], expected)
        np.testing.assert_array_equal(record["aerial"]["dates"], [expected])


@pytest.mark.parametrize("layout", ["archives", "stacked"])
def test_all_layouts_give_the_same_records(raw, layout):
    for number in (0, WITHOUT_LANDSAT, WITHOUT_S1):  # also of two archives
        (found, _), (expected, _) = (read(raw[name], number, "--landsat") for name in (layout, "published"))
        assert found.keys() == expected.keys()
        for name in CONTRACT_WITH_LANDSAT.modalities:
            for part in ("pixels", "dates"):
                np.testing.assert_array_equal(found[name][part], expected[name][part])
                assert found[name][part].dtype == expected[name][part].dtype


def test_sensors_without_files_are_missing(raw):
    landsat = read(raw["published"], WITHOUT_LANDSAT, "--landsat")[0]["landsat"]
    s1 = read(raw["published"], WITHOUT_S1)[0]["s1"]
    assert landsat["pixels"].shape == (0, 11, 64, 64)
    assert s1["pixels"].shape == (0, 2, 64, 64)
    assert s1["pixels"].dtype == np.float32
    assert "landsat" not in read(raw["published"])[0]


def test_landsat_bands_are_in_the_order_of_their_numbers(raw):
    tile = next(iter(source().list_tiles(raw["published"])["train"])).name
    pixels = read(raw["published"], 0, "--landsat")[0]["landsat"]["pixels"]
    with rasterio.open(raw["published"] / "landsat" / f"{tile}_8.tif") as file:
        pan = file.read()
    with rasterio.open(raw["published"] / "landsat" / f"{tile}_16.tif") as file:
        others = file.read().reshape(-1, 10, 32, 32)
    for image in pixels:
        match = next(i for i in range(len(pan)) if np.array_equal(pan[i], image[7]))
        np.testing.assert_array_equal(image[[0, 1, 2, 3, 4, 5, 6, 8, 9, 10], ::2, ::2], others[match])


def test_tiles_lie_where_their_names_say(raw):
    for number in (0, 5):
        record, _ = read(raw["published"], number)
        with rasterio.open(raw["published"] / "sentinel2" / f"{record['name']}_8.tif") as file:
            assert rasterio.crs.CRS.from_string(record["crs"]) == file.crs
            assert (record["transform"][2], record["transform"][5]) == (file.bounds.left, file.bounds.top)
            assert record["transform"][0] * 512 == file.bounds.right - file.bounds.left


class Counting(list):
    """Records that know which of them were read."""

    def __getitem__(self, index):
        self.read = [*getattr(self, "read", []), index]
        return super().__getitem__(index)


def test_crops_read_little_more_than_they_show(shards):
    described = experiment(shards)
    records = open_shards(described).records(("val",))
    stored = Counting(records[index] for index in range(256))
    encoded = ArrayRecordDataSource([str(path) for path in shards.glob("*-val.array_record*")])
    tile, rng = Tile(stored, CONTRACT, 0), np.random.default_rng(0)

    def amplification(starts: list[tuple[int, int]]) -> float:
        used = read = 0
        for start in starts:
            stored.read = []
            shown = tile.read(start, described.crop_cells)
            used += sum(shown[name]["pixels"].nbytes for name in CONTRACT.modalities)
            read += sum(len(encoded[index]) for index in stored.read)
            assert len(set(stored.read)) == len(stored.read) <= 16
        return read / used

    assert amplification([crops.random_start(rng, 64, 12) for _ in range(50)]) < 2
    assert amplification([crops.fixed_start(index, 5, 64) for index in range(25)]) <= 1.6


def test_samples_have_the_published_shapes_whatever_is_missing(shards):
    described = experiment(shards)
    tiles = open_shards(described).source(SPLITS)
    shapes = {"aerial": (1, 4, 96, 96), "spot": (1, 3, 96, 96), "s2": (16, 10, 12, 12), "s1": (4, 2, 12, 12)}
    few = 0
    for index in range(len(tiles)):
        result = sample.eval_sample(described, tiles[index], 24)
        assert {name: pixels.shape for name, pixels in result["inputs"].items()} == shapes
        np.testing.assert_array_equal(result["inputs"]["spot"], result["inputs"]["aerial"][:, 1:])
        days = result["dates"]["s2"].astype(int) @ [366, 1, 0]
        assert (np.diff(days) >= 0).all()  # bins are periods of time
        few += len(np.unique(days)) <= 5
        whole = tiles[index].read((51, 51), 12)
        stored = {image.tobytes() for image in whole["s2"]["pixels"]}
        assert all(image.tobytes() in stored for image in result["inputs"]["s2"])
        if len(whole["s1"]["dates"]) == 0:
            assert not result["valid"]["s1"].any()
    assert few >= 1


@pytest.mark.parametrize(("crop", "row", "column"), [(0, 0, 0), (7, 12, 25), (23, 51, 38)])
def test_samples_are_windows_of_the_stacked_files(raw, shards, crop, row, column):
    described = experiment(shards)
    tile = open_shards(described).source(("val",))[0]
    name = tile.read((0, 0), 64)["name"].decode()
    result = sample.eval_sample(described, tile, crop)

    def window(path: Path, scale: int) -> np.ndarray:
        with rasterio.open(path) as file:
            return file.read(window=Window(column * scale, row * scale, 12 * scale, 12 * scale))

    aerial = window(raw["stacked"] / "naip" / f"{name}.png", 8)
    np.testing.assert_array_equal(result["inputs"]["aerial"][0], aerial[[3, 0, 1, 2]])
    np.testing.assert_array_equal(result["inputs"]["spot"][0], aerial[:3])
    for sensor, folder, ending in (("s2", "sentinel2", "_stacked"), ("s1", "sentinel1", "")):
        found = result["inputs"][sensor]
        images = window(raw["stacked"] / folder / f"{name}{ending}.tif", 1).reshape(-1, *found.shape[1:])
        scenes = (raw["stacked"] / "dates" / sensor / f"{name}.txt").read_text().split()
        days = [datetime.datetime.strptime(scene.split("_")[-5][:8], "%Y%m%d").timetuple() for scene in scenes]
        published = {(day.tm_year, day.tm_yday, image.tobytes()) for day, image in zip(days, images, strict=True)}
        for (year, day, _), image in zip(result["dates"][sensor].tolist(), found, strict=True):
            assert (year, day, image.tobytes()) in published


def test_the_contract_says_whether_landsat_is_stored(raw, shards, tmp_path):
    assert read_contract(shards) == CONTRACT
    data_prep(
        "s2_naip_urban", f"--raw_dir={raw['stacked']}", f"--out_dir={tmp_path / 'out'}", "--landsat", "--split=all"
    )
    assert read_contract(tmp_path / "out") == CONTRACT_WITH_LANDSAT


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with rasterio.open(path) as file:
        pixels, driver = change(file.read()), file.driver
    profile = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver, **profile) as file:
        file.write(pixels)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES = {
    "absent aerial": ("naip/{}.png", Path.unlink, "not found"),
    "truncated aerial": ("naip/{}.png", truncate, "cannot be read"),
    "aerial without NIR": (
        "naip/{}.png",
        lambda path: rewrite(path, lambda a: a[:3]),
        "expected R, G, B, NIR of each image, found 3 bands",
    ),
    "small aerial": ("naip/{}.png", lambda path: rewrite(path, lambda a: a[:, :256]), "size: expected (512, 512)"),
    "truncated s2": ("sentinel2/{}_8.tif", truncate, "cannot be read"),
    "no 20 m bands": ("sentinel2/{}_16.tif", Path.unlink, "not found, though other bands are there"),
    "a band less": (
        "sentinel2/{}_16.tif",
        lambda path: rewrite(path, lambda a: a[:-1]),
        "expected B05, B06, B07, B11, B12, B8A of each image",
    ),
    "an image less": (
        "sentinel2/{}_16.tif",
        lambda path: rewrite(path, lambda a: a[:-6]),
        "images: expected 24, found 23",
    ),
    "s2 dtype": (
        "sentinel2/{}_8.tif",
        lambda path: rewrite(path, lambda a: a.astype("float32")),
        "dtype: expected uint16, found float32",
    ),
    "truncated s1": ("sentinel1/{}.tif", truncate, "cannot be read"),
    "empty s1": ("sentinel1/{}.tif", lambda path: path.write_bytes(b""), "cannot be read"),
}


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named(damaged, file, damage, message):
    tile = source().list_tiles(damaged)["train"][0].name
    path = damaged / file.format(tile)
    damage(path)
    with pytest.raises(TileError) as error:
        read(damaged)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def edit_table(path: Path, tile: str, change: Callable[[list[str]], list[str]]) -> None:
    """Changes a table's lines of one tile."""
    prefix = "EPSG:" + tile.replace("_", ",") + ","
    lines = path.read_text().splitlines()
    mine = change([line for line in lines if line.startswith(prefix)])
    path.write_text("\n".join([line for line in lines if not line.startswith(prefix)] + mine) + "\n")


TABLES = {
    "no lines": (lambda lines: [], "sentinel2.csv: expected lines for {}, found none"),
    "no date": (lambda lines: [lines[0].rpartition(",")[0] + ",S2A", *lines[1:]], "sentinel2.csv: {}: expected a pro"),
    "no such day": (
        lambda lines: [line.replace("L1C_20", "L1C_3013").replace("L1C_3013", "L1C_0000", 1) for line in lines],
        "sentinel2.csv: {}: product",
    ),
    "a gap": (lambda lines: lines[:3] + lines[4:], "sentinel2.csv: {}: expected images numbered without gaps"),
    "contradiction": (
        lambda lines: [*lines, lines[0].replace("L1C_20", "L1C_19")],
        "sentinel2.csv: {}: expected one scene for image 0",
    ),
    "a line less": (lambda lines: lines[:-1], "images: expected 23, found 24"),
}


@pytest.mark.parametrize(("change", "message"), TABLES.values(), ids=TABLES)
def test_a_wrong_table_costs_the_tile(damaged, change, message):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "sentinel2.csv", tile, change)
    with pytest.raises(TileError) as error:
        read(damaged)
    assert message.format(tile) in str(error.value)
    read(damaged, 1)


def test_repeated_lines_and_any_order_of_lines_are_read(raw, damaged):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "sentinel2.csv", tile, lambda lines: [lines[2], *lines[::-1], lines[0]])
    np.testing.assert_array_equal(read(damaged)[0]["s2"]["dates"], read(raw["published"])[0]["s2"]["dates"])


def test_images_without_any_observation_are_dropped_and_counted(damaged):
    tile = source().list_tiles(damaged)["train"][0].name
    before, _ = read(damaged)
    for ending, bands in (("_8.tif", 4), ("_16.tif", 6)):
        rewrite(
            damaged / "sentinel2" / f"{tile}{ending}",
            lambda a, bands=bands: np.where(np.arange(len(a))[:, None, None] < 2 * bands, 0, a).astype(a.dtype),
        )
    rewrite(damaged / "sentinel1" / f"{tile}.tif", lambda a: np.where(np.arange(len(a))[:, None, None] < 2, np.nan, a))
    after, dropped = read(damaged)
    assert dropped == 3
    assert len(after["s2"]["dates"]) == len(before["s2"]["dates"]) - 2
    assert len(after["s1"]["dates"]) == len(after["s1"]["pixels"]) == len(before["s1"]["dates"]) - 1


@pytest.mark.parametrize("scene", ["m_3808553_ne_12_060_20190607", "m_3808553_ne_12_060_20190607_20190907"])
def test_naip_scenes_with_and_without_processing_day(damaged, scene):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "naip.csv", tile, lambda lines: [lines[0].rpartition(",")[0] + f",{scene}"])
    np.testing.assert_array_equal(read(damaged)[0]["ref_date"], [2019, 158, 0])


def test_a_one_line_date_file_is_one_date(raw, tmp_path):
    stacked = Path(shutil.copytree(raw["stacked"], tmp_path / "raw"))
    tile = source().list_tiles(stacked)["train"][0].name
    path = stacked / "dates" / "s1" / f"{tile}.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    rewrite(stacked / "sentinel1" / f"{tile}.tif", lambda a: a[:2])
    assert read(stacked)[0]["s1"]["pixels"].shape == (1, 2, 64, 64)
    path.unlink()
    with pytest.raises(TileError, match=f"{path}: cannot be read"):
        read(stacked)


def test_a_damaged_archive_is_named(raw, tmp_path):
    folder = Path(shutil.copytree(raw["archives"], tmp_path / "raw"))
    archive = next((folder / "sentinel2_32612").glob("*_29_*.tar"))
    truncate(archive)
    with pytest.raises(TileError, match=f"{archive}.* cannot be read"):
        [read(folder, number) for number in range(5)]


FATAL = {
    "no split": (
        lambda raw: (raw / "val.csv").unlink(),
        "IGNF/MAESTRO_FLAIR-HUB_base/dataset_splits/s2-naip-urban, or pr",
    ),
    "no names": (lambda raw: (raw / "val.csv").write_text("id\nx\n"), "val.csv: expected a column name, found id"),
    "a tile twice": (
        lambda raw: (raw / "val.csv").write_text("name\na\na\n"),
        "expected each tile once, found 'a' twice",
    ),
    "no table": (lambda raw: (raw / "sentinel1.csv").unlink(), "sentinel1.csv: not found; the dates of sentinel1"),
    "no column": (
        lambda raw: (raw / "naip.csv").write_text("projection,col,row\n"),
        "naip.csv: expected a column naip_scene, found projection, col, row",
    ),
    "a short line": (
        lambda raw: (raw / "naip.csv").write_text("projection,col,row,naip_scene\nEPSG:1,2\n"),
        "naip.csv: line 2: cannot be read",
    ),
}


@pytest.mark.parametrize(("damage", "message"), FATAL.values(), ids=FATAL)
def test_what_concerns_all_tiles_stops(damaged, tmp_path, capsys, damage, message):
    damage(damaged)
    assert main(["s2_naip_urban", f"--raw_dir={damaged}", f"--out_dir={tmp_path / 'out'}"]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "out").exists()


def test_a_damaged_tile_is_skipped_and_reported(damaged, tmp_path, capsys):
    tile = source().list_tiles(damaged)["train"][0].name
    truncate(damaged / "naip" / f"{tile}.png")
    assert main(["s2_naip_urban", f"--raw_dir={damaged}", f"--out_dir={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    assert f"skipped {tile}: {damaged / 'naip' / tile}.png: cannot be read" in printed.err
    assert "train: 4 tiles kept, 1 skipped" in printed.out
    assert "test: 1 tiles kept, 0 skipped, 1 without s1" in printed.out


def test_all_downloaded_tiles_can_be_training_tiles(raw):
    for layout in LAYOUTS:
        tiles = source("--split=all").list_tiles(raw[layout])
        assert list(tiles) == ["train"]
        expected = [tile.name for split in source().list_tiles(raw[layout]).values() for tile in split]
        assert sorted(tile.name for tile in tiles["train"]) == sorted(expected)
