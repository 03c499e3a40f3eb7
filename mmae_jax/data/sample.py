"""From a tile to a sample: crop, dates, augmentation, targets (docs/method.md §2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmae_jax import spec, tasks
from mmae_jax.data import augment, crops, dates
from mmae_jax.data.batch import Batch
from mmae_jax.data.records import Record
from mmae_jax.data.tiles import Tile


@dataclasses.dataclass(frozen=True)
class _Draws:
    """What one sample draws: nothing where `rng` is None."""

    flips: augment.Flips
    rng: np.random.Generator | None
    random_dates: bool


def train_sample(experiment: spec.Experiment, tile: Tile, rng: np.random.Generator) -> Batch:
    """Returns a sample with random crop, dates, flips and transposition."""
    start = crops.random_start(rng, experiment.dataset.size_gcd, experiment.crop_cells)
    flips = augment.draw_flips(rng) if experiment.data.augment else augment.Flips(False, False, False)
    record = tile.read(start, experiment.crop_cells)
    return _sample(experiment, record, _Draws(flips, rng, experiment.data.random_dates))


def eval_sample(experiment: spec.Experiment, tile: Tile, crop: int) -> Batch:
    """Returns fixed crop number `crop` of the tile, without any random draw."""
    start = crops.fixed_start(crop, experiment.data.repeats, experiment.dataset.size_gcd)
    record = tile.read(start, experiment.crop_cells)
    return _sample(experiment, record, _Draws(augment.Flips(False, False, False), None, False))


def _sample(experiment: spec.Experiment, record: Record, draws: _Draws) -> Batch:
    sample = Batch(
        inputs={}, base={}, valid={}, dates={}, ref_date=record["ref_date"], targets={}, weight=np.float32(1)
    )
    for name in experiment.inputs:
        pixels, taken, valid = _modality(experiment, name, record, draws)
        sample["inputs"][name], sample["dates"][name], sample["valid"][name] = pixels, taken, valid
        if (base := record[experiment.modality_name(name)].get("base")) is not None:
            sample["base"][name] = np.float32(base)
    for name in experiment.targets:
        sample["targets"][name] = _target(experiment.dataset.targets[name], record, draws)
    return sample


def _modality(
    experiment: spec.Experiment, name: str, record: Record, draws: _Draws
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pixels `[D, C, h, w]`, dates `[D, 3]` and valid `[D, h, w]` or `[D, 1, 1]` of one input."""
    modality, model_input = experiment.modality(name), experiment.inputs[name]
    stored: Mapping[str, Any] = record[experiment.modality_name(name)]
    num_dates, total = model_input.num_dates, len(stored["pixels"])
    pixels = _select_bands(stored["pixels"], modality.bands, model_input.band_names)
    if total == 0:
        pixels = np.zeros((num_dates, *pixels.shape[1:]), pixels.dtype)
        present = pixels.shape[2:] if modality.pixels_can_be_missing else (1, 1)
        return pixels, np.tile(record["ref_date"], (num_dates, 1)), np.zeros((num_dates, *present), bool)
    selection = dates.select_dates(
        pixels,
        stored["dates"],
        num_dates,
        offset=_offset(total, num_dates, draws.rng),
        missing=dates.missing_values(pixels, modality.nodata),
        masks=stored.get("mask"),
        mask_threshold=model_input.mask_threshold,
        rng=draws.rng if draws.random_dates else None,
    )
    if selection.valid is None:
        valid, taken = np.ones((num_dates, 1, 1), bool), selection.dates
    else:
        observed = np.any(selection.valid, axis=(1, 2), keepdims=True)[..., 0]
        valid = augment.apply_flips(selection.valid, draws.flips)
        taken = np.where(observed, selection.dates, record["ref_date"])
    return augment.apply_flips(selection.pixels, draws.flips), taken, valid


def _offset(total: int, num_dates: int, rng: np.random.Generator | None) -> int:
    if rng is None:
        return dates.evaluation_offset(total, num_dates)
    return int(rng.integers(dates.num_offsets(total, num_dates)))


def _select_bands(pixels: np.ndarray, stored: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """Returns the wanted bands of `pixels` `[T, C, h, w]`, the same array where they are the stored ones."""
    return pixels if stored == wanted else pixels[:, [stored.index(band) for band in wanted]]


def _target(target: spec.Target, record: Record, draws: _Draws) -> np.ndarray:
    """Returns the target in the dtype and shape of its task, `[h, w]` first where each pixel has one."""
    found = tasks.of(target).from_stored(target, np.asarray(record[target.field]))
    return augment.apply_flips(found, draws.flips) if target.is_raster else found
