"""A config to start from, for shards of a folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmae_jax import tasks
from mmae_jax.contract import read_contract
from mmae_jax.data.dates import missing_values
from mmae_jax.data.records import Records
from mmae_jax.data.shards import shard_files
from mmae_jax.spec import Dataset, Modality

LOOKED_AT = 32
LARGEST_GRID = 16
MOST_DATES = 16


def config_snippet(directory: Path) -> str:
    """Returns Python lines to put in place of dataset, inputs and targets of a config of `configs/`.

    Patches make a grid of at most 16 × 16; `num_dates` is what every looked-at tile has, at most 16; `norm_fac` is near
    the 98th percentile of the values; finetuning chooses an epoch by a score of the first target.
    """
    dataset = read_contract(directory)
    inputs = [_input(name, modality, directory, dataset) for name, modality in dataset.modalities.items()]
    learnt = [f"config.targets = {tuple(dataset.targets)!r}"]
    if dataset.targets:
        name, target = next(iter(dataset.targets.items()))
        learnt.append(f'config.finetune.monitor = "{name}/{tasks.of(target).monitors[-1]}"')
    else:
        learnt.append('config.phases = ("pretrain",)')
    return "\n".join(
        [
            "# to put in a config, e.g. a copy of configs/treesatai_ts.py:",
            f'config.dataset = to_plain(read_contract("{directory}"))  # of mmae_jax.contract',
            f'config.data.dir = "{directory}"',
            "config.inputs = dict(",
            *(f"    {line}," for line in inputs),
            ")",
            *learnt,
            f'config.model.update(ref_input="{_reference(dataset)}")',
        ]
    )


def _reference(dataset: Dataset) -> str:
    """Returns the finest modality whose grid divides all rasters of targets; the finest where none does."""
    finest_first = sorted(dataset.modalities, key=lambda name: dataset.modalities[name].ground_sample_distance)
    sizes = [target.size for target in dataset.targets.values() if target.size is not None]
    fitting = (
        name
        for name in finest_first
        if not any(size % (dataset.modalities[name].size // _patch(dataset.modalities[name])) for size in sizes)
    )
    return next(fitting, finest_first[0])


def _patch(modality: Modality) -> int:
    return next(size for size in _divisors(modality.size) if modality.size // size <= LARGEST_GRID)


def _input(name: str, modality: Modality, directory: Path, dataset: Dataset) -> str:
    dates, norm_fac = _looked_at(name, modality, directory, dataset)
    fields: dict[str, Any] = {
        "bands": [list(modality.bands)],
        "image_size": modality.size,
        "patch_size": _patch(modality),
        "num_dates": min(dates, MOST_DATES),
        "norm_fac": norm_fac,
    }
    return f"{name}=dict({', '.join(f'{field}={value!r}' for field, value in fields.items())})"


def _divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]


def _looked_at(name: str, modality: Modality, directory: Path, dataset: Dataset) -> tuple[int, float]:
    """Returns the fewest dates of some records that have any, and the `norm_fac` that their values suggest."""
    records = Records(
        str(directory),
        shard_files(directory)["train"],
        dataset,
        {"name": True, name: {"pixels": True, "dates": True}},
    )
    chosen = np.unique(np.linspace(0, len(records) - 1, LOOKED_AT).round().astype(int))
    series = [pixels for index in chosen if len(pixels := records[int(index)][name]["pixels"])]
    return min(map(len, series), default=1), proposed_norm_fac(series, modality.nodata)


def proposed_norm_fac(series: Sequence[np.ndarray], nodata: float | None) -> float:
    """Returns a round number near the largest values of some series; 1 where they have none.

    Missing pixels (nodata, NaN, infinity) have no value.
    """
    largest = 0.0
    for pixels in series:
        missing = missing_values(pixels, nodata)
        values = np.abs((pixels if missing is None else pixels[~missing]).astype(np.float64))
        if values.size:
            largest = max(largest, float(np.percentile(values, 98)))
    if not largest:
        return 1.0
    digit = 10.0 ** math.floor(math.log10(largest))
    return round(largest / digit) * digit
