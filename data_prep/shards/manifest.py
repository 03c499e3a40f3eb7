"""`manifest.json`, beside the shards: what was written from what, so that any later change shows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from immutabledict import immutabledict

from data_prep.errors import DataPrepError
from mmae_jax.config import from_plain, to_plain
from mmae_jax.formats import MANIFEST_FILE, SEAL_KEY, VERSION_KEY, format_version, read_json, seal_of, sealed
from mmae_jax.spec import SpecError

FORMAT_VERSION = 1
"""Version of what is in the file; manifests older than versions are read, too: they hold the same fields."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard file.

    Attributes:
      split: name of the split that the shard is part of.
      tiles: number of raw tiles in the shard.
      records: number of records in the shard; more than tiles where the contract divides tiles into blocks.
      bytes: size of the file, in bytes.
      crc32c: checksum of the file, 8 hexadecimal digits.
      ends_crc32c: that of its beginning and end, which training asks for; empty in older manifests.
    """

    split: str
    tiles: int
    records: int
    bytes: int
    crc32c: str
    ends_crc32c: str = ""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is in a folder of shards, and how it came about.

    Attributes:
      dataset: the dataset's name.
      dataset_version: the version that its sensor contract states.
      builder_version: version of the package mmae_jax that wrote the shards.
      settings: seed, strictness and the dataset's own options, as chosen on the command line.
      sources: raw file that lists or describes the tiles → SHA-256.
      shards: file name → shard.
      metadata: every other file of the folder → SHA-256.
      skipped: one message for each tile that could not be used.
      dropped_dates: split → acquisitions left out of its tiles because a value was damaged.
      missing: split → modality → number of tiles of the split that have no acquisition of the modality.
      tiles: SHA-256 of the names of the raw tiles in each split.
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
    tiles: str = ""


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_text(manifest: Manifest) -> str:
    """Returns the manifest as JSON with the version of its format and a checksum of its own."""
    plain = {VERSION_KEY: FORMAT_VERSION} | to_plain(manifest)
    return json.dumps(sealed(plain), indent=2, ensure_ascii=False) + "\n"


def read_manifest(directory: Path) -> Manifest:
    """Returns the manifest of the shards in `directory`.

    Raises:
      DataPrepError: there is none, it was edited, a field is absent, unknown or of another type, or a newer version of
        this program wrote it.
    """
    path = directory / MANIFEST_FILE
    try:
        plain = read_json(path, DataPrepError)
    except FileNotFoundError as error:
        raise DataPrepError(f"{path}: not found; the folder is incomplete or was not written by data_prep") from error
    except OSError as error:
        raise DataPrepError(f"{path}: cannot be read ({error})") from error
    format_version(plain, FORMAT_VERSION, path, DataPrepError)
    expected = plain.pop(SEAL_KEY, "nothing")
    fields = {name: value for name, value in plain.items() if name != VERSION_KEY}
    try:
        manifest: Manifest = from_plain(Manifest, fields, "")
    except SpecError as error:
        raise DataPrepError(f"{path}: {error}") from error
    if (found := seal_of(plain)) != expected:
        raise DataPrepError(f"{path}: was edited since it was written: expected checksum {expected}, found {found}")
    return manifest
