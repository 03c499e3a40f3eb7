"""Reading that hangs or crashes ends in time, with the file named, and the next file is read all the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_prep.datasets.treesatai_ts.sentinel import read_sentinel
from data_prep.errors import TileError
from data_prep.readers import isolated
from tests.resources import await_end

FILE = Path("a.h5")


def pid(_path):
    return os.getpid()


def hang(_path):
    time.sleep(1000)


def hang_in_c(_path):
    pow(3, 3**18)  # no signal handler of Python's would run meanwhile


def crash(_path):
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse(path):
    raise TileError(f"{path}: damaged")


def mistake(_path):
    raise ZeroDivisionError("ours")


def test_one_process_reads_all_files():
    helper = isolated.call(pid, FILE)
    assert helper != os.getpid()
    with pytest.raises(TileError, match=r"^a\.h5: damaged$"):
        isolated.call(refuse, FILE)
    assert isolated.call(pid, FILE) == helper


def test_what_hangs_or_crashes_is_ended_and_named():
    first = isolated.call(pid, FILE)
    with pytest.raises(TileError, match=r"^a\.h5: cannot be read \(reading takes longer than 0.2 s: the file is dam"):
        isolated.call(hang, FILE, 0.2)
    second = isolated.call(pid, FILE)
    assert second != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    with pytest.raises(TileError, match=r"^a\.h5: cannot be read \(the library ended with SIGSEGV"):
        isolated.call(crash, FILE)
    assert isolated.call(pid, FILE) != second


def test_a_helper_outlives_a_killed_process_by_no_more_than_the_limit():
    code = (
        "import os, signal, threading; from data_prep.readers import isolated; from pathlib import Path;"
        "from tests.data_prep.readers import test_isolated as here;"
        "print(isolated.call(here.pid, Path('a.h5')), flush=True);"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start();"
        "isolated.call(here.hang_in_c, Path('a.h5'), 0.5)"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await_end(int(killed.stdout), 30)


def test_a_mistake_of_the_program_keeps_type_and_traceback():
    with pytest.raises(ZeroDivisionError, match="ours") as error:
        isolated.call(mistake, FILE)
    assert 'raise ZeroDivisionError("ours")' in error.value.__notes__[0]


def test_a_damaged_hdf5_file_that_hangs_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for key, bands in (("sen-1-asc", 2), ("sen-1-des", 2), ("sen-2", 10)):
            file[f"{key}-data"] = np.zeros((2, bands, 6, 6), np.float32)
            file[f"{key}-products"] = ["S2A_MSIL2A_20190103T104431_N0211_R008_T32UMD_20190103T115449"] * 2
        file["sen-2-masks"] = np.zeros((2, 2, 6, 6), np.float32)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 80
    content[heap : heap + 2500] = bytes(2500)  # in which the library looks for the second text for ever
    path.write_bytes(content)
    isolated.call(pid, FILE)
    monkeypatch.setattr(isolated, "SECONDS", 1.5)
    with pytest.raises(TileError, match=r"a\.h5: cannot be read \(reading takes longer than 1.5 s"):
        isolated.call(read_sentinel, path)
