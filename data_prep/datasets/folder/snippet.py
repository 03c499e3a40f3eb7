"""A config to start from, for shards of a folder."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmae_jax import tasks
from mmae_jax.contract import read_contract
from mmae_jax.data.dates import missing_values
from mmae_jax.data.records import Records
from mmae_jax.data.shards import shard_files
from mmae_jax.spec import PHASES, Dataset, Modality

LOOKED_AT = 32
LARGEST_GRID = 16
MOST_DATES = 16
BATCH, FEW = 32, 4
EPOCHS = {"pretrain": 100, "probe": 10, "finetune": 50}
BASE_LR = {"pretrain": 3e-5, "probe": 1e-5, "finetune": 1e-5}
"""Those of arXiv 2508.10894."""


TEMPLATE = """\
# a config to train on it: save these lines as my_config.py, then
#   python -m mmae_jax train --config=my_config.py --workdir=RUN
# --config=my_config.py:runlocal is small enough for a laptop
from ml_collections import ConfigDict

from mmae_jax.config import to_plain
from mmae_jax.contract import read_contract


def get_config(arg=None):
    config = ConfigDict()
    config.dataset = to_plain(read_contract({directory!r}))
    config.data = dict(dir={directory!r})
    config.inputs = dict(
{inputs}
    )
    config.targets = {targets!r}
    config.model = dict(architecture="base", ref_input={reference!r})
    config.phases = {phases!r}
{settings}
    if arg == "runlocal":
        config.model.update(architecture="tiny", dtype="float32")
        for phase in config.phases:
            config[phase].update(epochs=2, batch_size={few})
    return config"""


def config_snippet(directory: Path) -> str:
    """Returns a config file for shards: Python text.

    Patches make a grid of at most 16 × 16; `num_dates` is what every looked-at tile has, at most 16; `norm_fac` is near
    the 98th percentile of the values; finetuning chooses an epoch by a score of the first target, where there is a
    split `val`.
    """
    dataset = read_contract(directory)
    files = shard_files(directory)
    tiles = sum(file.take for file in files["train"]) // dataset.blocks**2
    phases = PHASES if dataset.targets else PHASES[:1]
    return TEMPLATE.format(
        directory=str(directory),
        inputs="\n".join(f"        {_input(name, dataset, directory)}," for name in dataset.modalities),
        targets=tuple(dataset.targets),
        reference=_reference(dataset),
        phases=phases,
        settings="\n".join(
            f"    config.{phase} = {_phase(phase, dataset, min(tiles, BATCH), files)}" for phase in phases
        ),
        few=min(tiles, FEW),
    )


def _phase(phase: str, dataset: Dataset, batch_size: int, splits: Collection[str]) -> str:
    fields: dict[str, Any] = {"epochs": EPOCHS[phase], "batch_size": batch_size, "base_lr": BASE_LR[phase]}
    if phase == "pretrain" and "val" in splits:
        fields["train_splits"] = ("train", "val")
    if phase == "finetune":
        fields["final_factor"] = 2.0
    if phase == "finetune" and "val" in splits:
        name, target = next(iter(dataset.targets.items()))
        fields |= {"monitor": f"{name}/{tasks.of(target).monitors[-1]}", "patience": 5}
    return _call(fields)


def _call(fields: Mapping[str, Any]) -> str:
    return f"dict({', '.join(f'{field}={value!r}' for field, value in fields.items())})"


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


def _input(name: str, dataset: Dataset, directory: Path) -> str:
    modality = dataset.modalities[name]
    dates, norm_fac = _looked_at(name, modality, directory, dataset)
    fields: dict[str, Any] = {
        "bands": [list(modality.bands)],
        "image_size": modality.size,
        "patch_size": _patch(modality),
        "num_dates": min(dates, MOST_DATES),
        "norm_fac": norm_fac,
    }
    return f"{name}={_call(fields)}"


def _divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]


def _looked_at(name: str, modality: Modality, directory: Path, dataset: Dataset) -> tuple[int, float]:
    """Returns the fewest dates of some records that have any, and the `norm_fac` that their values suggest."""
    series = some_series(name, directory, dataset, LOOKED_AT)
    return min(map(len, series), default=1), proposed_norm_fac(series, modality.nodata)


def some_series(name: str, directory: Path, dataset: Dataset, most: int) -> list[np.ndarray]:
    """Returns the pixels `[T, C, H, W]` of at most so many records of the split train, of those that have any."""
    records = Records(
        str(directory),
        shard_files(directory)["train"],
        dataset,
        {"name": True, name: {"pixels": True, "dates": True}},
    )
    chosen = np.unique(np.linspace(0, len(records) - 1, most).round().astype(int))
    return [pixels for index in chosen if len(pixels := records[int(index)][name]["pixels"])]


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
