"""From shards to what is shown of some tiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from mmae_jax import spec, tasks
from mmae_jax.contract import read_contract
from mmae_jax.data.dates import missing_values
from mmae_jax.data.records import DataError, Record, Records
from mmae_jax.data.shards import shard_files
from mmae_jax.data.tiles import Tiles
from mmae_jax.report.display import calendar, display_bands, limits, to_image
from mmae_jax.report.maps import class_map, counted, number_map, shrunk

DATES = 3
"""Dates of a series that are shown."""
STRIPS = 24
"""Dates of a series of single pixels, which is one picture: each is a strip, from left to right."""
COVERED = 50
"""A pixel is masked where a mask channel exceeds this [%]."""
LARGEST = 96
"""Pixels of a picture's side."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """One image of a sensor.

    Attributes:
      day: when it was taken.
      pixels: float `[C, h, w]` of the bands that are shown, NaN where there are no data.
      valid: share of the pixels that there are.
      masked: share of the pixels that a mask, such as that of clouds, covers by more than half.
    """

    day: str
    pixels: np.ndarray
    valid: float
    masked: float

    @property
    def said(self) -> str:
        """The day, and what of the pixels is not to be used."""
        absent = "" if self.valid == 1 else f", {100 * self.valid:.0f} % valid"
        return f"{self.day}{absent}" + (f", {100 * self.masked:.0f} % masked" if self.masked else "")


@dataclasses.dataclass(frozen=True)
class Card:
    """What is shown of one tile.

    Attributes:
      name: of the tile.
      split: its split.
      series: modality → its images, `DATES` at most; empty where the tile lacks it.
      period: modality → number of dates, and the first and the last one.
      labels: target of the tile → what it is.
      rasters: target of pixels → its stored values `[h, w]`.
    """

    name: str
    split: str
    series: dict[str, list[Shown]]
    period: dict[str, str]
    labels: dict[str, str]
    rasters: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Tiles of shards.

    Attributes:
      dataset: the contract.
      cards: one a tile.
    """

    dataset: spec.Dataset
    cards: list[Card]

    def columns(self, name: str) -> int:
        """Returns how many images of a modality stand side by side."""
        return max(1, *(len(card.series[name]) for card in self.cards))

    def images(self, name: str) -> dict[int, list[np.ndarray]]:
        """Returns card → images of a modality, float `[h, w, 3]`, NaN without data; of all cards stretched alike."""
        shown = [one.pixels for card in self.cards for one in card.series[name]]
        if not shown:
            return {}
        stacked = np.stack(shown)
        drawn = iter(to_image(stacked, limits(stacked)))
        return {index: [next(drawn) for _ in card.series[name]] for index, card in enumerate(self.cards)}

    def maps(self, name: str) -> dict[int, np.ndarray]:
        """Returns card → map of a target of pixels, float `[h, w, 3]`."""
        target = self.dataset.targets[name]
        rasters = {index: card.rasters[name] for index, card in enumerate(self.cards)}
        there = {index: counted(target, raster) for index, raster in rasters.items()}
        if target.classes:
            return {index: class_map(target, raster, there[index]) for index, raster in rasters.items()}
        known = np.concatenate([raster[there[index]].astype(np.float64) for index, raster in rasters.items()])
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
        return {index: number_map(raster, there[index], low, high) for index, raster in rasters.items()}

    def classes(self, name: str) -> np.ndarray:
        """Returns the classes of a target of pixels that occur, as indices."""
        target = self.dataset.targets[name]
        found = [card.rasters[name][counted(target, card.rasters[name])] for card in self.cards]
        return np.unique(np.concatenate(found)).astype(int)


