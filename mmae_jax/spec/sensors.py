"""What sensors promise: facts about stored data (docs/method.md §9)."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from immutabledict import immutabledict


@dataclasses.dataclass(frozen=True)
class Modality:
    """Sensor contract of one modality: what its stored array `[T, bands, side, side]` means.

    Attributes:
      bands: band names in stored order.
      dtype: numpy dtype name of the stored values.
      unit: physical unit of `stored · scale + offset`, e.g. `reflectance`.
      ground_sample_distance: side of a pixel [m].
      size: side of the raster that covers the tile [pixels].
      frame: what is stored around the tile, on each side [pixels].
      scale: multiplies stored values to give `unit`.
      offset: added after scaling.
      nodata: stored value that means a missing pixel; NaN always does in floating-point modalities, and is the same as
        None here.
      decibel: whether values are logarithms already.
      quantum: where set, integers stand for `base + quantum · stored`, with one `base` per record.
      value_range: smallest and largest stored value that can occur, nodata aside (`base` and `quantum` applied).
      typical_means: mean stored value of each band over the dataset; their order tells swapped bands.
      mask_channels: what the mask channels `[T, M, side, side]` (uint8) tell; empty where there is no mask [%].
      date_convention: what the stored `[year, day_of_year, hour]` refers to.
    """

    bands: tuple[str, ...]
    dtype: str
    unit: str
    ground_sample_distance: float
    size: int
    frame: int = 0
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    decibel: bool = False
    quantum: float | None = None
    value_range: tuple[float, ...] | None = None
    typical_means: tuple[float, ...] | None = None
    mask_channels: tuple[str, ...] = ()
    date_convention: str = "UTC acquisition day, hour unknown (0)"

    def __post_init__(self) -> None:
        # NaN is no value that could be compared, and means a missing pixel anyway
        if isinstance(self.nodata, float) and math.isnan(self.nodata):
            object.__setattr__(self, "nodata", None)

    @property
    def pixels_can_be_missing(self) -> bool:
        """Whether single pixels can be absent (NaN or nodata) while their date is present."""
        return self.nodata is not None or np.issubdtype(np.dtype(self.dtype), np.floating)


@dataclasses.dataclass(frozen=True)
class Target:
    """Sensor contract of one target.

    Attributes:
      kind: `multilabel` (0/1 vector), `classif` (one class per tile), `segment` (one class per pixel) or `regression`
        (one number per tile or pixel), see `mmae_jax/tasks`.
      classes: names of the classes, in index order; empty for `regression`.
      field: record field that the target is derived from.
      missing_value: class value that is excluded from loss and metrics.
      ignored: further stored class values that are excluded.
      colours: one `#rrggbb` a class, as the dataset is usually shown.
      threshold: `multilabel` only: a class is present where its stored proportion exceeds this.
      pixel_values: `multilabel` only, where `field` is that of a `segment` target: the stored value of each class; a
        class is present where a pixel of the crop has its value.
      size: side of the raster that covers the tile [pixels]; None where a tile has one value.
      dtype: numpy dtype name of the stored values of a raster.
    """

    kind: str
    classes: tuple[str, ...]
    field: str
    missing_value: int = -1
    ignored: tuple[int, ...] = ()
    colours: tuple[str, ...] | None = None
    threshold: float = 0.0
    pixel_values: tuple[int, ...] | None = None
    size: int | None = None
    dtype: str = "uint8"

    @property
    def is_raster(self) -> bool:
        """Whether there is a value for each pixel, rather than one for the tile."""
        return self.size is not None

    @property
    def excluded(self) -> tuple[int, ...]:
        """The stored values that count neither in loss nor in metrics."""
        return (self.missing_value, *self.ignored)

    @property
    def num_classes(self) -> int:
        """Number of classes a head predicts."""
        return len(self.classes)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The sensor contract: written with the shards, carried in config, checkpoint and export (docs/method.md §9).

    Attributes:
      name: the dataset's name.
      version: the version of the dataset as it is stored here.
      tile_meters: side of a tile [m].
      modalities: name of a stored modality → its sensor contract.
      targets: name of a target → its contract.
      blocks: a tile is stored as `blocks²` records, row major, so that a crop reads only the blocks it touches.
    """

    name: str
    version: str
    tile_meters: float
    modalities: immutabledict[str, Modality]
    targets: immutabledict[str, Target]
    blocks: int = 1

    def stored_side(self, raster: Modality | Target) -> int:
        """Returns the pixels per side of a raster in one record, frame included."""
        frame = raster.frame if isinstance(raster, Modality) else 0
        assert raster.size is not None, "rasters have a size"
        return raster.size // self.blocks + 2 * frame

    @functools.cached_property
    def size_gcd(self) -> int:
        """`n` of docs/method.md §2.1: the number of cells per side on which every raster can be cut."""
        sizes = [modality.size for modality in self.modalities.values()]
        sizes += [t.size for t in self.targets.values() if t.size is not None]
        return math.gcd(*sizes)
