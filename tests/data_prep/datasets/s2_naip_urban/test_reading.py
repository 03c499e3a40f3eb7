"""S2-NAIP urban: published folders, archives and stacked files give the same records."""

from __future__ import annotations

import csv
import datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from data_prep.datasets.s2_naip_urban.contract import CONTRACT, CONTRACT_WITH_LANDSAT
from mmae_jax.contract import read_contract
from tests.data_prep.datasets.s2_naip_urban.tiles import WITHOUT_LANDSAT, WITHOUT_S1, prepare, read, source, whole_tiles

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


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


def test_the_contract_says_whether_landsat_is_stored(raw, shards, tmp_path):
    assert read_contract(shards) == CONTRACT
    prepare("s2_naip_urban", f"--raw_dir={raw['stacked']}", f"--out_dir={tmp_path / 'out'}", "--landsat", "--split=all")
    assert read_contract(tmp_path / "out") == CONTRACT_WITH_LANDSAT
