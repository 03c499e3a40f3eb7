"""PureForest patches: made-up ones, their shards, and a lidar tile of the same agency."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data_prep.datasets.pureforest.patches import prepare
from tests.places import SAMPLES

STAND_IN = SAMPLES / "pureforest" / "standin_format_tile"


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 patches: 5 train, the last without a point cloud; 1 val; 1 test."""
    directory = tmp_path_factory.mktemp("pureforest") / "raw"
    prepare("synthetic", "pureforest", f"--out_dir={directory}", "--tiles=7")
    return directory


@pytest.fixture(scope="session")
def shards(made_up: Path) -> Path:
    directory = made_up.with_name("shards")
    prepare("pureforest", f"--raw_dir={made_up}", f"--out_dir={directory}")
    return directory


@pytest.fixture
def raw(made_up: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_up, tmp_path / "raw"))


@pytest.fixture(params=["made_up", "stand_in"])
def published(request: pytest.FixtureRequest) -> Path:
    if request.param == "made_up":
        return request.getfixturevalue("made_up")
    if not STAND_IN.is_dir():
        pytest.skip("the real lidar tile is not here")
    return STAND_IN
