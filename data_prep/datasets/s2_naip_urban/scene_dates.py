"""Acquisition dates of S2-NAIP: from the published tables of scenes, or from one text file a tile and sensor."""

from __future__ import annotations

import array
import csv
import re
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

import numpy as np

from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.readers import dates
from data_prep.readers.inside import check_file
from data_prep.readers.tables import check_columns, values_of

Read = Callable[[Sequence[str]], np.ndarray]
"""Scene names of T images → their dates int16 `[T, 3]`; a `ValueError` where a name has none."""

LANDSAT_TOKEN = -4
"""Index of the acquisition day in `LC08_L1TP_014032_20190607_20190619_01_T1`."""

_NAIP_DAY = re.compile(r"_(\d{8})(?=_|$)")


def sentinel(scenes: Sequence[str]) -> np.ndarray:
    """Reads names such as `S2A_MSIL1C_20190607T155911_N0207_R097_T17SPV_20190607T194510`."""
    return dates.from_products(scenes, dates.SENTINEL_TOKEN)


def landsat(scenes: Sequence[str]) -> np.ndarray:
    """Reads names such as `LC08_L1TP_014032_20190607_20190619_01_T1`."""
    return dates.from_products(scenes, LANDSAT_TOKEN)


def naip(scenes: Sequence[str]) -> np.ndarray:
    """Reads names such as `m_3808553_ne_16_060_20190607_20190907`: acquisition, then (not always) processing day."""
    days = [match for scene in scenes for match in _NAIP_DAY.findall(scene)[:1]]
    if len(days) < len(scenes):
        raise ValueError(f"expected NAIP scenes with a day YYYYMMDD, found {', '.join(scenes)}")
    return np.array([dates.from_compact(day) for day in days], np.int16).reshape(-1, 3)


def read_scenes(path: Path, read: Read) -> np.ndarray:
    """Returns the dates of the scenes named in a text file, one a line, in their order.

    Raises:
      TileError: the file is absent, or a line has no date.
    """
    check_file(path)
    with naming_errors(path):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        return read(lines)
    except ValueError as error:
        raise TileError(f"{path}: {error}") from error


def read_table(path: Path, scene_column: str, read: Read, tiles: Set[str]) -> dict[str, np.ndarray | TileError]:
    """Returns tile → dates of its images in the order in which they are stored, or what is wrong with its lines.

    Args:
      path: table with the columns projection, col, row, a scene name and, where a tile has several images, index;
        one line an image, also of tiles that are not wanted.
      scene_column: column of the scene names.
      read: reads scene names.
      tiles: the tiles wanted.

    Raises:
      DataPrepError: the table cannot be read or lacks a column.
    """
    images = {tile: _Images() for tile in tiles}
    for tile, index, scene in _lines(path, scene_column):
        if tile in images:
            images[tile].add(index, scene, read)
    return {tile: found.dates(f"{path}: {tile}") for tile, found in images.items() if len(found)}


class _Images:
    """The images of a tile, in few bytes: a table may list millions."""

    def __init__(self) -> None:
        self._indices = array.array("i")
        self._dates = array.array("h")
        self._problem = ""

    def __len__(self) -> int:
        return len(self._indices) + bool(self._problem)

    def add(self, index: int | None, scene: str, read: Read) -> None:
        try:
            self._dates.extend(read([scene])[0].tolist())
        except ValueError as error:
            self._problem = str(error)
        else:
            self._indices.append(len(self._indices) if index is None else index)

    def dates(self, where: str) -> np.ndarray | TileError:
        indices, first, inverse = np.unique(np.array(self._indices, int), return_index=True, return_inverse=True)
        days = np.array(self._dates, np.int16).reshape(-1, 3)
        if self._problem:
            return TileError(f"{where}: {self._problem}")
        if np.any(days != days[first[inverse]]):  # lines may be repeated, but not contradict
            index = self._indices[int((days != days[first[inverse]]).any(1).argmax())]
            return TileError(f"{where}: expected one scene for image {index}, found several of different days")
        if indices[-1] - indices[0] + 1 != len(indices):
            return TileError(f"{where}: expected images numbered without gaps, found {indices.tolist()}")
        return days[first]


def _lines(path: Path, scene_column: str) -> Iterator[tuple[str, int | None, str]]:
    """Yields tile, image index (None without such a column) and scene."""
    try:
        with path.open("r", encoding="utf-8-sig") as file:
            lines = values_of(file)
            _, header = next(lines, (1, []))
            check_columns(path, ("projection", "col", "row", scene_column), header)
            place = [header.index(column) for column in ("projection", "col", "row")]
            scene = header.index(scene_column)
            index = header.index("index") if "index" in header else None
            for number, line in lines:
                if len(line) != len(header):
                    raise DataPrepError(f"{path}: line {number}: expected {len(header)} values, found {len(line)}")
                try:
                    tile = "_".join(line[column] for column in place).removeprefix("EPSG:")
                    yield tile, None if index is None else int(line[index]), line[scene]
                except ValueError as error:
                    raise DataPrepError(f"{path}: line {number}: cannot be read ({error})") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataPrepError(f"{path}: cannot be read ({error})") from error
