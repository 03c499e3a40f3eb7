"""Records hold what a slow reading of the published layout finds."""

import numpy as np
import rasterio

from data_prep.datasets.flair_hub.contract import CONTRACT
from tests.data_prep.conftest import records
from tests.data_prep.datasets.flair_hub.layout import (
    FOLDERS,
    SPLITS,
    file_of,
    patches,
    slow_dates,
    slow_pixels,
    sql,
    table,
)


def test_records_hold_the_published_values(published, prepare, tmp_path):
    code, printed = prepare(published)
    assert code == 0, printed
    for split in SPLITS:
        prepared = records(tmp_path / "out", split)
        assert sorted(prepared) == sorted(patches(published, split))
        for patch, record in prepared.items():
            for name, (folder, bands) in FOLDERS.items():
                modality, stored = CONTRACT.modalities[name], record[name]
                path = file_of(published, patch, folder)
                if not path.exists():
                    assert stored["pixels"].shape == (0, bands, modality.size, modality.size)
                    assert len(stored["dates"]) == 0
                    continue
                dates = slow_dates(published, patch, name)
                np.testing.assert_array_equal(stored["dates"], dates)
                expected = slow_pixels(path, len(dates), bands)
                assert stored["pixels"].dtype == modality.dtype
                if name == "dem":
                    heights = stored["base"] + np.float32(0.01) * stored["pixels"].astype(np.float32)
                    np.testing.assert_allclose(heights, expected, rtol=0, atol=0.0055)
                else:
                    np.testing.assert_array_equal(stored["pixels"], expected)
                if name == "s2":
                    mask = slow_pixels(file_of(published, patch, "SENTINEL2_MSK-SC"), len(dates), 2)
                    np.testing.assert_array_equal(stored["mask"], mask)
            np.testing.assert_array_equal(record["ref_date"], slow_dates(published, patch, "aerial")[0])
            cosia = file_of(published, patch, "AERIAL_LABEL-COSIA")
            with rasterio.open(cosia) as file:
                np.testing.assert_array_equal(record["cosia"], file.read(1))
                np.testing.assert_allclose(record["transform"], file.transform[:6], rtol=1e-12)
                assert rasterio.crs.CRS.from_wkt(record["crs"].decode()) == file.crs
            lpis = file_of(published, patch, "ALL_LABEL-LPIS")
            if lpis.exists():
                with rasterio.open(lpis) as file:
                    np.testing.assert_array_equal(record["lpis"], file.read(1))
            else:
                assert (record["lpis"] == 255).all()
                assert 255 in CONTRACT.targets["lpis"].ignored


def test_made_up_patches_have_the_traps_of_the_published(published, prepare, tmp_path):
    assert {day[-2:] for (day,) in sql(table(published, "SPOT"), "SELECT date FROM {layer}")} == {"00"}
    assert list(published.glob("*-195X_AERIAL-RLT_PAN"))
    assert any("-V" in patch for split in SPLITS for patch in patches(published, split))
    assert prepare(published)[0] == 0
    prepared = [record for split in SPLITS for record in records(tmp_path / "out", split).values()]
    assert len({len(record["s2"]["dates"]) for record in prepared}) > 1
    assert {len(record["aerial_rlt"]["dates"]) for record in prepared} == {0, 1}
    assert any(np.isnan(record["s1_asc"]["pixels"]).any() for record in prepared)
    assert any(record["cosia"].max() >= 15 for record in prepared)


def test_counts_of_missing_modalities_are_told(published, prepare):
    code, printed = prepare(published)
    assert code == 0, printed
    ids = [patch for split in SPLITS for patch in patches(published, split)]
    absent = sum(not file_of(published, patch, "AERIAL-RLT_PAN").exists() for patch in ids)
    told = [line.partition(" without aerial_rlt")[0].rsplit(", ")[-1] for line in printed.splitlines()]
    assert sum(int(number) for number in told if number.isdecimal()) == absent > 0
