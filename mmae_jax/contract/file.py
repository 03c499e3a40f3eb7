"""The sensor contract on disk: `sensor_contract.json` beside the shards (SPEC §9)."""

from __future__ import annotations

import json

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
