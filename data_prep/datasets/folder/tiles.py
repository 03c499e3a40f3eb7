"""Which tiles a folder has, which files belong to each, and which split it is in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data_prep.datasets.folder.description import Files, Folder, Fractions, Raster, Table
from data_prep.datasets.folder.patterns import Match, find, parse_date
from data_prep.datasets.folder.targets import Label, read_labels, table_rows
from data_prep.errors import DataPrepError
from data_prep.readers.tables import note

Date = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """One file of a modality: its path, that of its mask if there is one, and the dates in it."""

    path: str
    mask: str | None
    dates: tuple[Date, ...]


@dataclasses.dataclass(frozen=True)
class FolderTile:
    """One tile.

    Attributes:
      name: name of the tile, as in the files' names.
      series: modality → its files, in order of time; empty where it is missing.
      rasters: target field → file, where there is one.
      labels: target field → proportions, number or class, where the table has the tile.
    """

    name: str
    series: Mapping[str, tuple[Acquisition, ...]]
    rasters: Mapping[str, str]
    labels: Mapping[str, Label]


def list_tiles(folder: Folder, raw_dir: Path) -> dict[str, list[FolderTile]]:
    """Returns split → tiles, by name.

    Raises:
      DataPrepError: files or tables are absent or cannot be understood; names field and file.
    """
    splits: dict[str, set[str]] = {}
    series = {}
    for name, files in folder.modalities.items():
        matches = find(raw_dir, files.pattern, files.date_format, f"modalities.{name}.pattern")
        for match in matches:
            splits.setdefault(match.tile, set()).update({match.split} - {None})  # type: ignore[arg-type]
        series[name] = _series(files, matches, raw_dir, f"modalities.{name}")
    rasters, labels = {}, {}
    for name, source in folder.targets.items():
        if isinstance(source, Raster):
            matches = find(raw_dir, source.pattern, "%Y%m%d", f"targets.{name}.pattern")
            rasters[source.target.field] = {match.tile: match.path for match in matches}
        else:
            labels[source.target.field] = read_labels(source, raw_dir)
    tiles = {
        tile: FolderTile(
            tile,
            {name: found.get(tile, ()) for name, found in series.items()},
            {field: found[tile] for field, found in rasters.items() if tile in found},
            {field: found[tile] for field, found in labels.items() if tile in found},
        )
        for tile in sorted(splits)
    }
    return _split(folder, raw_dir, tiles, splits)


def _series(files: Files, matches: list[Match], raw_dir: Path, field: str) -> dict[str, tuple[Acquisition, ...]]:
    tables = _date_table(files, raw_dir) if files.dates is not None else {}
    masks: dict[tuple[str, str | None], str] = {}
    if files.masks is not None:
        found = find(raw_dir, files.masks, files.date_format, f"{field}.masks")
        masks = {(match.tile, match.date): match.path for match in found}
    series: dict[str, list[Acquisition]] = {}
    for match in matches:
        dates = tables.get(match.tile, ()) if files.dates is not None else (_date(files, match, field),)
        mask = masks.get((match.tile, match.date)) if files.masks is not None else None
        series.setdefault(match.tile, []).append(Acquisition(match.path, mask, dates))
    return {tile: tuple(sorted(found, key=lambda each: each.dates)) for tile, found in series.items()}


def _date_table(files: Files, raw_dir: Path) -> dict[str, tuple[Date, ...]]:
    assert files.dates is not None, "asked for by the description"
    path = raw_dir / files.dates
    dates, places = dict[str, list[Date]](), dict[tuple[str, Date], str]()
    for place, row in table_rows(path, "tile", "date").items():
        date = parse_date(row["date"], files.date_format, f"{path}: {place}")
        note(places, (row["tile"], date), place, f"{path}: tile {row['tile']}, date {row['date']}")
        dates.setdefault(row["tile"], []).append(date)
    return {tile: tuple(found) for tile, found in dates.items()}


def _date(files: Files, match: Match, field: str) -> Date:
    if files.date is not None:
        return parse_date(files.date, files.date_format, f"{field}.date")
    if match.date is not None:
        return parse_date(match.date, files.date_format, match.path)
    assert files.date_regex is not None, "one of them is given"
    found = re.search(files.date_regex, match.path)
    if found is None or not found.groups():
        raise DataPrepError(
            f"{field}.date_regex: expected its first group (…) to find the date in {match.path!r}, found none"
        )
    return parse_date(found[1], files.date_format, match.path)


def _split(
    folder: Folder, raw_dir: Path, tiles: Mapping[str, FolderTile], in_names: Mapping[str, set[str]]
) -> dict[str, list[FolderTile]]:
    found: dict[str, list[FolderTile]] = {}
    for tile, split in _assigned(folder, raw_dir, list(tiles), in_names):
        if tile not in tiles:
            raise DataPrepError(f"splits: expected files of tile {tile!r}, which has a split, in {raw_dir}, found none")
        found.setdefault(split, []).append(tiles[tile])
    if "train" not in found:
        raise DataPrepError(f"splits: expected tiles in split train, found {', '.join(found) or 'none'}")
    return found


def _assigned(
    folder: Folder, raw_dir: Path, tiles: list[str], in_names: Mapping[str, set[str]]
) -> Iterator[tuple[str, str]]:
    if isinstance(folder.splits, Table):
        path, places = raw_dir / folder.splits.table, dict[str, str]()
        for place, row in table_rows(path, "tile", "split").items():
            note(places, row["tile"], place, f"{path}: tile {row['tile']}")
            yield row["tile"], row["split"]
    elif isinstance(folder.splits, Fractions):
        order = np.random.default_rng(folder.splits.seed).permutation(len(tiles))
        ends = np.rint(np.cumsum(list(folder.splits.shares.values())) * len(tiles)).astype(int)
        for split, members in zip(folder.splits.shares, np.split(order, ends[:-1]), strict=True):
            if not len(members):
                raise DataPrepError(
                    f"splits.shares: expected a tile or more in split {split}, found {len(tiles)} in all"
                )
            yield from ((tiles[member], split) for member in members)
    else:
        for tile in tiles:
            if len(in_names[tile]) != 1:
                names = ", ".join(sorted(in_names[tile])) or "none"
                raise DataPrepError(
                    f"splits: expected one {{split}} in the names of tile {tile}'s files, found {names}"
                )
            yield tile, next(iter(in_names[tile]))
