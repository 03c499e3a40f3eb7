"""Statistics of shards, against a plain reading of all records at once."""

import dataclasses
import datetime
import json
import re
from collections import Counter

import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from data_prep.errors import DataPrepError
from data_prep.statistics import collect, summarise, write_statistics
from data_prep.statistics.bins import adapted_bins, fixed_bins
from data_prep.statistics.figures import figures
from data_prep.statistics.moments import Comoments
from data_prep.statistics.sums import ModalitySums
from mmae_jax import spec, tasks
from mmae_jax.moments import Moments
from mmae_jax.tasks import TASKS
from tests.data_prep.conftest import records

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def statistics(synthetic_shards, tmp_path_factory):
    return write_statistics(synthetic_shards, tmp_path_factory.mktemp("statistics"))


@pytest.fixture(scope="module")
def tiles(synthetic_shards):
    return [record for split in SPLITS for record in records(synthetic_shards, split).values()]


def flat(tiles, name):
    side = slice(2, -2) if name == "aerial" else slice(None)
    pixels = [tile[name]["pixels"][..., side, side].astype(np.float64) for tile in tiles]
    return np.concatenate([np.moveaxis(part, 1, 0).reshape(part.shape[1], -1) for part in pixels], 1)


@pytest.mark.parametrize("name", CONTRACT.modalities)
def test_moments_are_those_of_all_values(statistics, tiles, name):
    for values, (band, found) in zip(flat(tiles, name), statistics["modalities"][name]["bands"].items(), strict=True):
        present = values[np.isfinite(values)]
        assert found["values"] == present.size, band
        assert found["missing_fraction"] == pytest.approx(1 - present.size / values.size, abs=1e-12)
        assert found["mean"] == pytest.approx(present.mean(), rel=1e-12)
        assert found["standard_deviation"] == pytest.approx(present.std(), rel=1e-12)
        logarithms = np.log(np.maximum(present, 1e-10))
        assert found["log_mean"] == pytest.approx(logarithms.mean(), rel=1e-9)
        assert found["log_standard_deviation"] == pytest.approx(logarithms.std(), rel=1e-9)
        assert (found["minimum"], found["maximum"]) == (present.min(), present.max())


@pytest.mark.parametrize("name", CONTRACT.modalities)
def test_histograms_count_every_value_once(statistics, tiles, name):
    for values, found in zip(flat(tiles, name), statistics["modalities"][name]["bands"].values(), strict=True):
        part = found["histogram"]
        assert sum(part["counts"]) + part["below"] + part["above"] == found["values"]
        edges = part["first_edge"] + part["bin_width"] * np.arange(len(part["counts"]) + 1)
        present = values[np.isfinite(values) & (values >= edges[0]) & (values < edges[-1])]
        expected = np.bincount(np.searchsorted(edges, present, "right") - 1, minlength=len(part["counts"]))
        assert np.abs(expected - part["counts"]).sum() <= 2  # where rounding puts a value on an edge
        assert (part["below"] + part["above"]) / found["values"] < 0.02


def test_correlation_is_that_of_cloudless_pixels(statistics, tiles):
    clear = [~tile["s2"]["mask"].any(1).ravel() for tile in tiles]
    expected = np.corrcoef(flat(tiles, "s2")[:, np.concatenate(clear)])
    found = statistics["modalities"]["s2"]["correlation"]
    np.testing.assert_allclose(found["matrix"], expected, atol=1e-12)
    assert found["pixels"] == sum(map(np.count_nonzero, clear))


