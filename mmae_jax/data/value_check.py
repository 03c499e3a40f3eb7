"""What metadata cannot tell about values: wrong unit, an empty band, bands in another order (SPEC §9).

Three rules, on the values of a batch that are neither missing nor nodata, `base` and `quantum` applied:

- Range: no value lies outside the contract's `value_range`.
- Constant: a band with at least `MIN_VALUES` values has more than one of them.
- Order: two bands look swapped where the contract's `typical_means` differ by `CLEAR` of the larger, and in this batch
  they differ the other way round in `MOST` of the samples, by `MARGIN` of the expected difference in the middle one.
  Clouds, snow, water or bare soil turn the order of some bands in some scenes, not in most of a dataset's tiles with a
  margin; swapped bands turn it in nearly all. With fewer than `MIN_SAMPLES` samples, nothing is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import jax
import numpy as np

from mmae_jax import spec
from mmae_jax.contract import VALUES, ContractError, warn_once
from mmae_jax.data import dates
from mmae_jax.data.batch import Batch
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import Shards

SAMPLES = 32
MIN_SAMPLES = 4
MIN_VALUES = 16
CLEAR = 0.15
MARGIN = 0.25
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
      batch: of the host, before it goes to devices.
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
    values = np.ma.masked_invalid(batch["inputs"][name].astype(np.float64))
    values[~np.broadcast_to(batch["valid"][name][:, :, None], values.shape)] = np.ma.masked
    absent = dates.missing_values(batch["inputs"][name], modality.nodata)
    if absent is not None:
        values[absent] = np.ma.masked
    if modality.quantum is not None:
        values = batch["base"][name][:, None, None, None, None] + modality.quantum * values
    for index, band in enumerate(bands):
        found = values[:, :, index].compressed()
        if found.size >= MIN_VALUES and found.min() == found.max():
            yield (band,), f"expected values that differ, found {found[0]:g} only"
        elif found.size and modality.value_range is not None:
            low, high = modality.value_range
            if found.min() < low or found.max() > high:
                yield (band,), f"expected values from {low:g} to {high:g}, found {found.min():g} to {found.max():g}"
    if modality.typical_means is not None:
        typical = np.array([modality.typical_means[modality.bands.index(band)] for band in bands])
        yield from _swapped(bands, typical, values.mean(axis=(1, 3, 4)))


def _swapped(
    bands: tuple[str, ...], typical: np.ndarray, means: np.ma.MaskedArray
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yields the two bands that look swapped, if any: of the pairs in turned order, the one that explains most.

    Args:
      bands: C names.
      typical: `[C]`, mean of each band over the dataset.
      means: `[B, C]`, mean of each band of each sample.
    """
    complete = means[~np.ma.getmaskarray(means).any(axis=1)].filled()
    if len(complete) < MIN_SAMPLES:
        return
    turned = _turned(typical, complete)
    if turned:
        pair = min(turned, key=lambda pair: sum(_turned(typical, _swap(complete, pair)).values()))
        names, overall = tuple(bands[index] for index in pair), complete.mean(axis=0)
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
