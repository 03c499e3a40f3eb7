"""What the benchmark of the input pipeline measures."""

import dataclasses
import re

import numpy as np
import pytest
from immutabledict import immutabledict

from configs import treesatai_ts
from mmae_jax import contract, spec
from mmae_jax.bench import data
from mmae_jax.bench.sources import LongerRecords, RawTiles
from mmae_jax.command_line.program import main
from mmae_jax.data.shards import open_shards

CONFIG = f"{treesatai_ts.__file__}:runlocal"


def test_all_figures_are_printed(synthetic_shards, synthetic_raw, capsys):
    arguments = (f"--shards={synthetic_shards}", f"--config={CONFIG}", f"--raw_dir={synthetic_raw}", "--samples=8")
    assert main(["bench", "data", *arguments]) == 0
    text = capsys.readouterr().out
    for name in ("samples/s per core", "read", "decode", "crop, dates, augment", "batch", "from raw files"):
        assert re.search(rf"^ *{name} +\d", text, re.MULTILINE), name
    for name in ("random crops", "fixed grid"):
        assert re.search(rf"bytes read, {name} +1\.\d\d ×", text)  # a record more than its crop: the frame
    assert re.search(r"1× dates .*2× dates .*4× dates .*8× dates", text)


def test_the_bytes_handed_over_are_those_of_a_batch(synthetic_shards):
    experiment = data.experiment_of(CONFIG, str(synthetic_shards))
    report = data.measure(experiment, 4)
    aerial, s2, s1 = 4 * 300 * 300, 8 * (10 * 36 * 2 + 6) + 8, 2 * 4 * (2 * 36 * 4 + 36 + 6)
    assert report.handed == aerial + 6 + 1 + s2 + s1 + 6 + 15 * 4 + 4
    assert report.raw is None
    assert report.ratio is None


def test_raw_tiles_give_the_records_of_the_shards(synthetic_shards, synthetic_raw):
    experiment = data.experiment_of(CONFIG, str(synthetic_shards))
    shards = open_shards(experiment)
    raw = RawTiles(synthetic_raw, experiment.dataset, ("val",), "")
    cells = experiment.dataset.size_gcd
    expected = {
        record["name"].decode(): record for tile in shards.source(("val",)) for record in [tile.read((0, 0), cells)]
    }
    assert len(raw) == len(expected) == 3
    for tile in raw:
        found = tile.read((0, 0), cells)
        for name in experiment.inputs:
            np.testing.assert_array_equal(found[name]["pixels"], expected[found["name"]][name]["pixels"])


def test_longer_series_repeat_dates_only(synthetic_shards):
    experiment = data.experiment_of(CONFIG, str(synthetic_shards))
    records = open_shards(experiment).records(("val",))
    once, twice = records[0], LongerRecords(records, experiment.dataset, 2)[0]
    assert len(twice["s2"]["dates"]) == len(twice["s2"]["mask"]) == 2 * len(once["s2"]["dates"])
    assert len(twice["aerial"]["dates"]) == 1


def test_what_cannot_be_measured_is_named(synthetic_shards, tmp_path, capsys):
    assert main(["bench", "data", f"--shards={synthetic_shards}", "--config=absent.py"]) == 2
    assert main(["bench", "data", f"--shards={tmp_path}", f"--config={CONFIG}"]) == 1
    assert main(["bench", "data", f"--shards={synthetic_shards}", f"--config={CONFIG}", "--samples=0"]) == 1
    (tmp_path / "empty.py").touch()
    assert main(["bench", "data", f"--shards={synthetic_shards}", f"--config={tmp_path / 'empty.py'}"]) == 2
    printed = capsys.readouterr().err
    assert "--config: expected a config file, found none at 'absent.py'" in printed
    assert f"{contract.CONTRACT_FILE}: not found" in printed
    assert "--samples: expected a positive number, found 0" in printed
    assert "expected a function get_config" in printed
    assert main(["bench", "speed"]) == 2


def test_a_dataset_without_a_reader_is_named(synthetic_raw):
    other = spec.Dataset("other", "1", 60.0, immutabledict(), immutabledict())
    with pytest.raises(
        spec.SpecError, match=r"--raw_dir: expected a dataset of data_prep .*treesatai_ts.*, found other"
    ):
        RawTiles(synthetic_raw, other, ("train",), "")
    treesat = dataclasses.replace(other, name="treesatai_ts")
    with pytest.raises(spec.SpecError, match="expected tiles of split extra"):
        RawTiles(synthetic_raw, treesat, ("extra",), "")
