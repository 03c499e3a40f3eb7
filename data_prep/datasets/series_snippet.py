"""A config to start from, for shards of single pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.datasets.folder.snippet import some_series
from mmae_jax.contract import read_contract
from mmae_jax.data.dates import missing_values
from mmae_jax.spec import Dataset, Modality

LOOKED_AT = 2000
MOST_DATES = 64
ENOUGH = 75
"""Percentile of the places' numbers of dates that is taken: fewer dates are repeated, of more a part is drawn."""

TEMPLATE = """\
# a config to train on it: save these lines as my_config.py, then
#   python -m mmae_jax train --config=my_config.py --workdir=RUN
# --config=my_config.py:runlocal only shows that everything runs
from configs import series
from mmae_jax.contract import read_contract


def get_config(arg=None):
    inputs = dict(
{inputs}
    )
    config = series.experiment(read_contract({directory!r}), inputs, arg)
    config.data.dir = {directory!r}
    return config"""


def config_snippet(directory: Path) -> str:
    """Returns a config file for shards: Python text.

    Bands are standardised by the values of at most `LOOKED_AT` places of the split train: by their logarithms, where
    they are no logarithms already and all are positive.
    """
    dataset = read_contract(directory)
    lines = (f"        {name}=dict({_input(name, dataset, directory)})," for name in dataset.modalities)
    return TEMPLATE.format(directory=str(directory), inputs="\n".join(lines))


def _input(name: str, dataset: Dataset, directory: Path) -> str:
    """Returns the fields of an input."""
    modality = dataset.modalities[name]
    series = some_series(name, directory, dataset, LOOKED_AT)
    dates = round(np.percentile([len(pixels) for pixels in series], ENOUGH)) if series else 1
    fields = [f"num_dates={min(dates, MOST_DATES)}"]
    values = _values(series, modality)
    if not modality.decibel and len(values) and (values > 0).all():
        values = np.log(values)
        fields.append("log_scale=True")
    if len(values):
        deviation = values.std(axis=0)
        fields += [f"mean={_listed(values.mean(axis=0))}", f"std={_listed(np.where(deviation > 0, deviation, 1))}"]
    return ", ".join(fields)


def _values(series: list[np.ndarray], modality: Modality) -> np.ndarray:
    """Returns what was observed, float64 `[N, C]`."""
    if not series:
        return np.zeros((0, len(modality.bands)))
    pixels = np.concatenate(series)
    missing = missing_values(pixels, modality.nodata)
    there = pixels if missing is None else pixels[~missing.any(axis=(1, 2, 3))]
    return there.reshape(len(there), -1).astype(np.float64)


def _listed(numbers: np.ndarray) -> str:
    return f"[{', '.join(f'{number:.4g}' for number in numbers)}]"
