"""What is counted of tiles; sums of two parts are the sums of all their tiles."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.statistics.moments import Bins, Comoments
from mmae_jax import tasks
from mmae_jax.data.crops import cut
from mmae_jax.data.dates import missing_values
from mmae_jax.data.records import Record
from mmae_jax.models.samples import LOG_FLOOR
from mmae_jax.moments import Moments
from mmae_jax.spec import Dataset, Modality


@dataclasses.dataclass(frozen=True)
class Sums:
    """Base of what adds up field by field."""

    def __add__(self, other: Any) -> Any:
        fields = [field.name for field in dataclasses.fields(self)]
        return type(self)(*(_add(getattr(self, name), getattr(other, name)) for name in fields))


def _add(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and not isinstance(first, Counter):
        return {name: first[name] + second[name] for name in first}
    return first + second


@dataclasses.dataclass(frozen=True)
class MaskSums(Sums):
    """Sums over the pixels of the mask channels.

    Attributes:
      pixels: number of pixels of all dates, in tiles whose channels are those of the contract.
      percent: channel → sum over these pixels.
      above: channel → how many of them are above 0.
      dates: acquisitions of all tiles.
      clear_dates: those without a pixel above 0 in any channel.
    """

    pixels: int
    percent: dict[str, float]
    above: dict[str, int]
    dates: int
    clear_dates: int

    @classmethod
    def of(cls, modality: Modality, masks: Sequence[np.ndarray]) -> MaskSums:
        """Returns the sums of one tile's masks, each `[T, M, side, side]`."""
        channels = modality.mask_channels
        named = [mask for mask in masks if mask.shape[1] == len(channels)]
        clear = np.all([~mask.any((1, 2, 3)) for mask in masks], axis=0)
        return cls(
            sum(mask[:, 0].size for mask in named) if channels else 0,
            {name: sum(float(mask[:, i].sum(dtype=np.int64)) for mask in named) for i, name in enumerate(channels)},
            {name: sum(int((mask[:, i] > 0).sum()) for mask in named) for i, name in enumerate(channels)},
            len(clear) if masks else 0,
            int(clear.sum()) if masks else 0,
        )


@dataclasses.dataclass(frozen=True)
class ModalitySums(Sums):
    """Sums over the values of one modality.

    Attributes:
      moments: moments of all values that are present.
      log_moments: moments of their logarithms, as inputs with `log_scale` take them.
      clear: comoments of pixels with all bands, and free of clouds and snow where a mask tells.
      histogram: int64 `[C, bins + 2]`, see `Bins.count`.
      absent: values that are NaN or nodata, `[C]`.
      per_tile: number of acquisitions → tiles with as many.
      months: `YYYY-MM` → acquisitions.
      masks: sums over the mask channels.
    """

    moments: Moments
    log_moments: Moments
    clear: Comoments
    histogram: np.ndarray
    absent: np.ndarray
    per_tile: Counter[int]
    months: Counter[str]
    masks: MaskSums

    @classmethod
    def of(cls, modality: Modality, stored: Sequence[Record], side: int, bins: Bins) -> ModalitySums:
        """Returns the sums of one tile, given as what its blocks hold of the modality.

        Args:
          modality: what the contract says of the modality.
          stored: what each block holds of the modality.
          side: pixels per side of a block, without frame.
          bins: bins of the histogram.
        """
        masks = [cut(block["mask"], (0, 0), side, 1, modality.frame) for block in stored if "mask" in block]
        values, absent = present_values(modality, stored, side)
        unusable = np.zeros(values.shape[1], bool) if absent is None else absent.any(0)
        if masks:
            unusable |= np.concatenate([mask.any(1).ravel() for mask in masks])
        dates = stored[0]["dates"]
        return cls(
            Moments.of(values, absent),
            Moments.of(np.log(np.maximum(values, LOG_FLOOR)), absent),
            Comoments.of(values[:, ~unusable]),
            bins.count(values, absent),
            np.zeros(len(values), np.int64) if absent is None else absent.sum(1),
            Counter({len(dates): 1}),
            Counter(_month(date) for date in dates),
            MaskSums.of(modality, masks),
        )


def present_values(modality: Modality, stored: Sequence[Record], side: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the values of a tile, float64 `[C, N]`, and which are absent (None: none); frames are left out."""
    values, absent = [], []
    for block in stored:
        pixels = cut(block["pixels"], (0, 0), side, 1, modality.frame)
        missing = missing_values(pixels, modality.nodata)
        block_values = pixels.astype(np.float64)
        if modality.quantum is not None:
            block_values = float(block["base"]) + modality.quantum * block_values
        if missing is not None:
            block_values[missing] = 0
            absent.append(_by_band(missing))
        values.append(_by_band(block_values))
    return np.concatenate(values, 1), np.concatenate(absent, 1) if absent else None


def _by_band(pixels: np.ndarray) -> np.ndarray:
    return np.moveaxis(pixels, 1, 0).reshape(pixels.shape[1], -1)


def _month(date: np.ndarray) -> str:
    year, day, _ = (int(part) for part in date)
    return f"{datetime.date(year, 1, 1) + datetime.timedelta(days=day - 1):%Y-%m}"


@dataclasses.dataclass(frozen=True)
class TileSums(Sums):
    """Sums over whole tiles: how many there are, of their modalities, and the tallies of their targets."""

    tiles: int
    modalities: dict[str, ModalitySums]
    targets: dict[str, Any]

    @classmethod
    def of(cls, dataset: Dataset, blocks: Sequence[Record], bins: Mapping[str, Bins]) -> TileSums:
        """Returns the sums of one tile, given as the records of its blocks; of the modalities that `bins` names."""
        return cls(
            1,
            {
                name: ModalitySums.of(
                    dataset.modalities[name],
                    [block[name] for block in blocks],
                    dataset.modalities[name].size // dataset.blocks,
                    chosen,
                )
                for name, chosen in bins.items()
            },
            {
                name: tasks.of(target).tally(target, [block[target.field] for block in blocks])
                for name, target in dataset.targets.items()
                if target.field in blocks[0]
            },
        )
