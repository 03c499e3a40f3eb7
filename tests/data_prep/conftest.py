"""Raw folders that tests may damage, and runs of the command line."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from data_prep.__main__ import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def raw(synthetic_raw: Path, tmp_path: Path) -> Path:
    """A copy of the made-up raw tiles, 12 in train."""
    return Path(shutil.copytree(synthetic_raw, tmp_path / "raw"))


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Prepares a raw folder into `tmp_path / "out"`; returns the exit code and all that was printed."""

    def run(raw_dir: Path, *flags: str) -> tuple[int, str]:
        code = main(["treesatai_ts", f"--raw_dir={raw_dir}", f"--out_dir={tmp_path / 'out'}", *flags])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def rows(raw_dir: Path, split: str = "train") -> list[dict[str, str]]:
    with (raw_dir / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def records(directory: Path, split: str = "train") -> dict[str, dict]:
    source = tfds.builder_from_directory(directory).as_data_source(split)
    return {record["name"].decode(): record for record in source}
