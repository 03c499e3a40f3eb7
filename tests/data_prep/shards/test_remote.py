"""Raw files and shards in an object store: an imitation in memory, and the S3 protocol where its packages are here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from etils import epath
from fsspec.implementations.memory import MemoryFileSystem

from data_prep.__main__ import main
from data_prep.shards import task as shards
from tests.places import ROOT

BUCKET = "s3://bucket"


class Store(MemoryFileSystem):
    """What stands for `s3://` in these tests."""

    protocol = "s3"
    store: dict = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol("/" + path.removeprefix("s3://").lstrip("/"))


@pytest.fixture
def store(synthetic_raw: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A bucket that holds the made-up raw tiles in `raw`."""
    Store.store.clear()
    Store.pseudo_dirs[:] = [""]
    filesystem = Store()
    fsspec.register_implementation("s3", Store, clobber=True)
    filesystem.put(str(synthetic_raw), f"{BUCKET}/raw", recursive=True)
    return filesystem


def prepare(*flags: str, raw: str = f"{BUCKET}/raw", out: str = f"{BUCKET}/out") -> int:
    return main(["treesatai_ts", f"--raw_dir={raw}", f"--out_dir={out}", "--num_shards=2", *flags])


def names(store: Store, folder: str) -> set[str]:
    return {path.rpartition("/")[2] for path in store.find(f"{BUCKET}/{folder}")}


def test_the_same_shards_are_written(store, synthetic_shards, tmp_path, capsys):
    assert prepare() == 0, capsys.readouterr().err
    store.get(f"{BUCKET}/out", str(tmp_path / "copy"), recursive=True)
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (tmp_path / "copy", synthetic_shards)]
    assert manifests[0]["shards"] == manifests[1]["shards"]
    assert names(store, "out") == {path.name for path in synthetic_shards.iterdir()}
    assert not store.exists(f"{BUCKET}/out.partial")
    assert main(["verify", f"{BUCKET}/out"]) == 0
    assert main(["verify", str(tmp_path / "copy")]) == 0


def test_damage_is_named(store, capsys):
    assert prepare() == 0
    path = "treesatai_ts-val.array_record-00000-of-00002"
    content = store.cat_file(f"{BUCKET}/out/{path}")
    store.pipe_file(f"{BUCKET}/out/{path}", content[: len(content) // 2])
    capsys.readouterr()
    assert main(["verify", f"{BUCKET}/out"]) == 1
    assert f"{BUCKET}/out/{path}: expected {len(content)} bytes, found {len(content) // 2}" in capsys.readouterr().err


def test_an_interrupted_run_has_no_manifest_and_continues(store, capsys, monkeypatch):
    genuine, left = shards.publish, [5]

    def stop(*arguments: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        genuine(*arguments)

    with monkeypatch.context() as context:
        context.setattr(shards, "publish", stop)
        assert prepare() == 130
    written = names(store, "out")
    assert written
    assert "manifest.json" not in written
    assert main(["verify", f"{BUCKET}/out"]) == 1
    times = {name: store.modified(f"{BUCKET}/out/{name}") for name in written}
    capsys.readouterr()
    assert prepare() == 0
    assert f"{len(written)} of 6 shards were finished before" in capsys.readouterr().err
    assert {name: store.modified(f"{BUCKET}/out/{name}") for name in written} == times
    assert main(["verify", f"{BUCKET}/out"]) == 0


def test_a_failed_upload_leaves_no_part_of_a_shard(store, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("connection lost")

    with monkeypatch.context() as context:
        context.setattr(Store, "put_file", fail)
        assert prepare() == 1
    assert "error: connection lost" in capsys.readouterr().err
    assert not names(store, "out")
    assert prepare() == 0


@pytest.mark.parametrize("content", ["manifest.json", "notes.txt"])
def test_an_existing_output_is_refused(store, capsys, content):
    store.pipe_file(f"{BUCKET}/out/{content}", b"mine")
    assert prepare() == 1
    assert f"error: --out_dir: {BUCKET}/out exists already" in capsys.readouterr().err
    assert names(store, "out") == {content}


def test_damaged_remote_files_are_named(store, capsys):
    tile = sorted(names(store, "raw/sentinel-ts"))[0]
    store.pipe_file(f"{BUCKET}/raw/sentinel-ts/{tile}", b"no hdf5")
    image = sorted(names(store, "raw/aerial"))[1]
    store.pipe_file(f"{BUCKET}/raw/aerial/{image}", b"no image")
    assert prepare() == 0
    printed = capsys.readouterr().err
    assert f"{BUCKET}/raw/sentinel-ts/{tile}: cannot be read" in printed
    assert f"{BUCKET}/raw/aerial/{image}: cannot be read" in printed


def test_a_bucket_alone_is_refused(store, capsys):
    assert prepare(out=BUCKET) == 1
    assert f"error: --out_dir: {epath.Path(BUCKET)}: expected a folder in a bucket" in capsys.readouterr().err


def test_a_store_that_cannot_be_reached_is_one_line(store, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Unable to locate credentials")

    monkeypatch.setattr(Store, "exists", fail)
    assert prepare() == 1
    assert (
        capsys.readouterr().err == f"error: --raw_dir: {BUCKET}/raw: cannot be reached (Unable to locate credentials)\n"
    )


@pytest.fixture(scope="module")
def s3(synthetic_raw: Path) -> Iterator[dict[str, str]]:
    """Environment of processes that find the raw tiles in `s3://bucket/raw` of a server on this machine."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    upload = f"""
import s3fs
s3 = s3fs.S3FileSystem()
s3.mkdir("bucket")
s3.put({str(synthetic_raw)!r}, "bucket/raw", recursive=True)
"""
    subprocess.run([sys.executable, "-c", upload], env=os.environ | environment, check=True)
    yield environment
    server.stop()


def test_the_s3_protocol(s3):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "data_prep", *arguments]
        return subprocess.run(command, env=os.environ | s3, cwd=ROOT, capture_output=True, text=True, check=False)

    paths = (f"--raw_dir={BUCKET}/raw", f"--out_dir={BUCKET}/out")
    done = run("treesatai_ts", *paths, "--num_shards=2", "--processes=2")
    assert done.returncode == 0, done.stderr
    done = run("verify", f"{BUCKET}/out")
    assert done.returncode == 0, done.stderr
