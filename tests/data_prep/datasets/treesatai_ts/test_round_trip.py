"""What is read from the shards is what rasterio, h5py and csv read from the raw files."""

import datetime
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from mmae_jax.contract import read_contract
from tests.data_prep.conftest import records, rows

SERIES = {"s2": "sen-2", "s1_asc": "sen-1-asc", "s1_des": "sen-1-des"}
SPLITS = ("train", "val", "test")


@pytest.fixture(params=["synthetic_raw", "real_treesat_dir"])
def published(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def expected_dates(products: h5py.Dataset) -> np.ndarray:
    days = [datetime.datetime.strptime(name.decode().split("_")[-5][:8], "%Y%m%d") for name in products[()]]
    return np.array([[day.year, int(day.strftime("%j")), 0] for day in days])


def test_records_hold_the_published_values(published, prepare, tmp_path):
    code, printed = prepare(published)
    assert code == 0, printed
    for split in SPLITS:
        prepared = records(tmp_path / "out", split)
        assert sorted(prepared) == sorted(Path(row["aerial_name"]).stem for row in rows(published, split))
        for row in rows(published, split):
            record = prepared[Path(row["aerial_name"]).stem]
            with rasterio.open(published / "aerial" / row["aerial_name"]) as file:
                np.testing.assert_array_equal(record["aerial"]["pixels"], file.read()[None])
                np.testing.assert_array_equal(record["transform"], file.transform[:6])
                assert rasterio.crs.CRS.from_wkt(record["crs"].decode()) == file.crs
            np.testing.assert_array_equal(record["aerial"]["dates"], [record["ref_date"]])
            assert record["ref_date"][0] == int(row["aerial_date"][:4])
            np.testing.assert_array_equal(record["proportions"], np.float32([row[genus] for genus in GENERA]))
            with h5py.File(published / "sentinel-ts" / row["sen_name"]) as file:
                for name, key in SERIES.items():
                    np.testing.assert_array_equal(record[name]["pixels"], file[f"{key}-data"][()])
                    np.testing.assert_array_equal(record[name]["dates"], expected_dates(file[f"{key}-products"]))
                    assert record[name]["pixels"].dtype == CONTRACT.modalities[name].dtype
                masks = file["sen-2-masks"][()]
            np.testing.assert_array_equal(record["s2"]["mask"], np.ceil(masks))
            np.testing.assert_array_equal(record["s2"]["mask"] > 0, masks > 0)


def test_made_up_tiles_have_the_irregularities_of_the_published(synthetic_shards):
    train = records(synthetic_shards).values()
    assert {record["s2"]["mask"].shape[1] for record in train} == {2, 10}
    assert len({len(record["s2"]["dates"]) for record in train}) > 3
    radar = [record[name]["pixels"] for record in train for name in ("s1_asc", "s1_des")]
    assert any(np.isnan(pixels).any() for pixels in radar)
    assert any((pixels == 0).any() for pixels in radar)
    steps = [np.diff(record["s2"]["dates"][:, 1]) for record in train]
    assert all((step >= 0).all() for step in steps)
    assert any((step == 0).any() for step in steps)


def test_mask_tails_stay_masked(raw, prepare, tmp_path):
    row = rows(raw)[0]
    with h5py.File(raw / "sentinel-ts" / row["sen_name"], "r+") as file:
        file["sen-2-masks"][0] = 0
        file["sen-2-masks"][0, 1, 2, 3] = 1e-22
        file["sen-2-masks"][0, 0, 0, 0] = 100.00001
    assert prepare(raw)[0] == 0
    mask = records(tmp_path / "out")[Path(row["aerial_name"]).stem]["s2"]["mask"][0]
    assert (mask[1, 2, 3], mask[0, 0, 0], (mask > 0).sum()) == (1, 100, 2)


@pytest.mark.parametrize("name", SERIES)
def test_a_modality_may_be_missing(raw, prepare, tmp_path, name):
    first, second, *_ = rows(raw)
    with h5py.File(raw / "sentinel-ts" / first["sen_name"], "r+") as file:  # not there at all
        for key in [key for key in file if key.startswith(SERIES[name])]:
            del file[key]
    with h5py.File(raw / "sentinel-ts" / second["sen_name"], "r+") as file:  # there, with no acquisition
        for key in [key for key in file if key.startswith(SERIES[name])]:
            empty = file[key][:0]
            del file[key]
            file.create_dataset(key, data=empty, dtype=empty.dtype if empty.dtype != object else h5py.string_dtype())
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"12 tiles kept, 0 skipped, 2 without {name}" in printed
    modality = CONTRACT.modalities[name]
    for row in (first, second):
        record = records(tmp_path / "out")[Path(row["aerial_name"]).stem][name]
        assert record["pixels"].shape == (0, len(modality.bands), 6, 6)
        assert record["pixels"].dtype == modality.dtype
        assert record["dates"].shape == (0, 3)
        assert ("mask" in record) == bool(modality.mask_channels)
        assert name != "s2" or record["mask"].shape[0] == 0


@pytest.mark.parametrize("value", [np.nan, -1.0, 1234.5, 70000.0])
def test_a_damaged_s2_value_drops_its_date(raw, prepare, tmp_path, value):
    row = rows(raw)[0]
    with h5py.File(raw / "sentinel-ts" / row["sen_name"], "r+") as file:
        file["sen-2-data"][3, 2, 1, 0] = value
        expected = np.delete(file["sen-2-data"][()], 3, 0)
    code, printed = prepare(raw)
    assert code == 0, printed
    assert "1 damaged dates dropped" in printed
    record = records(tmp_path / "out")[Path(row["aerial_name"]).stem]["s2"]
    np.testing.assert_array_equal(record["pixels"], expected)
    assert len(record["dates"]) == len(record["mask"]) == len(expected)


def test_contract_is_written_beside_the_shards(synthetic_shards):
    assert read_contract(synthetic_shards) == CONTRACT


def test_tiles_are_permuted_once_by_the_seed(synthetic_raw, prepare, tmp_path):
    orders = {}
    for seed in (0, 0, 1):
        assert prepare(synthetic_raw, f"--seed={seed}", "--num_shards=1")[0] == 0
        orders.setdefault(seed, []).append(list(records(tmp_path / "out")))
        shutil.rmtree(tmp_path / "out")
    assert orders[0][0] == orders[0][1]
    assert orders[0][0] != orders[1][0]
    assert orders[0][0] != [Path(row["aerial_name"]).stem for row in rows(synthetic_raw)]
    assert sorted(orders[0][0]) == sorted(orders[1][0])
