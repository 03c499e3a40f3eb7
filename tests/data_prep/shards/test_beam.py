"""The same shards come out of a Beam pipeline: of local processes, and of a Dask cluster on this machine."""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data_prep.conftest import rows
from tests.places import ROOT

DIRECT = "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing"
DASK = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner --dask_client_address={address}"


def command(raw: Path, out: Path, options: str, *flags: str) -> list[str]:
    paths = (f"--raw_dir={raw}", f"--out_dir={out}", "--num_shards=2", f"--beam_options={options}")
    return [sys.executable, "-m", "data_prep", "treesatai_ts", *paths, *flags]


def prepare(raw: Path, out: Path, options: str, *flags: str) -> subprocess.CompletedProcess[str]:
    arguments = command(raw, out, options, *flags)
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Dask scheduler with two workers."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    worker = f"worker {address} --nthreads 1 --no-dashboard --no-nanny --local-directory {folder}"
    arguments = [f"scheduler --host {address} --no-dashboard", worker, worker]
    with contextlib.ExitStack() as stack, (folder / "log").open("w") as log:
        for line in arguments:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *shlex.split(line)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield address


@pytest.fixture(params=["direct", "dask"])
def options(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("apache_beam")
    return DIRECT if request.param == "direct" else DASK.format(address=request.getfixturevalue("cluster"))


def test_a_pipeline_writes_the_same_shards(synthetic_raw, synthetic_shards, tmp_path, options):
    done = prepare(synthetic_raw, tmp_path / "out", options)
    assert done.returncode == 0, done.stderr
    assert "train: 12 tiles kept, 0 skipped" in done.stdout
    assert (tmp_path / "out" / "manifest.json").read_text() == (synthetic_shards / "manifest.json").read_text()
    assert not (tmp_path / "out.partial").exists()


def test_a_failed_pipeline_names_the_tile_and_continues(raw, tmp_path, options):
    broken = raw / "aerial" / rows(raw, "test")[0]["aerial_name"]
    content = broken.read_bytes()
    broken.write_text("no image")
    done = prepare(raw, tmp_path / "out", options, "--strict")
    assert done.returncode == 1
    assert f"error: {broken}: cannot be read" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    broken.write_bytes(content)
    done = prepare(raw, tmp_path / "out", options, "--strict")
    assert done.returncode == 0, done.stderr
    assert "shards were finished before" in done.stderr


def test_a_killed_pipeline_continues(synthetic_raw, tmp_path, options):
    out, data = tmp_path / "out", tmp_path / "out.partial" / "data"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command(synthetic_raw, out, options), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
        while process.poll() is None and not (data.is_dir() and any(data.iterdir())):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    inodes = {path.name: path.stat().st_ino for path in data.iterdir()}
    assert inodes
    done = prepare(synthetic_raw, out, options)
    assert done.returncode == 0, done.stderr
    assert "6 shards were finished before" in done.stderr
    assert len(json.loads((out / "manifest.json").read_text())["shards"]) == 6


def test_options_that_beam_refuses_are_one_line(synthetic_raw, tmp_path):
    pytest.importorskip("apache_beam")
    done = prepare(synthetic_raw, tmp_path / "out", "--runner=Nowhere")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: --beam_options: the pipeline failed (Unexpected pipeline")


def test_without_beam_the_extra_is_named(synthetic_raw, tmp_path, capsys, monkeypatch):
    from data_prep.__main__ import main

    monkeypatch.setitem(sys.modules, "apache_beam", None)
    arguments = [f"--raw_dir={synthetic_raw}", f"--out_dir={tmp_path / 'out'}", "--beam_options="]
    assert main(["treesatai_ts", *arguments]) == 1
    assert "error: --beam_options: needs the extra beam: pip install 'mmae_jax[beam]'" in capsys.readouterr().err


def test_processes_and_beam_exclude_each_other(capsys):
    from data_prep.__main__ import main

    assert main(["treesatai_ts", "--raw_dir=x", "--out_dir=y", "--processes=2", "--beam_options="]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
