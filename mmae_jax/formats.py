"""Files of this program: read and written such that whatever is wrong is said, with versions and checksums."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import google_crc32c
from etils import epath

from mmae_jax.spec import SpecError

VERSION_KEY = "format_version"
MANIFEST_FILE = "manifest.json"
"""Beside shards: what was written from what."""
SEAL_KEY = "sha256"
DEEPEST = 50
"""Levels of a JSON file; what is nested deeper is none of ours, and would exhaust the stack of what reads it."""
_CHUNK = 1 << 20
_END = 1 << 14


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


def begun_otherwise(file: epath.Path, known: int, described: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Writes what work on a folder is, or holds it against what was written when it was begun.

    Args:
      file: says what was begun; written, in one piece, where it is not there.
      known: version of its format.
      described: JSON values: what decides about the work.

    Returns:
      Name and both values of the first thing that differs, those of what was begun before; None where nothing does.

    Raises:
      SpecError: the file is damaged, or of a newer version.
    """
    described = json.loads(json.dumps({VERSION_KEY: known, **described}))
    if not file.exists():
        with written_whole(file) as beside:
            beside.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        return None
    begun = read_json(file)
    format_version(begun, known, file)
    different = [name for name in sorted(described.keys() | begun.keys()) if begun.get(name) != described.get(name)]
    return (different[0], begun.get(different[0]), described.get(different[0])) if different else None


def write_json(file: epath.PathLike, plain: Mapping[str, Any]) -> None:
    """Writes JSON values in one piece, for people, too: texts as they are, no number that is none."""
    with written_whole(epath.Path(file)) as beside:
        beside.write_text(json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


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


def geo_metadata(crs: Mapping[str, Any] | None) -> str:
    """Returns what a GeoParquet 1.1 table says of its column `geometry`, whose polygons are WKB, as JSON text.

    Args:
      crs: their coordinate system as PROJJSON; None where there are no polygons.
    """
    column = {"encoding": "WKB", "geometry_types": [] if crs is None else ["Polygon"], "crs": crs}
    return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})


def crc32c(path: Path | epath.Path) -> str:
    """Returns the CRC-32C of a file, which object stores know of theirs; SHA-256 would take longer than writing it."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = google_crc32c.extend(value, chunk)
    return f"{value:08x}"


def ends_crc32c(path: Path) -> str:
    """Returns the CRC-32C of the first and last 16 KiB of a file on a disk, which tells files apart in no time."""
    with path.open("rb") as file:
        value = google_crc32c.value(file.read(_END))
        file.seek(max(0, file.seek(0, 2) - _END))
        return f"{google_crc32c.extend(value, file.read()):08x}"


@contextlib.contextmanager
def naming_folder(folder: epath.Path) -> Iterator[None]:
    """Adds `folder` to errors of the operating system that name no file, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None and not isinstance(error, ConnectionError):
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


@contextlib.contextmanager
def written_whole(path: epath.Path) -> Iterator[epath.Path]:
    """Gives a file beside `path` to write to: it becomes `path` at the end, or is removed where that is not reached."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def read_json(file: Path | epath.Path, error: type[SpecError] = SpecError) -> dict[str, Any]:
    """Returns the fields of a JSON file.

    Raises:
      SpecError: it is no JSON, or not fields with values; of the class `error`.
      OSError: it cannot be read.
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:  # also what is no text
        raise error(f"{file}: not valid JSON ({problem})") from problem
    if not isinstance(plain, dict):
        raise error(f"{file}: expected fields with values, found {type(plain).__name__}")
    if _deeper(plain, DEEPEST):
        raise error(f"{file}: expected at most {DEEPEST} levels of JSON, found more")
    return plain


def _deeper(plain: Any, levels: int) -> bool:
    """Returns whether JSON values are nested deeper, without recursion."""
    level = [plain]
    for _ in range(levels):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _values(outer)]
    return bool(level)


def _values(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer
