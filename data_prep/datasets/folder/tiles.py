"""Which tiles a folder has, which files belong to each, and which split it is in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from data_prep.datasets.folder.description import Folder, Fractions, Raster, Table
from data_prep.datasets.folder.patterns import Match, find
from data_prep.datasets.folder.series import Acquisition, read_series
from data_prep.datasets.folder.targets import Label, read_labels, table_rows
from data_prep.errors import DataPrepError
from data_prep.readers.inside import inside
from data_prep.readers.splits import check_split, meant
from data_prep.readers.tables import note


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
    splits: dict[str, dict[str, str]] = {}
    series = {}
    for name, files in folder.modalities.items():
        matches = find(raw_dir, files.pattern, files.date_format, f"modalities.{name}.pattern")
        for match in matches:
            splits.setdefault(match.tile, {})
        _note_splits(splits, matches)
        series[name] = read_series(files, matches, raw_dir, f"modalities.{name}")
    rasters, labels = {}, {}
    for name, source in folder.targets.items():
        if isinstance(source, Raster):
            matches = find(raw_dir, source.pattern, "%Y%m%d", f"targets.{name}.pattern")
            rasters[source.target.field] = _one_each(matches, raw_dir, f"targets.{name}")
            _note_splits(splits, matches)
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


def _note_splits(splits: Mapping[str, dict[str, str]], matches: list[Match]) -> None:
    """Notes which splits the names of files tell, each with one of these, of the tiles in `splits`."""
    for match in matches:
        if match.split is not None and match.tile in splits:
            splits[match.tile].setdefault(match.split, match.path)


def _one_each(matches: list[Match], raw_dir: Path, field: str) -> dict[str, str]:
    places: dict[str, str] = {}
    for match in matches:
        note(places, match.tile, raw_dir / match.path, f"{field}: tile {match.tile}")
    return {match.tile: match.path for match in matches}


def _split(
    folder: Folder, raw_dir: Path, tiles: Mapping[str, FolderTile], in_names: Mapping[str, Mapping[str, str]]
) -> dict[str, list[FolderTile]]:
    found: dict[str, list[FolderTile]] = {}
    for tile, split in _assigned(folder, raw_dir, list(tiles), in_names):
        if tile not in tiles:
            raise DataPrepError(f"splits: expected files of tile {tile!r}, which has a split, in {raw_dir}, found none")
        for named, file in in_names[tile].items():
            if meant(named) != meant(split):
                raise DataPrepError(
                    f"splits: tile {tile}: expected {split}, found {named} in the name of {file}; where that tells no "
                    "split, write * for {split}"
                )
        found.setdefault(split, []).append(tiles[tile])
    if "train" not in found:
        raise DataPrepError(f"splits: expected tiles in split train, found {', '.join(found) or 'none'}")
    return found


def _assigned(
    folder: Folder, raw_dir: Path, tiles: list[str], in_names: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    if isinstance(folder.splits, Table):
        path, places = inside(raw_dir, folder.splits.table), dict[str, str]()
        for place, row in table_rows(path, "tile", "split").items():
            note(places, row["tile"], place, f"{path}: tile {row['tile']}")
            check_split(row["split"], f"{path}: {place}: split")
            yield row["tile"], row["split"]
    elif isinstance(folder.splits, Fractions):
        yield from drawn(folder.splits, tiles)
    else:
        for tile in tiles:
            if len(in_names[tile]) != 1:
                names = ", ".join(f"{split} ({path})" for split, path in in_names[tile].items()) or "none"
                raise DataPrepError(
                    f"splits: expected one {{split}} in the names of tile {tile}'s files, found {names}"
                )
            ((split, file),) = in_names[tile].items()
            check_split(split, f"{file}: {{split}}")
            yield tile, split


def drawn(fractions: Fractions, tiles: list[str]) -> Iterator[tuple[str, str]]:
    """Yields each tile with the split that is drawn for it.

    Raises:
      DataPrepError: there are too few tiles for a split.
    """
    order = np.random.default_rng(fractions.seed).permutation(len(tiles))
    ends = np.rint(np.cumsum(list(fractions.shares.values())) * len(tiles)).astype(int)
    for split, members in zip(fractions.shares, np.split(order, ends[:-1]), strict=True):
        if not len(members):
            raise DataPrepError(f"splits.shares: expected a tile or more in split {split}, found {len(tiles)} in all")
        yield from ((tiles[member], split) for member in members)
