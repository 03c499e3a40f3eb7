"""Which places a table has, what it holds of each, and which split each is in."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_prep.datasets.folder.description import Fractions
from data_prep.datasets.folder.tiles import drawn
from data_prep.datasets.series import tables
from data_prep.datasets.series.conversions import State
from data_prep.datasets.series.description import Geometry, InColumn, Points, Series
from data_prep.datasets.series.georeference import DEGREES, Point, points, system
from data_prep.datasets.series.labels import stored_labels
from data_prep.datasets.series.observations import Content, Observations, read
from data_prep.datasets.series.places import attribute
from data_prep.errors import DataPrepError
from data_prep.readers.splits import check_split
from mmae_jax.spec import Target

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SeriesTile:
    """One place.

    Attributes:
      name: its name.
      observations: modality → its dates, in order of time.
      labels: target field → index of a class, or a number.
      point: where it is; None where that is not known.
      fault: why it cannot be used, if its rows tell different things.
    """

    name: str
    observations: Mapping[str, Observations]
    labels: Mapping[str, float]
    point: Point | None
    fault: str | None


def list_tiles(series: Series, raw_dir: Path) -> dict[str, list[SeriesTile]]:
    """Returns split → places, by name.

    Raises:
      DataPrepError: the table cannot be understood; names file and column.
    """
    paths = tables.files(raw_dir, series.table)
    content = read(series, paths)
    labels = _labels(series, content, paths[0])
    where = _points(series, content, paths[0])
    faults: dict[int, str] = {}
    for column in series.attributes:
        faults = attribute(content, column).faults | faults
    chosen = _with_label(series, labels, len(content.places))
    parts = {name: _by_place(each, len(content.places)) for name, each in content.observations.items()}
    found: dict[str, list[SeriesTile]] = {}
    for place, split in _assigned(series, content, chosen, paths[0]):
        observations = {name: of_places[place] for name, of_places in parts.items()}
        told = {field: values[place] for field, values in labels.items()}
        tile = SeriesTile(content.places[place], observations, told, where[place], faults.get(place))
        found.setdefault(split, []).append(tile)
    _tell_absent(content)
    if "train" not in found:
        raise DataPrepError(f"splits: expected places in split train, found {', '.join(found) or 'none'}")
    return found


def _by_place(observed: Observations, places: int) -> list[Observations]:
    arrays = [getattr(observed, field.name) for field in dataclasses.fields(observed)]
    ends = np.searchsorted(observed.place, np.arange(places + 1)).tolist()
    return [Observations(*(array[start:stop] for array in arrays)) for start, stop in itertools.pairwise(ends)]


def _labels(series: Series, content: Content, path: Path) -> dict[str, list[float]]:
    labels = {}
    for name, label in series.targets.items():
        values = attribute(content, label.column).values
        labels[label.target.field] = stored_labels(label, values, content.places, f"{path}: targets.{name}")
        without = sum(_is_none(label.target, value) for value in labels[label.target.field])
        if without:
            _log.warning("target %s: %s of %s places have no label", name, f"{without:,}", f"{len(values):,}")
    return labels


def _is_none(target: Target, value: float) -> bool:
    return math.isnan(value) or value in target.excluded


def _with_label(series: Series, labels: Mapping[str, Sequence[float]], places: int) -> list[int]:
    """Returns the numbers of the places that are used."""
    if not series.labelled_only:
        return list(range(places))
    targets = [label.target for label in series.targets.values()]
    kept = [
        place for place in range(places) if not all(_is_none(target, labels[target.field][place]) for target in targets)
    ]
    _log.warning("labelled_only: %s of %s places are left out", f"{places - len(kept):,}", f"{places:,}")
    return kept


def _points(series: Series, content: Content, path: Path) -> list[Point | None]:
    if isinstance(series.coordinates, Points):
        lon, lat = (attribute(content, column).values for column in (series.coordinates.lon, series.coordinates.lat))
        return [_point(x, y, path) for x, y in zip(lon, lat, strict=True)]
    if isinstance(series.coordinates, Geometry):
        column = series.coordinates.column
        return points(attribute(content, column).values, system(path, column), f"{path}: {column}")
    return [None] * len(content.places)


def _point(lon: object, lat: object, path: Path) -> Point | None:
    if not isinstance(lon, float) or not isinstance(lat, float):
        return None
    if not (-180 <= lon <= 360 and -90 <= lat <= 90):
        exchanged = "; are lon and lat exchanged?" if -90 <= lon <= 90 and -180 <= lat <= 360 else ""
        raise DataPrepError(
            f"{path}: coordinates: expected degrees east and north, found {lon:g} and {lat:g}{exchanged}"
        )
    return Point(lon, lat, DEGREES)


def _assigned(series: Series, content: Content, chosen: list[int], path: Path) -> list[tuple[int, str]]:
    """Returns the numbers of places with their splits, in order of their names."""
    splits, names = series.splits, [content.places[place] for place in chosen]
    if isinstance(splits, Fractions):
        number = dict(zip(names, chosen, strict=True))
        return sorted((number[name], split) for name, split in drawn(splits, names))
    if isinstance(splits, InColumn):
        values = attribute(content, splits.column).values
        for split in sorted({str(value) for value in values if value is not None}):
            check_split(split, f"{path}: {splits.column}")
        return [(place, str(values[place])) for place in chosen if values[place] is not None]
    groups = names
    if splits.group is not None:
        values = attribute(content, splits.group).values
        groups = [str(values[place]) for place in chosen]
        without = next((place for place in chosen if values[place] is None), None)
        if without is not None:
            raise DataPrepError(
                f"{path}: {splits.group}: expected a group of place {content.places[without]}, found none"
            )
    return list(zip(chosen, splits.splits(groups), strict=True))


def _tell_absent(content: Content) -> None:
    for name, observed in content.observations.items():
        absent = int(np.count_nonzero(observed.states == State.ABSENT))
        if absent:
            _log.warning("%s: %s of %s dates have no value", name, f"{absent:,}", f"{len(observed.states):,}")
