"""One sensor on the ground of a scene: its series on any square."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.readers.dates import stored_date
from data_prep.readers.values import percents
from data_prep.scenes.frame import bounds_of, touch
from data_prep.scenes.grid import Bounds, Grid
from data_prep.scenes.layers import Layer
from data_prep.scenes.pixels import read_square, usual_resampling
from data_prep.scenes.series import Acquisition
from data_prep.scenes.stored import as_stored, complete
from data_prep.shards.records import Record
from mmae_jax.spec import Modality

UNKNOWN = 100
"""Percent of pixels that no mask covers: what is not known to be clear is not clear."""


@dataclasses.dataclass(frozen=True)
class Placed:
    """An image, and what it covers in the coordinate system of the scene."""

    layer: Layer
    bounds: Bounds


@dataclasses.dataclass(frozen=True)
class _Images:
    """The images, or the masks, of an acquisition."""

    placed: tuple[Placed, ...]

    @classmethod
    def of(cls, layers: Sequence[Layer], crs: str) -> _Images:
        return cls(tuple(Placed(layer, bounds_of(layer, crs)) for layer in layers))

    def touching(self, bounds: Bounds) -> list[Layer]:
        return [each.layer for each in self.placed if touch(each.bounds, bounds)]


@dataclasses.dataclass(frozen=True)
class PlacedSensor:
    """A sensor of a scene.

    Attributes:
      name: its name in the contract.
      contract: what is stored of it.
      pixels: pixels a cell.
      resampling: how the description says its images are resampled; None for the usual way.
      series: its acquisitions: date, images and masks.
    """

    name: str
    contract: Modality
    pixels: int
    resampling: str | None
    series: tuple[tuple[Acquisition, _Images, _Images], ...]

    @classmethod
    def of(
        cls, name: str, contract: Modality, pixels: int, resampling: str | None, series: Sequence[Acquisition], crs: str
    ) -> PlacedSensor:
        """Returns a sensor whose images are placed in a coordinate system; raises as `bounds_of`."""
        placed = ((each, _Images.of(each.layers, crs), _Images.of(each.masks, crs)) for each in series)
        return cls(name, contract, pixels, resampling, tuple(placed))

    def within(self, bounds: Bounds) -> PlacedSensor:
        """Returns the sensor with those acquisitions that touch an area."""
        series = tuple(each for each in self.series if each[1].touching(bounds))
        return dataclasses.replace(self, series=series)

    def read(self, square: Grid) -> Record:
        """Returns the sensor's part of a record on a square of its own pixels.

        Raises:
          TileError: a file cannot be read, or a mask is none.
          ValueError: heights differ by more than can be stored.
        """
        bounds, contract = square.bounds_in(square.crs), self.contract
        dates, images, masks = [], [], []
        for acquisition, placed, of_masks in self.series:
            layers = placed.touching(bounds)
            values = _mosaic(layers, square, len(contract.bands), self.resampling) if layers else None
            found = None if values is None else complete(values, contract)
            if found is None:
                continue
            dates.append(stored_date(acquisition.moment))
            images.append(found[0])
            if contract.mask_channels:
                masks.append(self._mask(of_masks, bounds, square, found[1]))
        shape = (square.height, square.width)
        values = np.stack(images) if images else np.empty((0, len(contract.bands), *shape), np.float32)
        pixels, base = as_stored(values, contract)
        record: Record = {"pixels": pixels, "dates": np.array(dates, np.int16).reshape(-1, 3)}
        if base is not None:
            record["base"] = base
        if contract.mask_channels:
            record["mask"] = np.array(masks, np.uint8).reshape(-1, len(contract.mask_channels), *shape)
        return record

    def _mask(self, masks: _Images, bounds: Bounds, square: Grid, filled: np.ndarray) -> np.ndarray:
        """Returns the masks of an acquisition, percent `[M, rows, columns]`; what was filled in is not clear."""
        channels = len(self.contract.mask_channels)
        if not masks.placed:
            return np.broadcast_to(np.where(filled, UNKNOWN, 0), (channels, *filled.shape))
        layers = masks.touching(bounds)
        found = _mosaic(layers, square, channels, "nearest")
        found = np.where(np.isnan(found) | filled, UNKNOWN, found)
        return percents(Path(layers[0].path if layers else self.name), found)


def _mosaic(layers: Sequence[Layer], square: Grid, bands: int, resampling: str | None) -> np.ndarray:
    """Returns values `[bands, rows, columns]`: each pixel of the first image that has it, NaN where none does."""
    found = np.full((bands, square.height, square.width), np.nan, np.float32)
    for layer in layers:
        channels = list(layer.channels)
        lacking = np.isnan(found[channels])
        if lacking.any():
            values = read_square(layer, square, resampling or usual_resampling(layer.grid, square))
            found = found.astype(np.result_type(found, values), copy=False)
            found[channels] = np.where(lacking, values, found[channels])
    return found
