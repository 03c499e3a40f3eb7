"""The sensor contract on disk, and its comparison wherever data meets a model (SPEC §9)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etils import epath

from mmae_jax.config import from_plain, to_plain
from mmae_jax.spec import Dataset, SpecError

CONTRACT_FILE = "sensor_contract.json"


class ContractError(SpecError):
    """Data and model disagree about a sensor, or the data carry no contract."""


def write_contract(dataset: Dataset, directory: epath.PathLike) -> None:
    """Writes `dataset` as JSON beside the shards in `directory`."""
    text = json.dumps(to_plain(dataset), indent=2, ensure_ascii=False)
    (epath.Path(directory) / CONTRACT_FILE).write_text(text + "\n")


def read_contract(directory: epath.PathLike) -> Dataset:
    """Returns the contract of the shards in `directory`.

    Raises:
      ContractError: there is none, or a field is absent, unknown or of another type.
    """
    path = epath.Path(directory) / CONTRACT_FILE
    if not path.exists():
        raise ContractError(
            f"{path}: not found; shards without a sensor contract are refused, write them with `python -m data_prep`"
        )
    try:
        plain = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ContractError(f"{path}: not valid JSON ({error})") from error
    try:
        return from_plain(Dataset, plain, "")
    except SpecError as error:
        raise ContractError(f"{path}: {error}") from error


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


def check_contract(expected: Dataset, found: Dataset, where: str | Path) -> None:
    """Stops where data and model disagree.

    Args:
      expected: what the configuration, checkpoint or export says.
      found: what the data say.
      where: the folder or file `found` was read from.

    Raises:
      ContractError: names every differing field with both values.
    """
    lines = differences(to_plain(expected), to_plain(found))
    if lines:
        raise ContractError(f"{where}: the sensor contract differs from the model's\n  " + "\n  ".join(lines))
