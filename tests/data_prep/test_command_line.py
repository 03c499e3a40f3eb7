"""The command line: exit codes, one-line errors, progress, no TensorFlow."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from data_prep.__main__ import main
from tests.data_prep.conftest import records
from tests.places import ROOT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: python -m data_prep [-h] command ..."),
        (["treesatai_ts", "--raw_dir=", "--out_dir=x"], "argument --raw_dir: expected a path, found nothing"),
        (["treesat"], "invalid choice: 'treesat'"),
        (["treesatai_ts", "--out_dir=x"], "required: --raw_dir"),
        (["treesatai_ts", "--raw=x", "--out_dir=x"], "required: --raw_dir"),
        (["treesatai_ts", "--raw_dir=x", "--out_dir=y", "--shards=2"], "unrecognized arguments: --shards=2"),
        (
            ["treesatai_ts", "--raw_dir=x", "--out_dir=y", "--processes=0"],
            "expected a positive whole number, found '0'",
        ),
        (["treesatai_ts", "--raw_dir=x", "--out_dir=y", "--num_shards=two"], "found 'two'"),
        (["synthetic", "pastis"], "invalid choice: 'pastis'"),
    ],
)
def test_wrong_usage_is_named(capsys, arguments, message):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_an_absent_raw_dir_is_one_line_on_stderr(tmp_path, capsys):
    assert main(["treesatai_ts", f"--raw_dir={tmp_path / 'no'}", f"--out_dir={tmp_path / 'out'}"]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"error: --raw_dir: {tmp_path / 'no'} is not a folder\n"
    assert printed.out == ""


def test_an_output_that_cannot_be_written_is_one_line(synthetic_raw, tmp_path, prepare):
    (tmp_path / "out.partial").write_text("a file in the way")
    code, printed = prepare(synthetic_raw)
    assert code == 1
    assert "Traceback" not in printed
    assert f"{tmp_path / 'out.partial'}" in printed


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    assert {"treesatai_ts", "synthetic"} <= set(capsys.readouterr().out.split())


def test_worker_processes_write_the_same_records(synthetic_raw, synthetic_shards, prepare, tmp_path):
    code, printed = prepare(synthetic_raw, "--num_shards=2", "--processes=2")
    assert code == 0, printed
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(path.name for path in synthetic_shards.iterdir())
    for split in ("train", "val", "test"):
        mine, theirs = records(tmp_path / "out", split), records(synthetic_shards, split)
        assert list(mine) == list(theirs)  # also the order
        for name in mine:
            jax.tree.map(np.testing.assert_array_equal, mine[name], theirs[name])


def test_shards_have_the_asked_for_number_and_equal_lengths(synthetic_raw, prepare, tmp_path):
    assert prepare(synthetic_raw, "--num_shards=5")[0] == 0
    counts = {split: len(list((tmp_path / "out").glob(f"*-{split}.*"))) for split in ("train", "val", "test")}
    assert counts == {"train": 5, "val": 3, "test": 3}  # never more shards than tiles


def test_the_whole_way_needs_no_tensorflow(tmp_path):
    """In a process of its own: progress on stderr, counts on stdout, and shards that open without TensorFlow."""
    script = f"""
import sys
from data_prep.__main__ import main
assert main(["synthetic", "treesatai_ts", "--out_dir={tmp_path}/raw", "--tiles=3", "--s2_dates=4", "--s1_dates=4"]) == 0
assert main(["treesatai_ts", "--raw_dir={tmp_path}/raw", "--out_dir={tmp_path}/shards"]) == 0
import tensorflow_datasets as tfds
tfds.builder_from_directory("{tmp_path}/shards").as_data_source("train")[0]
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == [f"{split}: 1 tiles kept, 0 skipped" for split in ("train", "val", "test")]
    assert "tile/s" in done.stderr
    assert len(records(tmp_path / "shards")) == 1
