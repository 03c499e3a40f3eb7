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
from data_prep.scenes.pixels import read_squares
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
        touching = [(each, images.touching(bounds), masks) for each, images, masks in self.series]
        touching = [each for each in touching if each[1]]
        mosaics = _mosaics([layers for _, layers, _ in touching], square, len(contract.bands), self.resampling)
        completed = [complete(values, contract) for values in mosaics]
        kept = [(*each, found) for each, found in zip(touching, completed, strict=True) if found is not None]
        dates = [stored_date(acquisition.moment) for acquisition, _, _, _ in kept]
        images = [values for _, _, _, (values, _) in kept]
        masks = self._masks([(of_masks, filled) for _, _, of_masks, (_, filled) in kept], bounds, square)
        shape = (square.height, square.width)
        values = np.stack(images) if images else np.empty((0, len(contract.bands), *shape), np.float32)
        pixels, base = as_stored(values, contract)
        record: Record = {"pixels": pixels, "dates": np.array(dates, np.int16).reshape(-1, 3)}
        if base is not None:
            record["base"] = base
        if contract.mask_channels:
            record["mask"] = np.array(masks, np.uint8).reshape(-1, len(contract.mask_channels), *shape)
        return record

    def _masks(self, series: Sequence[tuple[_Images, np.ndarray]], bounds: Bounds, square: Grid) -> list[np.ndarray]:
        """Returns the masks of acquisitions, percent `[M, rows, columns]`; what was filled in is not clear."""
        channels = len(self.contract.mask_channels)
        layers = [masks.touching(bounds) for masks, _ in series]
        found = []
        for mosaic, (masks, filled), of in zip(
            _mosaics(layers, square, channels, "nearest"), series, layers, strict=True
        ):
            clear = np.zeros_like(mosaic) if not masks.placed else np.where(np.isnan(mosaic), UNKNOWN, mosaic)
            found.append(percents(Path(of[0].path if of else self.name), np.where(filled, UNKNOWN, clear)))
        return found


def _mosaics(series: Sequence[Sequence[Layer]], square: Grid, bands: int, resampling: str | None) -> list[np.ndarray]:
    """Returns values `[bands, rows, columns]` of each acquisition: each pixel of its first image that has it, else NaN.

    Images that add nothing to those before them are not read.
    """
    found = [np.full((bands, square.height, square.width), np.nan, np.float32) for _ in series]
    for turn in range(max(map(len, series), default=0)):
        layers, wanted = [], []
        for number, members in enumerate(series):
            if turn < len(members) and np.isnan(found[number][list(members[turn].channels)]).any():
                layers.append(members[turn])
                wanted.append(number)
        for number, layer, values in zip(wanted, layers, read_squares(layers, square, resampling), strict=True):
            channels, mosaic = (
                list(layer.channels),
                found[number].astype(np.result_type(found[number], values), copy=False),
            )
            mosaic[channels] = np.where(np.isnan(mosaic[channels]), values, mosaic[channels])
            found[number] = mosaic
    return found