def read_sheet(directory: Path, splits: Sequence[str], number: int) -> Sheet:
    """Reads tiles from evenly spread places of some splits.

    Args:
      directory: folder of shards.
      splits: all by default.
      number: tiles, of all splits together; at least one of each.

    Raises:
      SpecError: they are no shards, or damaged.
      DataError: there is no such split, or none holds a tile.
    """
    dataset, files = read_contract(directory), shard_files(directory)
    if unknown := [split for split in splits if split not in files]:
        raise DataError(f"--split: {directory} has no split {unknown[0]!r}; found {', '.join(files) or 'none'}")
    chosen = splits or list(files)
    totals = {split: sum(file.take for file in files[split]) // dataset.blocks**2 for split in chosen}
    if not sum(totals.values()):
        raise DataError(f"{directory}: no tiles in {', '.join(chosen) or 'any split'}")
    fields = {name: _leaves(feature) for name, feature in tfds.builder_from_directory(directory).info.features.items()}
    cards, wanted = [], _spread(totals, number)
    with tqdm(unit="tile", total=sum(wanted.values()), leave=False, delay=2) as bar:
        for split, total in totals.items():
            tiles = Tiles(Records(str(directory), files[split], dataset, fields), dataset)
            for index in np.linspace(0, total - 1, wanted[split]).round().astype(int):
                cards.append(_card(dataset, split, tiles[int(index)].read((0, 0), dataset.size_gcd)))
                bar.update()
    return Sheet(dataset, cards)


def _spread(totals: dict[str, int], number: int) -> dict[str, int]:
    """Returns how many tiles of each split are taken: as many as its share, and the largest split what remains."""
    every = sum(totals.values())
    wanted = {split: min(total, max(1, number * total // every)) for split, total in totals.items()}
    largest = max(totals, key=lambda split: totals[split])
    wanted[largest] += max(0, min(number, every) - sum(wanted.values()))
    return {split: min(totals[split], taken) for split, taken in wanted.items()}


def _leaves(feature: Any) -> Any:
    return dict.fromkeys(feature, True) if isinstance(feature, tfds.features.FeaturesDict) else True


def _card(dataset: spec.Dataset, split: str, record: Record) -> Card:
    name = record["name"]
    found = {name: list(_images(modality, record[name])) for name, modality in dataset.modalities.items()}
    targets = {name: target for name, target in dataset.targets.items() if target.field in record}
    return Card(
        name.decode() if isinstance(name, bytes) else name,
        split,
        found,
        {name: _period(record[name]["dates"]) for name in dataset.modalities},
        {name: _label(target, record) for name, target in targets.items() if not target.is_raster},
        {name: shrunk(np.asarray(record[t.field])) for name, t in targets.items() if t.is_raster},
    )


def _period(dates: np.ndarray) -> str:
    if not len(dates):
        return "none"
    days = np.sort(calendar(dates))
    return f"{days[0]}" if len(days) == 1 else f"{len(days)} dates, {days[0]} – {days[-1]}"


def _images(modality: spec.Modality, stored: dict[str, np.ndarray]) -> Iterator[Shown]:
    """Yields some images, evenly spread over the dates of which most pixels are there and none are masked."""
    pixels, total = stored["pixels"], len(stored["pixels"])
    missing = missing_values(pixels, modality.nodata)
    nowhere = np.zeros((total, 1, *pixels.shape[2:]), bool)
    absent = np.any(nowhere if missing is None else missing, axis=1)
    covered = np.any(stored["mask"] > COVERED if "mask" in stored else nowhere, axis=1)
    valid, masked = (part.mean(axis=(1, 2)) for part in (~absent, covered))
    usual = np.flatnonzero((valid > 0.5) & (masked == 0))
    usual = usual if len(usual) else np.arange(total)
    if modality.size == 1 and len(usual):
        yield _strips(stored, usual[np.linspace(0, len(usual) - 1, STRIPS).round().astype(int)], modality, valid)
        return
    chosen = usual[np.unique(np.linspace(0, len(usual) - 1, min(DATES, len(usual))).round().astype(int))]
    every = -(-pixels.shape[-1] // LARGEST)
    bands = display_bands(modality.bands)
    for date in chosen:
        values = pixels[date][list(bands), ::every, ::every].astype(np.float32)
        if modality.quantum is not None:
            values = stored["base"] + modality.quantum * values
        where = absent[date, ::every, ::every]
        yield Shown(
            str(calendar(stored["dates"][date])),
            np.where(where, np.nan, values),
            float(valid[date]),
            float(masked[date]),
        )


def _strips(stored: dict[str, np.ndarray], chosen: np.ndarray, modality: spec.Modality, valid: np.ndarray) -> Shown:
    """Returns a series of single pixels as one image, of which each column is a date."""
    values = stored["pixels"][chosen][:, list(display_bands(modality.bands)), 0, 0].astype(np.float32)
    columns = np.where(valid[chosen] > 0, values.T, np.nan)
    said = str(calendar(stored["dates"][chosen[0]])) if chosen[0] == chosen[-1] else "from first to last"
    return Shown(said, np.repeat(columns[:, None], STRIPS, axis=1), float(valid.mean()), 0.0)


def _label(target: spec.Target, record: Record) -> str:
    """Returns what a target of the tile is, in words."""
    found = np.asarray(tasks.of(target).from_stored(target, np.asarray(record[target.field])))
    if not target.classes:
        known = np.isfinite(found) and found not in target.excluded
        return f"{float(found):.4g}" if known else "not known"
    if target.kind == "classif":
        known = 0 <= found < target.num_classes and found not in target.excluded
        return target.classes[int(found)] if known else "not known"
    if np.isin(found, target.excluded).any():
        return "not known"
    return ", ".join(name for name, there in zip(target.classes, found, strict=True) if there == 1) or "none"
