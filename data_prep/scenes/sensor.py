"""One sensor on the ground of a scene: its series on any square."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.readers.dates import stored_date
from data_prep.readers.values import percents
from data_prep.scenes.frame import bounds_of, grid_of, touch
from data_prep.scenes.grid import Bounds, Grid
from data_prep.scenes.layers import Layer
from data_prep.scenes.pixels import read_squares
from data_prep.scenes.seen import PART_PIXELS, UNKNOWN, Recent, Seen, stitched
from data_prep.scenes.series import Acquisition
from data_prep.scenes.stored import as_stored, complete
from data_prep.shards.records import Record
from mmae_jax.data.crops import Cell
from mmae_jax.scenes.scene import Frame
from mmae_jax.spec import Modality


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

    def read(self, frame: Frame, start: Cell, cells: int, recent: Recent) -> Record:
        """Returns the sensor's part of a record on a square of the frame.

        Args:
          frame: that of the scene.
          start: first row and column of the square, in cells.
          cells: its side.
          recent: parts of the ground that are kept for other squares.

        Raises:
          TileError: a file cannot be read, or a mask is none.
          ValueError: heights differ by more than can be stored.
        """
        contract, side = self.contract, PART_PIXELS // self.pixels
        if side <= 1:
            seen = self._see(grid_of(frame, start, cells, self.pixels))
        else:
            rows, columns = (range(first // side, (first + cells - 1) // side + 1) for first in start)
            parts = {
                at: recent.get((self.name, at), functools.partial(self._see_part, frame, at, side))
                for at in itertools.product(rows, columns)
            }
            row, column = (first * self.pixels for first in start)
            seen = stitched(parts, side * self.pixels, (row, column), cells * self.pixels)
        completed = [complete(values, contract) for values in seen.images]
        kept = [(number, *found) for number, found in enumerate(completed) if found is not None]
        images = [values for _, values, _ in kept]
        pixels, base = as_stored(np.stack(images) if images else seen.images[:0], contract)
        dates = [stored_date(self.series[seen.numbers[number]][0].moment) for number, _, _ in kept]
        record: Record = {"pixels": pixels, "dates": np.array(dates, np.int16).reshape(-1, 3)}
        if base is not None:
            record["base"] = base
        if contract.mask_channels:
            masks = [np.where(filled, UNKNOWN, seen.masks[number]) for number, _, filled in kept]  # filled: not clear
            record["mask"] = np.array(masks, np.uint8).reshape(len(kept), *seen.masks.shape[1:])
        return record

    def _see_part(self, frame: Frame, at: Cell, side: int) -> Seen:
        row, column = at
        return self._see(grid_of(frame, (row * side, column * side), side, self.pixels))

    def _see(self, square: Grid) -> Seen:
        """Returns the acquisitions whose images touch a square, and their masks."""
        bounds, channels = square.bounds_in(square.crs), len(self.contract.mask_channels)
        layers = {number: images.touching(bounds) for number, (_, images, _) in enumerate(self.series)}
        numbers = [number for number, touching in layers.items() if touching]
        bands = len(self.contract.bands)
        images = _mosaics([layers[number] for number in numbers], square, bands, self.resampling)
        masks = self._masks(numbers, bounds, square) if channels else []
        shape = (square.height, square.width)
        return Seen(
            tuple(numbers),
            np.stack(images) if images else np.empty((0, bands, *shape), np.float32),
            np.array(masks, np.uint8).reshape(len(numbers), channels, *shape),
        )

    def _masks(self, numbers: Sequence[int], bounds: Bounds, square: Grid) -> list[np.ndarray]:
        """Returns the masks of acquisitions, percent `[M, rows, columns]`; without any, all is clear."""
        masks = [self.series[number][2] for number in numbers]
        layers = [each.touching(bounds) for each in masks]
        found = []
        for mosaic, each, touching in zip(
            _mosaics(layers, square, len(self.contract.mask_channels), "nearest"), masks, layers, strict=True
        ):
            clear = np.where(np.isnan(mosaic), UNKNOWN if each.placed else 0, mosaic)
            found.append(percents(Path(touching[0].path if touching else self.name), clear))
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
            channels = list(layer.channels)
            mosaic = found[number].astype(np.result_type(found[number], values), copy=False)
            mosaic[channels] = np.where(np.isnan(mosaic[channels]), values, mosaic[channels])
            found[number] = mosaic
    return found
