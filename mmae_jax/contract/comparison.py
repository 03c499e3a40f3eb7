"""Comparing sensor contracts wherever data meet a model (docs/method.md §9)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import logging
from immutabledict import immutabledict

from mmae_jax.config import to_plain
from mmae_jax.contract.file import ContractError
from mmae_jax.spec import Architecture, Dataset, Experiment, Input, Modality, Model, SpecError, Target
from mmae_jax.spec.error import shown

SHARDS = "shards"
"""Name by which `data.allow` accepts that a run goes on with other shards than it began with."""
VALUES = "values"
"""First part of the names by which `data.allow` accepts findings about values: `values.<input>.<band>`."""


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Returns one line per field in which two plain values differ: dotted name, expected and found value."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = [*expected, *(name for name in found if name not in expected)]
        missing = "nothing"
        lines = []
        for name in names:
            lines += differences(
                expected.get(name, missing), found.get(name, missing), f"{path}.{name}" if path else str(name)
            )
        return lines
    return [] if expected == found else [f"{path}: expected {expected!r}, found {found!r}"]


def check_contract(expected: Dataset, found: Dataset, where: str | Path, allow: Iterable[str] = ()) -> None:
    """Stops where data and model disagree, except in what is accepted knowingly.

    Args:
      expected: what the configuration, checkpoint or export says.
      found: what the data say.
      where: the folder or file `found` was read from.
      allow: dotted names of fields that may differ (`data.allow`), e.g. `modalities.s2.scale`; each that does is logged
        once as a warning.

    Raises:
      ContractError: names every other differing field with both values.
      SpecError: a name in `allow` can be no field of a contract.
    """
    check_allow(allow)
    lines = refused(differences(to_plain(expected), to_plain(found)), allow, where)
    if lines:
        raise ContractError(
            f"{where}: the sensor contract differs from the model's; names in data.allow are accepted\n  "
            + "\n  ".join(lines)
        )


def in_use(dataset: Dataset, experiment: Experiment) -> Dataset:
    """Returns what of a contract an experiment depends on: its sensors, its targets, and how tiles are stored.

    The dataset's name and version, other sensors, colours, and masks that are switched off are taken from `experiment`
    or left out, so that they contradict nothing.
    """
    masked = {
        experiment.modality_name(name)
        for name, model_input in experiment.inputs.items()
        if model_input.mask_threshold < 100
    }
    modalities = {
        name: modality if name in masked else dataclasses.replace(modality, mask_channels=())
        for name, modality in dataset.modalities.items()
        if name in map(experiment.modality_name, experiment.inputs)
    }
    targets = {
        name: dataclasses.replace(target, colours=None)
        for name, target in dataset.targets.items()
        if name in experiment.targets
    }
    return dataclasses.replace(
        dataset,
        name=experiment.dataset.name,
        version=experiment.dataset.version,
        modalities=immutabledict(modalities),
        targets=immutabledict(targets),
    )


def refused(lines: Iterable[str], allow: Iterable[str], where: object, prefix: str = "") -> list[str]:
    """Returns the lines of `differences` whose field is not in `allow`; warns once of each that is.

    Args:
      lines: dotted name, colon, both values.
      allow: dotted names of contract fields.
      where: the folder or file, for the warning.
      prefix: what precedes a contract field's name in `lines`.
    """
    accepted = {prefix + name for name in allow}
    left = []
    for line in lines:
        if line.partition(": ")[0] in accepted:
            warn_once(f"{where}: accepted by data.allow: {line}")
        else:
            left.append(line)
    return left


@functools.lru_cache
def warn_once(message: str) -> None:
    """Logs a warning, the first time it is given."""
    logging.warning("%s", message)


def check_allow(allow: Iterable[str]) -> None:
    """Raises a `SpecError` at a name that can be neither a field that is compared nor a finding about values."""
    inner = {"modalities": Modality, "targets": Target, "inputs": Input}
    for name in allow:
        first, *rest = name.split(".")
        if first == VALUES:
            known = len(rest) == 2
        elif first in inner:
            known = len(rest) == 1 or (len(rest) == 2 and rest[1] in _names(inner[first]))
        elif first == "model":
            known = len(rest) == 1 and rest[0] in _names(Model)
            known |= len(rest) == 2 and rest[0] == "architecture" and rest[1] in _names(Architecture)
        else:
            known = first in {*_names(Dataset), SHARDS} and not rest
        if not known or not all([first, *rest]):
            raise SpecError(
                "data.allow: expected fields that are compared, e.g. 'modalities.s2.scale' or 'inputs.s2.norm_fac', or "
                f"bands, e.g. '{VALUES}.s2.B04', found {shown(name)}"
            )


def _names(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}
