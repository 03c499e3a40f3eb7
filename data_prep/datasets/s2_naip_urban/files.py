"""Where the files of an S2-NAIP tile are: in one folder a sensor, or still in the published archives.

Extracted: `{sensor}/{id}{ending}`, e.g. `sentinel2/32612_960_-6049_8.tif`. Published: 32 × 32 tiles in one archive,
`{sensor}_{utm}/{utm}_{column // 32}_{row // 32}.tar`, whose members carry the same names. Reading extracted files is
faster: an archive's members are found by walking through it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_prep.errors import TileError, naming_errors
from data_prep.readers.inside import check_file, inside
from data_prep.readers.listing import find_files
from data_prep.readers.raw import is_local
from data_prep.readers.tables import note

TILES_PER_ARCHIVE = 32
"""Tiles per side of an archive."""

_MEMBER = re.compile(r"/vsisubfile/(\d+)_(\d+),(.*)")
_ID = re.compile(r"(\d{5})_(-?\d+)_(-?\d+)")


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a tile is: column and row count 640 m steps eastward and southward from the origin of the UTM zone."""

    epsg: int
    column: int
    row: int

    @classmethod
    def of(cls, tile: str) -> Position:
        """Returns the place that the tile's name tells.

        Raises:
          TileError: it is not `{EPSG}_{column}_{row}`.
        """
        match = _ID.fullmatch(tile)
        if not match:
            raise TileError(f"expected a tile named EPSG_COLUMN_ROW such as 32612_960_-6049, found {tile!r}")
        return cls(*map(int, match.groups()))


def has_sensor(raw_dir: Path, sensor: str) -> bool:
    """Returns whether any file of `sensor` may be in `raw_dir`."""
    return (raw_dir / sensor).is_dir() or any(raw_dir.glob(f"{sensor}_?????/*.tar"))


def names(raw_dir: Path, sensor: str) -> Iterator[str]:
    """Returns the names of all files of `sensor`; twice what is extracted from an archive that is still there."""
    yield from find_files(raw_dir / sensor, "*")
    for archive in find_files(raw_dir, f"{sensor}_*/*.tar"):
        yield from members(inside(raw_dir, archive))


def find(raw_dir: Path, sensor: str, tile: str, ending: str) -> Path | None:
    """Returns what GDAL opens as the file `{tile}{ending}` of `sensor`; None if there is no such file.

    Raises:
      TileError: the archive that should hold it is damaged.
    """
    extracted = inside(raw_dir, sensor, f"{tile}{ending}")
    if extracted.exists():
        return extracted
    place = Position.of(tile)
    columns, rows = place.column // TILES_PER_ARCHIVE, place.row // TILES_PER_ARCHIVE
    archive = inside(raw_dir, f"{sensor}_{place.epsg}", f"{place.epsg}_{columns}_{rows}.tar")
    if not archive.exists():
        return None
    if not is_local(archive):
        raise TileError(f"{archive}: archives are read from local disks only; extract them")
    member = members(archive).get(extracted.name)
    if member is None:
        return None
    offset, size = member
    return Path(f"/vsisubfile/{offset}_{size},{archive}")


def last_bytes(found: Path, number: int) -> bytes:
    """Returns the end of a file that `find` found."""
    member = _MEMBER.fullmatch(str(found))
    with naming_errors(found), (Path(member[3]) if member else found).open("rb") as file:
        end = int(member[1]) + int(member[2]) if member else file.seek(0, 2)
        file.seek(max(0, end - number))
        return file.read(number)


@functools.lru_cache(maxsize=64)  # up to a megabyte each
def members(archive: Path) -> Mapping[str, tuple[int, int]]:
    """Returns file name → offset and size in an archive, from its headers alone."""
    check_file(archive)
    with naming_errors(archive), tarfile.open(archive, "r:") as file:
        found, places = dict[str, tuple[int, int]](), dict[str, str]()
        for member in filter(tarfile.TarInfo.isfile, file):
            name = Path(member.name).name
            if name.startswith("."):  # resource forks of macOS
                continue
            note(places, name, f"{member.name} at byte {member.offset}", f"{archive}: {name}", TileError)
            found[name] = member.offset_data, member.size
        return found
