"""What a user's Python file says about a folder of co-registered rasters."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from immutabledict import immutabledict

from data_prep.datasets.folder.fields import check_contract, check_numbers, check_types
from data_prep.datasets.folder.names import check_names, check_shares
from data_prep.datasets.folder.patterns import PatternError, date_expression, pattern_fields
from data_prep.datasets.folder.values import Values, check_values, holds
from mmae_jax.checks import check_dtype, check_pixels
from mmae_jax.spec import Dataset, Modality, SpecError, Target
from mmae_jax.tasks import TASKS


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of one modality.

    Exactly one of `{date}` in the pattern, `date_regex`, `dates` and `date` tells when images were taken. With
    `{date}`, there is one file per date. With `dates`, one file per tile has all dates, band by band within each date.
    Otherwise a file has one date.

    Attributes:
      pattern: paths below the raw folder, with `{tile}`, and `{date}`, `{split}` or `*` for what else varies.
      sensor: what the contract says of the sensor; size, resolution, bands and dtype must be those of the files.
      date_format: how dates are written, in the codes of `strptime`.
      date_regex: finds the date in a file's name, by its first group.
      dates: table, like that of `Column`, with columns tile and date; a tile's lines are in the order of its images.
      date: date of all files.
      masks: like `pattern`, files of the sensor's `mask_channels` (uint8, percent), each beside an image.
      georeferenced: False where resolution and place in the files are known to be wrong; they are not checked then.
      offsets: day → offset of the files' values from that day on, where it is not that of `sensor` for all dates, e.g.
        `{"2022-01-25": -0.1}` for Sentinel-2 reflectance. Values are stored so that the sensor's offset holds.
    """

    pattern: str
    sensor: Modality
    date_format: str = "%Y%m%d"
    date_regex: str | None = None
    dates: str | None = None
    date: str | None = None
    masks: str | None = None
    georeferenced: bool = True
    offsets: Mapping[str, float] = immutabledict()


@dataclasses.dataclass(frozen=True)
class Raster:
    """A target with a class or a number per pixel: files of one band like those of `Files`, with `{tile}`.

    Attributes:
      pattern: paths below the raw folder, with `{tile}`.
      target: `segment`: each pixel has the index of a class, or one of `values`. `regression`: each pixel has a number,
        such as a height; NaN, the file's nodata, `missing_value` and `ignored` are no number.
      georeferenced: False where the place in the files is known to be wrong; it is not checked then.
      values: value in the files → class, None for none, where values are not the indices of classes.
    """

    pattern: str
    target: Target
    georeferenced: bool = True
    values: Values | None = None


@dataclasses.dataclass(frozen=True)
class Column:
    """A target with classes or a number per tile: a table with a column tile.

    Attributes:
      table: a csv file, or a vector file (`.gpkg`, `.geojson`, `.shp`) whose attributes are the columns.
      target: `classif`: its field is the column, with names or numbers of classes. `multilabel`: each class has a
        column of its own name with proportions, or 0 and 1. `regression`: its field is the column, with numbers; an
        empty cell, NaN, `missing_value` and `ignored` are no number.
      values: value in the column → class, None for none, where `classif` is neither told by names nor by indices.
    """

    table: str
    target: Target
    values: Values | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """Splits by a table, like that of `Column`, with columns tile and split; tiles that it lacks are left out."""

    table: str


