"""From what a table holds of a place to its record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.datasets.folder.targets import target_field
from data_prep.datasets.series.conversions import FAULTS, State
from data_prep.datasets.series.description import Series
from data_prep.datasets.series.georeference import affine
from data_prep.datasets.series.moments import as_stored
from data_prep.datasets.series.observations import Observations
from data_prep.datasets.series.tiles import SeriesTile
from data_prep.errors import TileError
from data_prep.problems import DATE, Problem, report
from data_prep.shards.records import Record

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def read_tile(series: Series, raw_dir: Path, tile: SeriesTile) -> tuple[Record, int]:
    """Returns the record of a place, and the number of dates left out because of their values, which is logged.

    Raises:
      TileError: rows of the place contradict each other, or it has no date.
    """
    del raw_dir  # the tile has been read
    if tile.fault is not None:
        raise TileError(tile.fault)
    record: Record = {"name": tile.name}
    dropped = 0
    for name, observed in tile.observations.items():
        kept, left_out = _usable(name, tile.name, observed)
        record[name] = {
            "pixels": observed.pixels[kept][:, :, None, None],
            "dates": as_stored(observed.moments[kept]),
        }
        dropped += left_out
    first = next((record[name]["dates"][0] for name in series.modalities if len(record[name]["dates"])), None)
    if first is None:
        raise TileError("dates: expected one with values, found none")
    for label in series.targets.values():
        record[label.target.field] = np.array(tile.labels[label.target.field], target_field(label.target)[1])
    transform = np.array(IDENTITY) if tile.point is None else affine(tile.point, series.tile_meters)
    crs = "" if tile.point is None else tile.point.crs
    return record | {"ref_date": first, "crs": crs, "transform": transform}, dropped


def _usable(name: str, tile: str, observed: Observations) -> tuple[np.ndarray, int]:
    """Returns the numbers of the dates that are used, and how many are left out; reports why."""
    left_out = 0
    for state, text in FAULTS.items():
        if count := int(np.count_nonzero(observed.states == state)):
            report(Problem(tile, DATE, f"{name}, {text}, found others at {count} of {len(observed.states)} dates"))
            left_out += count
    there = np.flatnonzero(observed.states == State.THERE)
    again = observed.moments[there][1:] == observed.moments[there][:-1]
    if not again.any():
        return there, left_out
    alike = (observed.pixels[there][1:] == observed.pixels[there][:-1]).all(1)
    if (again & ~alike).any():
        moment = observed.moments[there][1:][again & ~alike][0]
        raise TileError(f"{name}: expected one row for {moment}, found several of different values")
    twice = int(again.sum())
    report(
        Problem(tile, DATE, f"{name}, expected one row for each date, found others at {twice} of {len(there)} dates")
    )
    return there[np.concatenate([[True], ~again])], left_out + twice
