"""The sensor contract on disk: `sensor_contract.json` beside the shards (docs/method.md §9)."""

from __future__ import annotations

import json

from etils import epath

from mmae_jax.config import from_plain, to_plain
from mmae_jax.formats import VERSION_KEY, format_version, read_json
from mmae_jax.spec import Dataset, SpecError

CONTRACT_FILE = "sensor_contract.json"
FORMAT_VERSION = 1


class ContractError(SpecError):
    """Data and model disagree about a sensor, or the data carry no contract."""


def write_contract(dataset: Dataset, directory: epath.PathLike) -> None:
    """Writes `dataset` as JSON beside the shards in `directory`."""
    plain = {VERSION_KEY: FORMAT_VERSION} | to_plain(dataset)
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    (epath.Path(directory) / CONTRACT_FILE).write_text(text + "\n", encoding="utf-8")


def read_contract(directory: epath.PathLike) -> Dataset:
    """Returns the contract of the shards in `directory`.

    Raises:
      ContractError: there is none, it is of a newer version, or a field is absent, unknown or of another type.
    """
    path = epath.Path(directory) / CONTRACT_FILE
    if not path.exists():
        raise ContractError(
            f"{path}: not found; shards without a sensor contract are refused, write them with `python -m data_prep`"
        )
    plain = read_json(path, ContractError)
    version = format_version(plain, FORMAT_VERSION, path, ContractError)
    try:
        return from_plain(Dataset, {name: value for name, value in plain.items() if name != VERSION_KEY}, "")
    except SpecError as error:
        older = "" if version else "written by an older version, prepare the data again with `python -m data_prep`: "
        raise ContractError(f"{path}: {older}{error}") from error
