"""`manifest.json`, beside the shards: what was written from what, so that any later change shows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import google_crc32c
from immutabledict import immutabledict

from data_prep.errors import DataPrepError
from mmae_jax.config import from_plain, to_plain
from mmae_jax.spec import SpecError

MANIFEST_FILE = "manifest.json"
_OWN_CHECKSUM = "sha256"
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard file.

    Attributes:
      split: its split.
      tiles: raw tiles in it.
      records: their records; more than tiles where the contract has blocks.
      bytes: size of the file.
      crc32c: of the file, 8 hexadecimal digits.
    """

    split: str
    tiles: int
    records: int
    bytes: int
    crc32c: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is in a folder of shards, and how it came about.

    Attributes:
      dataset: name of the dataset.
      dataset_version: version in its contract.
      builder_version: version of this package.
      settings: what was chosen: seed, strictness, the dataset's own options.
      sources: raw file that lists or describes the tiles → SHA-256.
      shards: file name → shard.
      metadata: every other file of the folder → SHA-256.
      skipped: one message per tile that could not be used.
      dropped_dates: split → acquisitions left out of its tiles because a value was damaged.
      missing: split → modality → its tiles that have no acquisition of it.
    """

    dataset: str
    dataset_version: str
    builder_version: str
    settings: immutabledict[str, object]
    sources: immutabledict[str, str]
    shards: immutabledict[str, Shard]
    metadata: immutabledict[str, str]
    skipped: tuple[str, ...]
    dropped_dates: immutabledict[str, int]
    missing: immutabledict[str, immutabledict[str, int]]


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def crc32c(path: Path) -> str:
    """Returns the CRC-32C of a file, which object stores know of theirs; SHA-256 would take longer than writing it."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = google_crc32c.extend(value, chunk)
    return f"{value:08x}"


def to_text(manifest: Manifest) -> str:
    """Returns the manifest as JSON with a checksum of its own."""
    plain = to_plain(manifest)
    return json.dumps(plain | {_OWN_CHECKSUM: _checksum(plain)}, indent=2, ensure_ascii=False) + "\n"


def read_manifest(directory: Path) -> Manifest:
    """Returns the manifest of the shards in `directory`.

    Raises:
      DataPrepError: there is none, a field is absent, unknown or of another type, or it was edited.
    """
    path = directory / MANIFEST_FILE
    try:
        plain = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataPrepError(f"{path}: not found; the folder is incomplete or was not written by data_prep") from error
    except (OSError, ValueError) as error:
        raise DataPrepError(f"{path}: cannot be read ({error})") from error
    if not isinstance(plain, dict):
        raise DataPrepError(f"{path}: expected a JSON object, found {type(plain).__name__}")
    expected = plain.pop(_OWN_CHECKSUM, "nothing")
    try:
        manifest: Manifest = from_plain(Manifest, plain, "")
    except SpecError as error:
        raise DataPrepError(f"{path}: {error}") from error
    if (found := _checksum(plain)) != expected:
        raise DataPrepError(f"{path}: was edited: expected checksum {expected}, found {found}")
    return manifest


def _checksum(plain: dict[str, Any]) -> str:
    canonical = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
