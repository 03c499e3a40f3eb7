"""The manifest says what was written from what; `verify` names whatever was changed since."""

import hashlib
import json
import shutil
from pathlib import Path

import google_crc32c
import pytest

from data_prep.__main__ import main
from mmae_jax.contract import CONTRACT_FILE

SHARD = "treesatai_ts-train.array_record-00001-of-00002"
SPLITS = ("train", "val", "test")
METADATA = ("dataset_info.json", "features.json", CONTRACT_FILE)


@pytest.fixture
def shards(synthetic_shards: Path, tmp_path: Path) -> Path:
    """A copy of the shards, two per split, that a test may damage."""
    return Path(shutil.copytree(synthetic_shards, tmp_path / "shards"))


def verify(directory: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    code = main(["verify", str(directory), *flags])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out + printed.err


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def test_the_manifest_says_what_was_written_from_what(synthetic_raw, synthetic_shards):
    manifest = json.loads((synthetic_shards / "manifest.json").read_text())
    listed = {*manifest["shards"], *manifest["metadata"], "manifest.json"}
    assert listed == {path.name for path in synthetic_shards.iterdir()}
    for name, shard in manifest["shards"].items():
        path = synthetic_shards / name
        assert (shard["bytes"], shard["crc32c"]) == (
            path.stat().st_size,
            f"{google_crc32c.value(path.read_bytes()):08x}",
        )
    train = [shard for shard in manifest["shards"].values() if shard["split"] == "train"]
    assert [(shard["tiles"], shard["records"]) for shard in train] == [(6, 6), (6, 6)]
    assert manifest["sources"] == {f"{split}.csv": sha256(synthetic_raw / f"{split}.csv") for split in SPLITS}
    assert manifest["settings"] == {"seed": 0, "strict": False, "options": {"filter_percent": None}}
    assert (manifest["dataset"], manifest["dataset_version"]) == ("treesatai_ts", "1.0.0")
    assert manifest["builder_version"]
    assert manifest["format_version"] == 1


def write_manifest(directory: Path, fields: dict) -> None:
    """Writes a manifest whose own checksum is right."""
    fields = {name: value for name, value in fields.items() if name != "sha256"}
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    fields["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    (directory / "manifest.json").write_text(json.dumps(fields))


def test_a_manifest_older_than_versions_is_read(shards, capsys):
    fields = json.loads((shards / "manifest.json").read_text())
    del fields["format_version"]
    write_manifest(shards, fields)
    assert verify(shards, capsys)[0] == 0


@pytest.mark.parametrize(
    ("version", "expected"),
    [(2, "at most 1, found 2;"), ("new", "a number from 1 to 1, found 'new'"), (None, "a number")],
)
def test_a_manifest_of_another_version_is_refused(shards, capsys, version, expected):
    fields = json.loads((shards / "manifest.json").read_text())
    write_manifest(shards, fields | {"format_version": version, "unheard_of": 1})
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"manifest.json: format_version: expected {expected}" in printed


def test_skipped_tiles_are_in_the_manifest(raw, prepare, tmp_path):
    broken = min((raw / "aerial").iterdir())
    broken.write_text("no image")
    assert prepare(raw)[0] == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (message,) = manifest["skipped"]
    assert message.startswith(f"{broken.stem}: {broken}: cannot be read")


@pytest.mark.parametrize("flags", [(), ("--processes=2",)])
def test_intact_shards_pass(synthetic_shards, capsys, flags):
    code, printed = verify(synthetic_shards, capsys, *flags)
    assert code == 0, printed
    assert "6 shards with 18 records are as the manifest says" in printed


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.9, 0.999])
def test_a_cut_shard_is_named(shards, capsys, share):
    path = shards / SHARD
    size = path.stat().st_size
    with path.open("rb+") as file:
        file.truncate(int(share * size))
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{path}: expected {size} bytes, found {int(share * size)}" in printed
    assert printed.count("array_record") == printed.count(SHARD)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5, 0.77, 0.9999])
def test_a_flipped_bit_is_named(shards, capsys, share):
    path = shards / SHARD
    flip(path, int(share * path.stat().st_size))
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{path}: was changed: expected CRC-32C" in printed
    assert printed.count("array_record") == printed.count(SHARD)


def test_the_damaged_record_is_named(shards, capsys):
    path = shards / SHARD
    flip(path, path.stat().st_size // 2)
    _, printed = verify(shards, capsys)
    assert f"{path}: record " in printed


def test_several_damages_are_all_named(shards, capsys):
    names = sorted(path.name for path in shards.glob("*array_record*"))
    (shards / names[0]).unlink()
    flip(shards / names[1], 100_000)
    (shards / names[2]).write_bytes((shards / names[3]).read_bytes())
    code, printed = verify(shards, capsys, "--processes=2")
    assert code == 1
    assert f"{shards / names[0]}: not found, though the manifest lists it" in printed
    assert f"{shards / names[1]}: was changed: expected CRC-32C" in printed
    assert f"{shards / names[2]}: was changed: expected" in printed
    assert names[3] not in printed


def test_foreign_files_are_named(shards, capsys):
    (shards / "notes.txt").write_text("mine")
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{shards / 'notes.txt'}: is not in the manifest" in printed


@pytest.mark.parametrize("name", METADATA)
def test_changed_metadata_are_named(shards, capsys, name):
    path = shards / name
    path.write_text(path.read_text().replace("uint8", "int16").replace("1.0.0", "2.0.0"))
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{path}: was changed" in printed


@pytest.mark.parametrize("name", METADATA)
def test_absent_metadata_are_named(shards, capsys, name):
    (shards / name).unlink()
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{shards / name}: not found" in printed


def edit(path: Path, change: object) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain["settings"].update(seed=1), "was edited since it was written: expected checksum"),
        (lambda plain: plain["shards"][SHARD].update(records=5), "was edited since it was written: expected checksum"),
        (lambda plain: plain["shards"].pop(SHARD), "was edited since it was written: expected checksum"),
        (lambda plain: plain["shards"][SHARD].update(records="5"), f"shards.{SHARD}.records: expected int, found '5'"),
        (lambda plain: plain.pop("sources"), "sources: missing"),
        (lambda plain: plain.update(extra=1), "extra: no such field"),
        (lambda plain: plain.pop("sha256"), "was edited since it was written: expected checksum nothing"),
    ],
)
def test_an_edited_manifest_is_named(shards, capsys, change, message):
    path = shards / "manifest.json"
    edit(path, change)
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{path}: {message}" in printed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "not found; the folder is incomplete"),
        (lambda path: path.write_text(path.read_text()[:200]), "not valid JSON"),
        (lambda path: path.write_text("[]"), "expected fields with values, found list"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not valid JSON"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(shards, capsys, damage, message):
    path = shards / "manifest.json"
    damage(path)
    code, printed = verify(shards, capsys)
    assert code == 1
    assert f"{path}: {message}" in printed


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    code, printed = verify(tmp_path / "no", capsys)
    assert code == 1
    assert printed == f"error: {tmp_path / 'no'}: is not a folder\n"