def test_dates_and_masks_are_counted(statistics, tiles):
    found = statistics["modalities"]["s2"]
    days = [
        datetime.date(int(year), 1, 1) + datetime.timedelta(int(day) - 1)
        for tile in tiles
        for year, day, _ in tile["s2"]["dates"]
    ]
    assert found["acquisitions_per_month"] == dict(sorted(Counter(f"{day:%Y-%m}" for day in days).items()))
    numbers = sorted(len(tile["s2"]["dates"]) for tile in tiles)
    spread = found["acquisitions_per_tile"]
    assert (spread["minimum"], spread["maximum"]) == (numbers[0], numbers[-1])
    assert spread["median"] in (numbers[8], numbers[9])
    clear = [not mask.any() for tile in tiles for mask in tile["s2"]["mask"]]
    assert found["masks"]["clear_dates"] == np.mean(clear)
    cloud = np.concatenate([tile["s2"]["mask"][:, 1].ravel() for tile in tiles if tile["s2"]["mask"].shape[1] == 2])
    assert found["masks"]["channels"]["cloud"]["mean_percent"] == pytest.approx(cloud.mean())
    assert found["masks"]["channels"]["cloud"]["pixels_above_0"] == pytest.approx((cloud > 0).mean())


def test_classes_are_counted(statistics, tiles):
    present = np.array([tile["proportions"] > 0.07 for tile in tiles]).sum(0)
    assert statistics["targets"]["treesat_mlc_thresh"] == {
        "kind": "multilabel",
        "counted": "tiles",
        "total": len(tiles),
        "classes": dict(zip(GENERA, present.tolist(), strict=True)),
        "ignored": {},
    }
    assert statistics["splits"] == {"train": 12, "val": 3, "test": 3}


def test_results_do_not_depend_on_the_number_of_processes(synthetic_shards, statistics):
    assert summarise(collect(synthetic_shards, processes=2)) == statistics


def test_splits_add_up(synthetic_shards, statistics):
    parts = [collect(synthetic_shards, [split], modalities=["s2"]).sums for split in SPLITS]
    total = (parts[0] + parts[1] + parts[2]).modalities["s2"]
    band = statistics["modalities"]["s2"]["bands"]["B08"]
    index = CONTRACT.modalities["s2"].bands.index("B08")
    assert total.moments.count[index] == band["values"]
    assert total.moments.mean[index] == pytest.approx(band["mean"], rel=1e-12)
    assert total.moments.deviation[index] == pytest.approx(band["standard_deviation"], rel=1e-12)


def test_figures_and_json_are_written(synthetic_shards, tmp_path):
    write_statistics(synthetic_shards, tmp_path / "out", split=["val"])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    per_modality = {f"{name}_{kind}.png" for name in CONTRACT.modalities for kind in ("histograms", "correlation")}
    assert names == per_modality | {
        "statistics.json",
        "dates.png",
        "treesat_mlc_classes.png",
        "treesat_mlc_thresh_classes.png",
    }
    assert json.loads((tmp_path / "out" / "statistics.json").read_text())["splits"] == {"val": 3}


