"""Metadata that say less than was prepared, or are no metadata, are named by file and field before the first step."""

import json
import os
import shutil

import pytest

from mmae_jax.data import listed
from mmae_jax.data.records import DataError
from mmae_jax.data.shards import shard_files


@pytest.fixture
def directory(synthetic_shards, tmp_path):
    """A copy of prepared shards, to be changed."""
    return shutil.copytree(synthetic_shards, tmp_path / "shards")


def change(directory, name, changed):
    file = directory / name
    plain = json.loads(file.read_text())
    changed(plain)
    file.write_text(json.dumps(plain))


def lengths(info, split):
    return next(found for found in info["splits"] if found["name"] == split)["shardLengths"]


def shorter(info):
    lengths(info, "train")[0] = "5"


def renamed(manifest):
    first = next(iter(manifest["shards"]))
    manifest["shards"]["another"] = manifest["shards"].pop(first)


def rewritten(directory):
    next(directory.glob("*train*00001-of*")).write_bytes(b"other records")


def swapped(directory):
    first, second = sorted(directory.glob("*train*-of-*"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes()[: len(content)].ljust(len(content)))


def deep(directory):
    (directory / "dataset_info.json").write_text('{"splits": ' + "[" * 1000 + "]" * 1000 + "}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: change(d, "dataset_info.json", shorter),
            "dataset_info.json: splits.train.shardLengths: expected 6 records of train in .*, found 5",
        ),
        (
            lambda d: change(d, "dataset_info.json", lambda info: info["splits"].pop()),
            r"dataset_info.json: splits: treesatai_ts-\w+.array_record-00000-of-00002 is missing, which",
        ),
        (lambda d: change(d, "manifest.json", renamed), "dataset_info.json: splits: another is missing"),
        (lambda d: change(d, "manifest.json", lambda m: m.pop("shards")), "manifest.json: shards: expected names"),
        (lambda d: (d / "manifest.json").write_text("{"), "manifest.json: not valid JSON"),
        (lambda d: (d / "dataset_info.json").write_text("{"), "dataset_info.json: not valid JSON"),
        (lambda d: (d / "dataset_info.json").write_text('{"splits": 3}'), "dataset_info.json: "),
        (lambda d: (d / "features.json").write_bytes(b"\xff"), "features.json: not valid JSON"),
        (deep, "dataset_info.json: (not valid JSON|expected at most 50 levels)"),
        (
            swapped,
            r"00000-of-00002: expected checksum \w{8} of its ends as in .*: it is another file",
        ),
        (
            lambda d: change(d, "dataset_info.json", lambda info: lengths(info, "train").__setitem__(0, "-1")),
            r"dataset_info.json: splits: treesatai_ts-train.array_record-00000-of-00002 is missing, which",
        ),
        (rewritten, "00001-of-00002: expected 2424832 bytes as in manifest.json, found 13: it was rewritten"),
    ],
)
def test_what_is_not_as_prepared_is_named_by_file_and_field(directory, damage, message):
    damage(directory)
    with pytest.raises(DataError, match=message) as error:
        shard_files(directory)
    assert "\n" not in str(error.value)


def test_folder_without_manifest_is_taken_at_its_word_aloud(directory, caplog):
    (directory / "manifest.json").unlink()
    assert set(shard_files(directory)) == {"train", "val", "test"}
    assert "manifest.json: not found; whether all records are there is not checked" in caplog.text


def test_shards_that_were_rewritten_since_are_noticed(directory):
    files = shard_files(directory)
    before, file = listed.states(files), next(directory.glob("*train*00000-of*"))
    os.utime(file, (1, 1))
    listed.check_unchanged(directory, files, before)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=r"00000-of-00002: was rewritten while this run read it"):
        listed.check_unchanged(directory, files, before)


def test_shards_are_told_from_others_wherever_they_lie(directory, synthetic_shards):
    assert listed.identity(directory) == listed.identity(synthetic_shards)
    change(directory, "manifest.json", lambda m: next(iter(m["shards"].values())).update(crc32c="0" * 8))
    assert listed.identity(directory) != listed.identity(synthetic_shards)
