"""What the benchmark of data preparation measures, and that it leaves nothing behind."""

import re

import pytest

from data_prep.bench import preparation
from mmae_jax.command_line.program import main


def test_both_throughputs_and_their_ratio_are_printed(synthetic_raw, tmp_path, capsys):
    arguments = ("--dataset=treesatai_ts", f"--raw_dir={synthetic_raw}", f"--out_dir={tmp_path / 'measured'}")
    assert main(["bench", "preparation", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"treesatai_ts in {synthetic_raw}, 1 process"
    for name, line in zip(("reading alone", "preparing", "preparing reaches"), lines[1:], strict=True):
        assert re.match(rf"{name} +\d+\.\d", line)
    assert not list((tmp_path / "measured").iterdir())


def test_the_ratio_is_that_of_the_fastest_turns():
    report = preparation.Report("title", 10, reading=(3.0, 2.0), preparing=(2.5, 4.0))
    assert report.ratio == pytest.approx(0.8)
    assert "5.0 tiles/s   (200.00 ms a tile; slowest turn 300.00 ms)" in str(report)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--processes=0",), "--processes: expected a positive number, found 0"),
        (("--dataset=sen12ms",), "expected a dataset of data_prep"),
        (("--raw_dir=absent",), "absent"),
    ],
)
def test_mistakes_are_named(synthetic_raw, tmp_path, capsys, flags, message):
    arguments = ("--dataset=treesatai_ts", f"--raw_dir={synthetic_raw}", f"--out_dir={tmp_path}", *flags)
    assert main(["bench", "preparation", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
