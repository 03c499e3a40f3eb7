"""What metadata cannot tell about values: wrong unit, an empty band, bands in another order (docs/method.md §9).

Three rules, on the values of a batch that are neither missing nor nodata, `base` and `quantum` applied:

- Range: no value lies outside the contract's `value_range`.
- Constant: a band with at least `MIN_VALUES` values has more than one of them.
- Order: two bands look swapped where the contract's `typical_means` differ by `CLEAR` of the larger, and in this batch
  they differ the other way round in `MOST` of the samples, by `MARGIN` of the expected difference in the middle one.
  A sample counts by the middle one of its dates: made-up winters with snow passed for bands B02 and B12 exchanged.
  Clouds, snow, water or bare soil turn the order of some bands in some scenes, not in most of a dataset's tiles with a
  margin; swapped bands turn it in nearly all. With fewer than `MIN_SAMPLES` samples, nothing is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from mmae_jax import spec
from mmae_jax.contract import VALUES, ContractError, warn_once
from mmae_jax.data import dates
from mmae_jax.data.batch import Batch
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import Shards

SAMPLES = 32
MIN_SAMPLES = 8
MIN_VALUES = 16
CLEAR = 0.2
MARGIN = 0.5
MOST = 0.75


def check_first_values(experiment: spec.Experiment, phase: str, shards: Shards) -> None:
    """Stops before the first step where values contradict the contract; as `check_values`, on tiles of all shards."""
    tiles = shards.source(experiment.phase(phase).train_splits)
    chosen = np.unique(np.linspace(0, len(tiles) - 1, SAMPLES).round().astype(int))
    samples = [eval_sample(experiment, tiles[int(index)], 0) for index in chosen]
    check_values(experiment, jax.tree.map(lambda *leaves: np.stack(leaves), *samples), shards.directory)


def check_values(experiment: spec.Experiment, batch: Batch, where: str) -> None:
    """Stops where values of a batch contradict the contract; see the rules above.

    Args:
      experiment: gives contract and bands; findings about bands in `data.allow` are logged as warnings.
      batch: a batch of this host, before it goes to devices.
      where: the folder it comes from, for messages.

    Raises:
      ContractError: names input, band(s), expected and found, and the entry of `data.allow` that accepts each finding.
    """
    refused = []
    for name in experiment.inputs:
        for bands, problem in _findings(experiment, name, batch):
            entries = [f"{VALUES}.{name}.{band}" for band in bands]
            line = f"{name}, band {' and '.join(bands)}: {problem}"
            if set(entries) & set(experiment.data.allow):
                warn_once(f"{where}: accepted by data.allow: {line}")
            else:
                refused.append(f"{line}; to accept it: data.allow=({entries[0]!r},)")
    if refused:
        raise ContractError(f"{where}: values are not what the sensor contract says\n  " + "\n  ".join(refused))


def _findings(experiment: spec.Experiment, name: str, batch: Batch) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields the bands and a description of each contradiction in one input."""
    modality, bands = experiment.modality(name), experiment.inputs[name].band_names
    base = batch["base"].get(name)
    each = [
        _summary(modality, pixels, valid, None if base is None else base[index])
        for index, (pixels, valid) in enumerate(zip(batch["inputs"][name], batch["valid"][name], strict=True))
    ]
    number = np.sum([s.number for s in each], 0)
    low, high = np.min([s.low for s in each], 0), np.max([s.high for s in each], 0)
    for index, band in enumerate(bands):
        found = (low[index], high[index])
        if number[index] >= MIN_VALUES and found[0] == found[1]:
            yield (band,), f"expected values that differ, found {found[0]:g} only"
        elif number[index] and modality.value_range is not None:
            expected = modality.value_range
            if found[0] < expected[0] or found[1] > expected[1]:
                text = f"expected values from {expected[0]:g} to {expected[1]:g}, found {found[0]:g} to {found[1]:g}"
                yield (band,), text
    if modality.typical_means is not None:
        typical = np.array([modality.typical_means[modality.bands.index(band)] for band in bands])
        yield from _swapped(bands, typical, np.array([s.usual for s in each if s.number.all()]))


class _Summary(NamedTuple):
    """Of the present values of each band of one sample, `[C]` each."""

    number: np.ndarray
    low: np.ndarray
    high: np.ndarray
    usual: np.ndarray


def _summary(modality: spec.Modality, pixels: np.ndarray, valid: np.ndarray, base: float | None) -> _Summary:
    """Summarises a sample's `pixels` `[D, C, h, w]` where `valid` `[D, h or 1, w or 1]`."""
    values = pixels.astype(np.float64)
    if modality.quantum is not None and base is not None:
        values = base + modality.quantum * values
    present = np.broadcast_to(valid[:, None], values.shape)
    absent = dates.missing_values(pixels, modality.nodata)
    present = present if absent is None else present & ~absent
    axes, number = (0, 2, 3), present.sum((0, 2, 3))
    return _Summary(
        number,
        values.min(axes, initial=np.inf, where=present),
        values.max(axes, initial=-np.inf, where=present),
        _usual(values, present),
    )


def _usual(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns `[C]`, the median over dates of a date's mean: clouds and snow of some dates change it little."""
    means = np.full(values.shape[:2], np.nan)
    np.divide(values.sum((2, 3), where=present), present.sum((2, 3)), out=means, where=present.any((2, 3)))
    seen = present.any((0, 2, 3))
    usual = np.zeros(values.shape[1])
    usual[seen] = np.nanmedian(means[:, seen], axis=0)
    return usual


def _swapped(bands: tuple[str, ...], typical: np.ndarray, means: np.ndarray) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields the two bands that look swapped, if any: of the pairs in turned order, the one that explains most.

    Args:
      bands: C names.
      typical: `[C]`, mean of each band over the dataset.
      means: `[B, C]`, usual value of each band of each sample that has all of them.
    """
    if len(means) < MIN_SAMPLES:
        return
    turned = _turned(typical, means)
    if turned:
        pair = min(turned, key=lambda pair: sum(_turned(typical, _swap(means, pair)).values()))
        names, overall = tuple(bands[index] for index in pair), means.mean(axis=0)
        expected, found = (_numbers(values[list(pair)]) for values in (typical, overall))
        yield names, f"expected means near {expected}, found {found}; are they swapped?"


def _turned(typical: np.ndarray, means: np.ndarray) -> dict[tuple[int, int], float]:
    """Returns the pairs of bands whose means `[B, C]` are in another order than the typical ones, and by how much."""
    turned = {}
    for first, second in itertools.combinations(range(len(typical)), 2):
        expected = typical[second] - typical[first]
        if abs(expected) < CLEAR * np.abs(typical[[first, second]]).max() or expected == 0:
            continue
        found = (means[:, second] - means[:, first]) / expected
        if (found < 0).mean() >= MOST and np.median(found) <= -MARGIN:
            turned[first, second] = float(-np.median(found) * abs(expected))
    return turned


def _swap(means: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    swapped = means.copy()
    swapped[:, pair] = means[:, pair[::-1]]
    return swapped


def _numbers(values: np.ndarray) -> str:
    return " and ".join(f"{value:.4g}" for value in values)
