"""Versions of what is written to disk: sensor contract, manifest of shards, checkpoints, results, exported weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmae_jax.spec import SpecError

VERSION_KEY = "format_version"


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
