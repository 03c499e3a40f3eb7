"""Whether weights mean what an experiment takes them for: they fit its model by shape long before they fit its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmae_jax.config import to_plain
from mmae_jax.contract import ContractError, check_allow, differences, refused, warn_once
from mmae_jax.spec import NEW, Experiment, Input, Transfer

MODALITY = ("unit", "scale", "offset", "decibel", "ground_sample_distance", "date_convention")
"""What of a sensor weights have learnt; how its numbers are stored and where they were is nothing to them."""
INPUT = ("norm_fac", "log_scale", "rescale_elev")
OF_BANDS = ("mean", "std")
"""What of an input has a number for each band; of the bands that both have, in one order."""
TARGET = ("kind", "classes", "threshold", "pixel_values")
MODEL = ("date_encoding", "architecture", "inter_depth", "encoder")
"""Further fields in which a difference stops."""
INPUT_CIRCUMSTANCES = ("image_size", "num_dates", "norm_bands", "mask_threshold", "name_group")
MODEL_CIRCUMSTANCES = ("fusion", "interpolate", "grid_pos_enc", "foundation")
"""What may differ, and is said: a model can be taken to other crops, dates and resolutions."""


def check_transfer(experiment: Experiment, trained: Experiment, where: object) -> None:
    """Stops where weights of one experiment would mean something else in another; says what else differs.

    Only inputs and targets that both use are compared: the dataset, its other sensors and its tiles may be others. So
    may inputs that start from another one or anew, and heads that are new (`transfer`). Bands and patches are adapted.

    Args:
      experiment: what the weights are to start.
      trained: what they were trained in.
      where: the folder or file they are read from.

    Raises:
      ContractError: names every field, besides those in `data.allow`, with both values.
    """
    allow = experiment.data.allow
    check_allow(allow)
    transfer = experiment.transfer
    inputs = {
        name: experiment.modality_name(name)
        for name in experiment.inputs
        if name in trained.inputs and transfer.inputs.get(name, name) == name
    }
    targets = [
        name for name in experiment.targets if name in trained.targets and not _is_new(f"heads.{name}", transfer)
    ]
    bands = {name: _common_bands(experiment.inputs[name], trained.inputs[name]) for name in inputs}
    expected, found = (_meaning(one, inputs, bands, targets) for one in (experiment, trained))
    lines = refused(differences(expected, found), allow, where)
    if lines:
        raise ContractError(
            f"{where}: the weights mean something else than in this experiment; names in data.allow are accepted\n  "
            + "\n  ".join(lines)
        )
    expected, found = (_circumstances(one, inputs) for one in (experiment, trained))
    for line in differences(expected, found):
        warn_once(f"{where}: weights trained in other circumstances: {line}")


def _is_new(module: str, transfer: Transfer) -> bool:
    return transfer.modules.get(module, transfer.modules.get(module.partition(".")[0])) == NEW


def _common_bands(one: Input, other: Input) -> list[str]:
    return [band for band in one.band_names if band in other.band_names]


def _meaning(
    experiment: Experiment, inputs: Mapping[str, str], bands: Mapping[str, list[str]], targets: Iterable[str]
) -> dict[str, Any]:
    """Returns the fields by which weights mean something.

    Args:
      experiment: an experiment.
      inputs: which of its inputs → under which name to list their sensors.
      bands: input → those of its bands that are compared.
      targets: which of its targets.
    """
    of_bands = {name: _numbers_of(experiment.inputs[name], bands[name]) for name in inputs}
    return {
        "modalities": {listed: _fields(experiment.modality(name), MODALITY) for name, listed in inputs.items()},
        "inputs": {name: _fields(experiment.inputs[name], INPUT) | of_bands[name] for name in inputs},
        "targets": {name: _fields(experiment.dataset.targets[name], TARGET) for name in targets},
        "model": _fields(experiment.model, MODEL),
    }


def _numbers_of(model_input: Input, bands: Iterable[str]) -> dict[str, Any]:
    places = [model_input.band_names.index(band) for band in bands]
    numbers = {field: getattr(model_input, field) for field in OF_BANDS}
    return {field: None if found is None else [found[place] for place in places] for field, found in numbers.items()}


def _circumstances(experiment: Experiment, inputs: Iterable[str]) -> dict[str, Any]:
    return {
        "inputs": {name: _fields(experiment.inputs[name], INPUT_CIRCUMSTANCES) for name in inputs},
        "model": _fields(experiment.model, MODEL_CIRCUMSTANCES),
    }


def _fields(part: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: to_plain(getattr(part, name)) for name in names}
