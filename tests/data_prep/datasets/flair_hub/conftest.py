"""Made-up patches of FLAIR-HUB, no published pixels being at hand, and runs of the command line."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.__main__ import main

Prepare = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 made-up patches of 3 areas; no published pixels are at hand."""
    directory = tmp_path_factory.mktemp("flair_hub") / "raw"
    flags = ("--tiles=5", "--s2_dates=18", "--s1_dates=6")
    assert main(["synthetic", "flair_hub", f"--out_dir={directory}", *flags]) == 0
    return directory


@pytest.fixture
def raw(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "raw"))


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Prepare:
    def run(raw_dir: Path, *flags: str) -> tuple[int, str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            code = main(["flair_hub", f"--raw_dir={raw_dir}", f"--out_dir={tmp_path / 'out'}", *flags])
        printed = capsys.readouterr()
        return code, printed.out + printed.err + caplog.text

    return run
