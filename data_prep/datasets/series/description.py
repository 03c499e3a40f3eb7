"""What a user's Python file says about a table of satellite series of places."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from immutabledict import immutabledict

from data_prep.datasets.folder.description import Fractions
from data_prep.datasets.folder.values import Values
from data_prep.datasets.series.conversions import Decibels, InUnit
from data_prep.datasets.series.folds import Folds
from mmae_jax.spec import Dataset, Modality, Target


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of one modality.

    Attributes:
      pattern: names of columns, with `{band}`, which a modality of one band need not have. In wide form also with
        `{date}` or `{step}`, the date or its number. `*` stands for what else varies.
      sensor: what the contract says of the sensor; its size is 1 pixel.
      names: band → what stands for `{band}` in names of columns, where that is not the band.
      missing: numbers in the table that mean no value, besides empty cells, NaN and the sensor's nodata.
      convert: how numbers in the table become those stored; None where they are the same.
    """

    pattern: str
    sensor: Modality
    names: Mapping[str, str] = immutabledict()
    missing: tuple[float, ...] = ()
    convert: Decibels | InUnit | None = None


@dataclasses.dataclass(frozen=True)
class Steps:
    """Dates of the numbers `{step}` in wide form: `first` is the first day, each further one a step later.

    Exactly one of `days` and `months` is given, and of `start` and `column`.

    Attributes:
      start: the first day of all places, e.g. `2020-01-01`.
      column: column of each place's first day.
      days: length of a step.
      months: length of a step; days of the month that a month does not have become its last one.
      first: number of the first step.
    """

    start: str | None = None
    column: str | None = None
    days: int | None = None
    months: int | None = None
    first: int = 0


@dataclasses.dataclass(frozen=True)
class Points:
    """Where places are: columns of degrees east and north (WGS 84)."""

    lon: str = "lon"
    lat: str = "lat"


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Where places are: a column of geometries, as GeoParquet has them (WKB), or text (WKT); of areas, the centre."""

    column: str = "geometry"


@dataclasses.dataclass(frozen=True)
class Label:
    """A target: a column with one class, or one number, for each place.

    Attributes:
      column: name of the column; a place without a value has no label.
      target: `classif`, told by names of classes or their indices, or by `values`; or `regression`.
      values: value in the column → class, None for none.
      commonest: keeps so many classes, those that most places have, as if no place had another; the target names none
        then, and a class is called as in `values`, or like its value.
    """

    column: str
    target: Target
    values: Values | None = None
    commonest: int | None = None


@dataclasses.dataclass(frozen=True)
class InColumn:
    """Splits by a column with the name of each place's split."""

    column: str


@dataclasses.dataclass(frozen=True)
class Series:
    """A table of satellite series of places: one row for each place and date, or one for each place.

    Attributes:
      name: the dataset's name.
      table: Parquet, GeoParquet or CSV file below the raw folder; with `*`, several files of the same columns.
      place: column of the places' names.
      modalities: name → columns. The first one's first date is the reference date.
      splits: which places train, which validate and test.
      date: column of dates, where each has a row; None where the names of columns tell dates (wide form).
      date_format: how dates are written, in the codes of `strptime`; ISO 8601, or columns of dates, if None.
      steps: dates of the numbers `{step}` in names of columns.
      coordinates: where places are, if that is known.
      targets: name → label.
      labelled_only: leaves out places that have a label of no target.
      version: version of the dataset as stored.
    """

    name: str
    table: str
    place: str
    modalities: Mapping[str, Columns]
    splits: InColumn | Fractions | Folds
    date: str | None = None
    date_format: str | None = None
    steps: Steps | None = None
    coordinates: Points | Geometry | None = None
    targets: Mapping[str, Label] = immutabledict()
    labelled_only: bool = False
    version: str = "1.0.0"

    @property
    def tile_meters(self) -> float:
        """Side of the square that a record covers: that of the coarsest pixel."""
        return max(float(columns.sensor.ground_sample_distance) for columns in self.modalities.values())

    @property
    def contract(self) -> Dataset:
        """The sensor contract."""
        return Dataset(
            self.name,
            self.version,
            self.tile_meters,
            immutabledict({name: columns.sensor for name, columns in self.modalities.items()}),
            immutabledict({name: label.target for name, label in self.targets.items()}),
        )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns that tell one thing of a place, whatever the date."""
        found = [label.column for label in self.targets.values()]
        if isinstance(self.coordinates, Points):
            found += [self.coordinates.lon, self.coordinates.lat]
        elif isinstance(self.coordinates, Geometry):
            found.append(self.coordinates.column)
        if isinstance(self.splits, InColumn):
            found.append(self.splits.column)
        elif isinstance(self.splits, Folds) and self.splits.group is not None:
            found.append(self.splits.group)
        if self.steps is not None and self.steps.column is not None:
            found.append(self.steps.column)
        return tuple(dict.fromkeys(found))
