"""The output appears when it is complete; an interrupted run continues."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio

from tests.data_prep.conftest import records
from tests.places import ROOT

FLAGS = ("--num_shards=3",)  # 3 × 4 tiles in train, 3 × 1 in val and test


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the aerial files read so far."""
    opened: list[str] = []
    genuine = rasterio.open

    def open_and_count(path: Path, *args: object, **kwargs: object) -> object:
        opened.append(path.name)
        return genuine(path, *args, **kwargs)

    monkeypatch.setattr(rasterio, "open", open_and_count)
    return opened


def interrupt_after(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    genuine, left = rasterio.open, [number]

    def open_or_stop(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return genuine(*args, **kwargs)

    monkeypatch.setattr(rasterio, "open", open_or_stop)


def identity(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_an_interrupted_run_continues(raw, prepare, tmp_path, monkeypatch, reads):
    with monkeypatch.context() as context:
        interrupt_after(context, 10)
        code, printed = prepare(raw, *FLAGS)
    assert code == 130
    assert "the same command continues" in printed
    assert not (tmp_path / "out").exists()
    data = tmp_path / "out.partial" / "data"
    finished = {path.name: identity(path) for path in data.iterdir()}
    assert len(finished) == 2  # 8 tiles; the third shard was begun

    reads.clear()
    code, printed = prepare(raw, *FLAGS)
    assert code == 0, printed
    assert "2 of 9 shards were finished before" in printed
    assert "train: 12 tiles kept, 0 skipped" in printed
    assert len(reads) == 18 - 8
    assert {name: identity(tmp_path / "out" / name) for name in finished} == finished
    assert not (tmp_path / "out.partial").exists()
    assert len(records(tmp_path / "out")) == 12


def test_a_continued_run_reports_what_was_skipped_before(raw, prepare, tmp_path, monkeypatch):
    for path in sorted((raw / "sentinel-ts").iterdir()):
        os.truncate(path, 1000)
        break
    with monkeypatch.context() as context:
        interrupt_after(context, 17)
        assert prepare(raw, *FLAGS)[0] == 130
    code, printed = prepare(raw, *FLAGS)
    assert code == 0, printed
    assert ", 1 skipped" in printed


def test_strict_reads_shards_with_skipped_tiles_again(raw, prepare, monkeypatch):
    broken = min((raw / "sentinel-ts").iterdir())
    content = broken.read_bytes()
    os.truncate(broken, 1000)
    with monkeypatch.context() as context:
        interrupt_after(context, 17)
        assert prepare(raw, *FLAGS)[0] == 130
    code, printed = prepare(raw, *FLAGS, "--strict")
    assert code == 1
    assert f": {broken}: " in printed.splitlines()[-1]
    broken.write_bytes(content)
    code, printed = prepare(raw, *FLAGS, "--strict")
    assert code == 0, printed
    assert printed.count(", 0 skipped") == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [(("--num_shards=3", "--seed=1"), "begun with seed 0, now 1"), (("--num_shards=2",), "begun with num_shards")],
)
def test_a_run_is_not_continued_with_other_settings(raw, prepare, tmp_path, monkeypatch, flags, message):
    with monkeypatch.context() as context:
        interrupt_after(context, 10)
        prepare(raw, *FLAGS)
    code, printed = prepare(raw, *flags)
    assert code == 1
    assert f"error: {tmp_path / 'out.partial'}: was {message}" in printed


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_an_existing_output_is_refused_untouched(raw, prepare, tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    if content:
        (out / content).write_text("mine")
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: --out_dir: {out} exists already" in printed
    assert [path.name for path in out.iterdir()] == ([content] if content else [])
    assert not (tmp_path / "out.partial").exists()


def test_a_killed_run_continues_in_worker_processes(raw, prepare, tmp_path):
    command = [sys.executable, "-m", "data_prep", "treesatai_ts", f"--raw_dir={raw}", f"--out_dir={tmp_path / 'out'}"]
    process = subprocess.Popen([*command, *FLAGS], cwd=ROOT, stderr=subprocess.DEVNULL)
    data = tmp_path / "out.partial" / "data"
    while process.poll() is None and not (data.is_dir() and any(data.iterdir())):
        time.sleep(0.005)
    process.kill()
    process.wait()
    code, printed = prepare(raw, *FLAGS, "--processes=2")
    if process.returncode == 0:  # it was done before it could be killed
        assert "was finished before" in printed
    else:
        assert code == 0, printed
        assert "shards were finished before" in printed
    assert not list((tmp_path / "out").glob("*.*.*"))
    assert len(records(tmp_path / "out")) == 12


def test_a_full_disk_is_one_line_and_the_run_continues(raw, prepare):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        code, printed = prepare(raw, *FLAGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "cannot be written" in printed
    assert "Traceback" not in printed
    code, printed = prepare(raw, *FLAGS)
    assert code == 0, printed
