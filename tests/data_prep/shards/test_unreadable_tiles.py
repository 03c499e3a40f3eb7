"""Whatever a library raises for one tile names the tile and skips it; a mistake of this program's stops with it."""

import csv
import json
import struct
import tarfile
import zlib

import h5py
import laspy
import pyogrio
import pytest
import rasterio.errors

from data_prep.errors import DataPrepError, TileError
from data_prep.shards.prepare import prepare
from tests.data_prep.shards.tiny import Tile, source

RAISED = [
    OSError(5, "Input/output error"),
    EOFError("end"),
    MemoryError(),
    ValueError("no such value"),
    TypeError("no such type"),
    KeyError("data"),
    IndexError(3),
    AttributeError("no such attribute"),
    OverflowError("too large"),
    RecursionError("too deep"),
    RuntimeError("core"),
    SystemError("null"),
    ZeroDivisionError(),
    AssertionError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    rasterio.errors.RasterioIOError("not recognised"),
    rasterio.errors.CRSError("no such code"),
    rasterio.errors.WindowError("outside"),
    laspy.LaspyException("signature"),
    pyogrio.errors.DataSourceError("no layer"),
    csv.Error("line contains NUL"),
    tarfile.ReadError("truncated header"),
    zlib.error("incorrect header check"),
    struct.error("unpack requires 4 bytes"),
    json.JSONDecodeError("Expecting value", "x", 0),
    TileError("a.tif: expected 3 bands, found 2"),
]
BAD = [Tile(f"bad{number}", error) for number, error in enumerate(RAISED)]


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def test_any_error_of_a_library_is_a_skipped_tile(raw, tmp_path, capsys):
    (summary,) = prepare(source({"train": [*BAD, Tile("good")]}), raw, tmp_path / "out")
    assert (summary.kept, summary.skipped) == (1, len(BAD))
    printed = capsys.readouterr().err
    for tile in BAD:
        (line,) = [line for line in printed.splitlines() if f"skipped {tile.name}: " in line]
        assert str(tile.raises) in line or type(tile.raises).__name__ in line, line
        assert len(line) <= 160, line


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_it_is_fatal_where_asked_for(raw, tmp_path, error):
    with pytest.raises(DataPrepError, match="bad: "):
        prepare(source({"train": [Tile("bad", error), Tile("good")]}), raw, tmp_path / "out", strict=True)


def mistaken(_raw_dir, tile):
    """Reads as if this were a module of the program."""
    return eval("tile.no_such_field", {"__name__": "data_prep.datasets.some.read", "tile": tile})


def test_a_mistake_of_the_program_is_no_skipped_tile(raw, tmp_path):
    with pytest.raises(AttributeError, match="no_such_field"):
        prepare(source({"train": [Tile("good")]}, mistaken), raw, tmp_path / "out")


def test_a_group_in_place_of_an_array_is_named(raw, tmp_path):
    from data_prep.readers.hdf5 import open_hdf5, read_array

    path = raw / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_group("data")["values"] = [1]
    with pytest.raises(TileError, match=r"a\.h5: data: expected an array, found a group"), open_hdf5(path) as file:
        read_array(file, "data", path, (1,))
