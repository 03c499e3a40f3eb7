"""Versions and checksums of what is written to disk: contract, manifest of shards, checkpoints, results, exports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mmae_jax.spec import SpecError

VERSION_KEY = "format_version"
SEAL_KEY = "sha256"


def format_version(metadata: Mapping[str, Any], known: int, where: object, error: type[SpecError] = SpecError) -> int:
    """Returns the version of the format in which a file was written; 0 for files older than versions.

    Args:
      metadata: what the file says about itself; its version is a number, or a number as text.
      known: the newest version that can be read.
      where: the file or folder, for messages.
      error: what is raised.

    Raises:
      SpecError: the version is newer than known, or is none; of the class `error`.
    """
    found = metadata.get(VERSION_KEY, 0)
    text = str(found)
    if isinstance(found, bool) or not text.isdecimal():
        raise error(f"{where}: {VERSION_KEY}: expected a number from 1 to {known}, found {found!r}")
    if int(text) > known:
        raise error(
            f"{where}: {VERSION_KEY}: expected at most {known}, found {text}; "
            "it was written by a newer version of mmae_jax: install that version"
        )
    return int(text)


def sealed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns JSON values with a checksum of their own."""
    return {**plain, SEAL_KEY: seal_of(plain)}


def unsealed(plain: Mapping[str, Any], where: object, error: type[SpecError] = SpecError) -> dict[str, Any]:
    """Returns what was sealed, without the checksum; what carries none, of an older version, as it is.

    Raises:
      SpecError: it was changed since; of the class `error`.
    """
    content = {name: value for name, value in plain.items() if name != SEAL_KEY}
    if SEAL_KEY in plain and (found := seal_of(content)) != plain[SEAL_KEY]:
        raise error(f"{where}: was changed since it was written: expected {SEAL_KEY} {plain[SEAL_KEY]}, found {found}")
    return content


def seal_of(plain: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of JSON values, hexadecimal, however they are spaced and ordered."""
    canonical = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
