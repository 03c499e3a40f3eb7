"""What a benchmark writes for tools: one JSON object with what was measured, when, on what, and by which command."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import jax
from etils import epath

from mmae_jax.formats import written_whole
from mmae_jax.spec import SpecError

PACKAGES = ("mmae_jax", "jax", "jaxlib", "libtpu", "jax-cuda13-plugin", "jax-cuda12-plugin", "nvidia-cudnn-cu13")
FORMAT = 1

Record = dict[str, Any]
"""Fields: `format`, `what` (name of the bench), `date`, `command`, `versions`, `hardware`, and `found`, by bench."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--json` and `--date`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write what was measured, for tools")
    parser.add_argument("--date", type=_date, help="of the record, YYYY-MM-DD (default: today)")


def _date(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, found {text!r}") from error


def record(what: str, found: dict[str, Any], date: str | None = None) -> Record:
    """Returns the record of a bench that ran in this process.

    Args:
      what: name of the bench.
      found: what it measured, JSON types.
      date: YYYY-MM-DD; today if None.
    """
    return {
        "format": FORMAT,
        "what": what,
        "date": date or datetime.date.today().isoformat(),
        "command": command_line(),
        "versions": versions(),
        "hardware": hardware(),
        "found": found,
    }


def command_line() -> str:
    """Returns the command line of this process, as a shell would take it."""
    words = sys.argv[1:]
    return shlex.join(["python", "-m", "mmae_jax", *([] if words[:1] == ["bench"] else ["bench"]), *words])


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide about speed, where installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Returns platform, kind and number of the devices, and the cores that this process may use."""
    devices = jax.devices()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "devices": len(devices), "cores": cores}


def write(path: Path, content: Record) -> None:
    """Writes a record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(epath.Path(path)) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Record:
    """Returns a record.

    Raises:
      SpecError: the file holds none, or one of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(f"{path}: expected JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SpecError(f"{path}: expected a record of `mmae_jax bench` (format {FORMAT}), found another file")
    return content
