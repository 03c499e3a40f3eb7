"""Made-up S2-NAIP tiles in each layout, and their shards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data_prep.datasets.s2_naip_urban.tiles import LAYOUTS, prepare


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Seven tiles in each layout: 5 train, 1 val, 1 test."""
    folder = tmp_path_factory.mktemp("naip")
    for layout in LAYOUTS:
        prepare("synthetic", "s2_naip_urban", f"--out_dir={folder / layout}", "--tiles=7", f"--layout={layout}")
    return {layout: folder / layout for layout in LAYOUTS}


@pytest.fixture(scope="session")
def shards(raw: dict[str, Path]) -> Path:
    directory = raw["published"].parent / "shards"
    prepare("s2_naip_urban", f"--raw_dir={raw['published']}", f"--out_dir={directory}")
    return directory


@pytest.fixture
def damaged(raw: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw["published"], tmp_path / "raw"))