@dataclasses.dataclass(frozen=True)
class Fractions:
    """Splits by chance.

    Attributes:
      shares: split → share of the tiles; they add up to 1.
      seed: seed of the draw.
    """

    shares: Mapping[str, float]
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class InNames:
    """Splits by `{split}` in the patterns."""


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of co-registered rasters.

    Attributes:
      name: the dataset's name.
      tile_meters: side of a tile.
      modalities: name → files. The first one's first date is the reference date.
      splits: which tiles train, which validate and test.
      targets: name → files or columns.
      version: version of the dataset as stored.
      blocks: a tile is stored as `blocks²` records, for crops of large tiles.
    """

    name: str
    tile_meters: float
    modalities: Mapping[str, Files]
    splits: Table | Fractions | InNames
    targets: Mapping[str, Raster | Column] = dataclasses.field(default_factory=dict)
    version: str = "1.0.0"
    blocks: int = 1

    @property
    def contract(self) -> Dataset:
        """The sensor contract."""
        return Dataset(
            self.name,
            self.version,
            float(self.tile_meters),
            immutabledict({name: files.sensor for name, files in self.modalities.items()}),
            immutabledict({name: source.target for name, source in self.targets.items()}),
            self.blocks,
        )


def check(folder: Folder) -> None:
    """Raises a `SpecError` at the first field that cannot be right; the message begins with its name."""
    expect("modalities", folder.modalities, Mapping, Files)
    expect("targets", folder.targets, Mapping, (Raster, Column))
    if not isinstance(folder.splits, (Table, Fractions, InNames)):
        raise SpecError(f"splits: expected Table, Fractions or InNames, found {folder.splits!r}")
    if not folder.modalities:
        raise SpecError("modalities: expected at least one, found none")
    check_types(folder)
    check_names(folder)
    check_numbers(folder)
    for name, files in folder.modalities.items():
        _check_files(f"modalities.{name}", files, folder.splits)
        _check_sensor(f"modalities.{name}.sensor", files.sensor, folder)
    for name, source in folder.targets.items():
        _check_target(f"targets.{name}", source, folder)
    if folder.blocks < 1 or folder.contract.size_gcd % folder.blocks:
        raise SpecError(
            f"blocks: expected a divisor of {folder.contract.size_gcd}, which divides the sizes of all rasters, "
            f"found {folder.blocks}"
        )
    if isinstance(folder.splits, Fractions):
        check_shares(folder.splits.shares)
    check_contract(folder.contract)


def expect(field: str, found: object, kind: type, inner: type | tuple[type, ...]) -> None:
    """Raises a `SpecError` unless a field is a `kind` of mapping to values of the class, or classes, `inner`."""
    kinds = inner if isinstance(inner, tuple) else (inner,)
    names = " or ".join(each.__name__ for each in kinds)
    if not isinstance(found, kind):
        raise SpecError(f"{field}: expected a mapping of names to {names}, found {found!r}")
    for name, value in found.items():  # type: ignore[attr-defined]
        if not isinstance(value, kinds):
            raise SpecError(f"{field}.{name}: expected {names}, found {value!r}")


def _check_files(field: str, files: Files, splits: Table | Fractions | InNames) -> None:
    fields = _fields(f"{field}.pattern", files.pattern)
    if "split" in fields and isinstance(splits, Fractions):
        raise SpecError(
            f"{field}.pattern: expected no {{split}}, as splits are Fractions, found {files.pattern!r}; write *"
        )
    given = [name for name in ("date_regex", "dates", "date") if getattr(files, name) is not None]
    given += ["{date} in the pattern"] if "date" in fields else []
    if len(given) != 1:
        raise SpecError(
            f"{field}: expected one of {{date}} in the pattern, date_regex, dates and date, "
            f"found {' and '.join(given) or 'none'}"
        )
    check_dates(field, files.date_format, files.date_regex)
    if (files.masks is None) != (not files.sensor.mask_channels):
        wanted = f"files of {', '.join(files.sensor.mask_channels)}" if files.sensor.mask_channels else "None"
        raise SpecError(
            f"{field}.masks: expected {wanted}, since sensor.mask_channels is {files.sensor.mask_channels}, "
            f"found {files.masks!r}"
        )
    if files.masks is not None and _fields(f"{field}.masks", files.masks) != fields:
        raise SpecError(
            f"{field}.masks: expected the same fields as in pattern {files.pattern!r}, found {files.masks!r}"
        )


def check_dates(field: str, date_format: str, date_regex: str | None) -> None:
    """Raises a `SpecError` unless a description says rightly how dates are written and found in names."""
    try:
        date_expression(date_format)
    except PatternError as error:
        raise SpecError(f"{field}.date_format: {error}") from error
    if "%Y" not in date_format and "%y" not in date_format:
        raise SpecError(f"{field}.date_format: expected a format with the year, %Y or %y, found {date_format!r}")
    if date_regex is None:
        return
    try:
        groups = re.compile(date_regex).groups
    except re.error as error:
        raise SpecError(f"{field}.date_regex: expected a regular expression, found {date_regex!r} ({error})") from error
    if not groups:
        raise SpecError(f"{field}.date_regex: expected a group (…) that finds the date, found {date_regex!r}")


def _fields(field: str, pattern: str) -> set[str]:
    try:
        return pattern_fields(pattern)
    except PatternError as error:
        raise SpecError(f"{field}: {error}") from error


def _check_sensor(field: str, sensor: Modality, folder: Folder) -> None:
    check_pixels(field, sensor)
    if sensor.nodata is not None and not holds(sensor.dtype, sensor.nodata):
        raise SpecError(f"{field}.nodata: expected a value that {sensor.dtype} can hold, found {sensor.nodata}")
    covered = sensor.size * sensor.ground_sample_distance
    if abs(covered - folder.tile_meters) > sensor.ground_sample_distance / 2:
        raise SpecError(
            f"{field}.size: expected {folder.tile_meters / sensor.ground_sample_distance:g} pixels of "
            f"{sensor.ground_sample_distance:g} m to cover {folder.tile_meters:g} m, found {sensor.size}"
        )
    if sensor.quantum is not None:
        raise SpecError(
            f"{field}.quantum: expected None, as values are stored as they are in the files, found {sensor.quantum}"
        )


def _check_target(field: str, source: Raster | Column, folder: Folder) -> None:
    target = source.target
    of_pixels = isinstance(source, Raster)
    kinds = [kind for kind, task in TASKS.items() if (task.per_pixel if of_pixels else task.per_tile)]
    if target.kind not in kinds:
        raise SpecError(f"{field}.target.kind: expected {', '.join(kinds[:-1])} or {kinds[-1]}, found {target.kind!r}")
    TASKS[target.kind].check_classes(f"{field}.target", target)
    check_values(field, target, source.values, of_pixels)
    if isinstance(source, Raster):
        _fields(f"{field}.pattern", source.pattern)
        if target.size is None:
            raise SpecError(f"{field}.target.size: expected the pixels per side, found None")
        check_dtype(f"{field}.target", target.dtype, largest=4)  # what JAX computes with
    elif target.size is not None:
        raise SpecError(f"{field}.target.size: expected None of a target with one value per tile, found {target.size}")