def test_the_command_lines(synthetic_shards, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["statistics", str(synthetic_shards), "--split=val", "--split=test", f"--out={out}"]) == 0
    assert main(["band_groups", str(synthetic_shards), f"--out={out}", "--threshold=0.2"]) == 0
    printed = capsys.readouterr().out
    assert f"wrote {out / 'statistics.json'}" in printed
    assert re.search(r"^inputs.s2: mean=\[\d.*\], std=\[\d.*\]$", printed, re.MULTILINE)
    assert "norm_bands=[" in printed
    assert (out / "s2_band_groups.png").exists()
    assert main(["band_groups", str(synthetic_shards), "--threshold=0"]) == 2
    assert main(["statistics", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("error: ")
    assert "sensor_contract.json: not found" in line


def test_an_unknown_split_or_modality_is_named(synthetic_shards, tmp_path):
    with pytest.raises(DataPrepError, match=r"--split: expected some of .*train.*, found tset"):
        collect(synthetic_shards, ["tset"])
    with pytest.raises(DataPrepError, match=r"--modality: expected some of aerial.*, found s3"):
        collect(synthetic_shards, modalities=["s3"])
    with pytest.raises(DataPrepError, match="is not a folder"):
        collect(tmp_path / "absent")


def test_values_far_from_zero_keep_their_spread():
    rng = np.random.default_rng(0)
    values = 1e9 + rng.normal(0, 1e-2, (2, 3000))
    parts = np.split(values, [1, 1, 1500], axis=1)
    moments = sum((Moments.of(part) for part in parts[1:]), Moments.of(parts[0]))
    np.testing.assert_allclose(moments.deviation, values.std(1), rtol=1e-6)
    comoments = sum((Comoments.of(part) for part in parts[1:]), Comoments.of(parts[0]))
    np.testing.assert_allclose(comoments.correlation, np.corrcoef(values), atol=1e-6)


def record(pixels, **more):
    dates = np.tile(np.array([2020, 60, 0], np.int16), (len(pixels), 1))
    return {"pixels": pixels, "dates": dates} | more


def test_nodata_is_left_out_and_quanta_are_applied():
    modality = spec.Modality(("a", "b"), "int16", "m", 1.0, size=2, nodata=-9.0, quantum=0.5)
    pixels = np.array([[[[0, 2], [4, -9]], [[1, 1], [1, -9]]]], np.int16)
    bins = adapted_bins(modality, [np.array([10.0, 13.0])])
    sums = ModalitySums.of(modality, [record(pixels, base=np.float32(10))], 2, bins)
    np.testing.assert_array_equal(sums.moments.count, [3, 3])
    np.testing.assert_array_equal(sums.moments.mean, [11, 10.5])
    np.testing.assert_array_equal(sums.absent, [1, 1])
    np.testing.assert_array_equal(sums.histogram.sum(1), [3, 3])


def test_blocks_of_a_tile_count_its_dates_once():
    modality = spec.Modality(("a",), "uint8", "m", 1.0, size=4)
    pixels = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    blocks = [record(pixels[..., row : row + 2, column : column + 2]) for row in (0, 2) for column in (0, 2)]
    bins = fixed_bins(modality)
    in_blocks = ModalitySums.of(modality, blocks, 2, bins)
    whole = ModalitySums.of(modality, [record(pixels)], 4, bins)
    assert in_blocks.per_tile == Counter({2: 1})
    assert in_blocks.months == Counter({"2020-02": 2})
    np.testing.assert_array_equal(in_blocks.histogram, whole.histogram)
    np.testing.assert_array_equal(in_blocks.moments.mean, whole.moments.mean)


def test_a_missing_modality_is_counted_and_drawn():
    modality = dataclasses.replace(CONTRACT.modalities["s1_asc"])
    empty = record(np.empty((0, 2, 6, 6), np.float32))
    sums = ModalitySums.of(modality, [empty], 6, adapted_bins(modality, []))
    assert sums.per_tile == Counter({0: 1})
    assert not np.isfinite(sums.moments.deviation).any()


def test_pixels_of_each_class_are_counted_with_those_left_out():
    target = spec.Target("segment", ("water", "wood"), "cover", missing_value=255, ignored=(7,), size=4)
    found = tasks.of(target).tally(target, [np.array([[0, 1], [1, 255]]), np.array([[7, 7], [1, 1]])])
    assert found == Counter({1: 4, 7: 2, 0: 1, 255: 1})
    presence = dataclasses.replace(target, kind="multilabel", pixel_values=(1, 3))
    assert tasks.of(presence).tally(presence, [np.array([[0, 1]])]) == Counter({0: 1})
    assert TASKS["classif"].tally(target, [np.int32(1)]) == Counter({1: 1})


def test_a_modality_without_values_has_figures():
    band = {"values": 0, "mean": None, "standard_deviation": None, "missing_fraction": None}
    histogram = {"first_edge": 0.0, "bin_width": 1.0, "counts": [], "below": 0, "above": 0}
    modality = {
        "unit": "m",
        "tiles_without": 3,
        "acquisitions_per_tile": {"minimum": None, "median": None, "maximum": None},
        "acquisitions_per_month": {},
        "masks": None,
        "bands": {"a": band | {"histogram": histogram}, "b": band | {"histogram": histogram}},
        "correlation": {"matrix": [[None, None], [None, None]]},
    }
    drawn = figures({"dataset": "d", "modalities": {"m": modality}, "targets": {}})
    assert set(drawn) == {"m_histograms", "m_correlation", "dates"}
