"""A second run in a workdir is refused, with and without locks; what a killed run left is taken over."""

import errno
import json
import multiprocessing
import os
import threading

import pytest
from etils import epath

from mmae_jax.train import exclusive
from mmae_jax.train.exclusive import LOCK_FILE, InUseError


@pytest.fixture(params=["locks", "no locks"])
def workdir(request, tmp_path, monkeypatch):
    """A workdir that is not there yet, on a filesystem with or without locks."""
    if request.param == "no locks":

        def no_locks(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(exclusive.fcntl, "flock", no_locks)
        monkeypatch.setattr(exclusive, "BEAT_SECONDS", 0.05)
        monkeypatch.setattr(exclusive, "SETTLE_SECONDS", 0.1)
    return epath.Path(tmp_path / "run")


def test_second_run_is_refused_by_name_until_the_first_ends(workdir):
    with exclusive.exclusive(workdir):
        with pytest.raises(InUseError) as error, exclusive.exclusive(workdir):
            pass
        assert str(error.value).startswith(f"{workdir} is in use by another run (process {os.getpid()} on ")
        assert str(error.value).endswith(f"if that process is gone, delete {LOCK_FILE} there")
        assert "\n" not in str(error.value)
        assert (workdir / LOCK_FILE).exists()
    assert not list(workdir.iterdir())
    with exclusive.exclusive(workdir):
        pass


@pytest.mark.parametrize("left", ["", "{", json.dumps({"host": "other", "process": 7, "time": "then", "run": "a"})])
def test_what_a_killed_run_left_is_taken_over(workdir, left):
    workdir.mkdir()
    (workdir / LOCK_FILE).write_text(left)
    with exclusive.exclusive(workdir):
        assert json.loads((workdir / LOCK_FILE).read_text())["process"] == os.getpid()


def test_file_that_a_user_deleted_holds_nobody(tmp_path):
    with exclusive.exclusive(epath.Path(tmp_path)):
        (tmp_path / LOCK_FILE).unlink()
        with exclusive.exclusive(epath.Path(tmp_path)):
            pass


@pytest.mark.parametrize("workdir", ["no locks"], indirect=True)
def test_run_whose_place_another_one_took_ends(workdir, monkeypatch, capfd):
    ended = threading.Event()
    monkeypatch.setattr(exclusive.os, "_exit", lambda code: ended.set())
    with exclusive.exclusive(workdir):
        (workdir / LOCK_FILE).write_text(json.dumps({"host": "other", "process": 7, "time": "then", "run": "a"}))
        assert ended.wait(10)
    assert "is in use by another run (process 7 on other, then)" in capfd.readouterr().err


def _hold(workdir, began):
    context = exclusive.exclusive(epath.Path(workdir))
    context.__enter__()
    began.set()
    multiprocessing.Event().wait()


def test_lock_ends_with_a_process_that_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, began))
    process.start()
    assert began.wait(60)
    with pytest.raises(InUseError, match=f"process {process.pid} on "), exclusive.exclusive(epath.Path(tmp_path)):
        pass
    process.kill()
    process.join()
    with exclusive.exclusive(epath.Path(tmp_path)):
        pass
