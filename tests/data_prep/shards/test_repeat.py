"""A preparation that is finished may be repeated: nothing is done; another one is refused."""

import dataclasses

import pytest

from data_prep.errors import DataPrepError
from data_prep.shards.prepare import prepare
from data_prep.shards.repeat import FinishedError
from tests.data_prep.shards.tiny import CONTRACT, Tile, source

SPLITS = {"train": [Tile("a"), Tile("b")], "val": [Tile("c")]}


@pytest.fixture
def finished(tmp_path):
    (tmp_path / "raw").mkdir()
    prepare(source(SPLITS), tmp_path / "raw", tmp_path / "out")
    return tmp_path / "raw", tmp_path / "out"


def test_the_same_is_not_done_again(finished):
    before = {path: path.stat().st_mtime_ns for path in finished[1].iterdir()}
    with pytest.raises(FinishedError, match="was finished before, nothing is left to do"):
        prepare(source(SPLITS), *finished, processes=2)
    assert {path: path.stat().st_mtime_ns for path in finished[1].iterdir()} == before


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        (source(SPLITS), {"seed": 1}),
        (source(SPLITS), {"strict": True}),
        (source(SPLITS), {"num_shards": 2}),
        (source({**SPLITS, "val": [Tile("d")]}), {}),
        (dataclasses.replace(source(SPLITS), contract=dataclasses.replace(CONTRACT, tile_meters=20.0)), {}),
    ],
)
def test_another_is_refused(finished, changed, more):
    with pytest.raises(DataPrepError, match="out exists already"):
        prepare(changed, *finished, **more)


def test_a_damaged_manifest_is_another(finished):
    (finished[1] / "manifest.json").write_text("{}")
    with pytest.raises(DataPrepError, match="out exists already"):
        prepare(source(SPLITS), *finished)
