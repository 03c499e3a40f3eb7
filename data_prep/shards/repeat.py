"""A preparation that is repeated after it was finished: nothing is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.errors import DataPrepError
from data_prep.shards.manifest import read_manifest, sha256
from data_prep.shards.task import ShardTask
from mmae_jax.contract import read_contract
from mmae_jax.exit_codes import DONE, Ending
from mmae_jax.formats import MANIFEST_FILE
from mmae_jax.spec import SpecError


class FinishedError(Ending):
    """The same command has finished before; the message says so."""

    exit_code = DONE


def check_not_finished(
    out_dir: Path, tasks: Sequence[ShardTask], tiles: str, settings: Mapping[str, Any], described: Mapping[str, Path]
) -> None:
    """Raises a `FinishedError` if `out_dir` holds what the tasks would write.

    Args:
      out_dir: the folder to make.
      tasks: the shards to write.
      tiles, settings: as in the manifest.
      described: name → raw file that lists or describes tiles.
    """
    if not (out_dir / MANIFEST_FILE).exists():
        return
    try:
        manifest = read_manifest(out_dir)
        contract = read_contract(out_dir)
    except (SpecError, DataPrepError):
        return  # something else is there
    same = (
        contract == tasks[0].source.contract
        and dict(manifest.settings) == dict(settings)
        and set(manifest.shards) == {task.file_name for task in tasks}
        and manifest.tiles == tiles
        and dict(manifest.sources) == {name: sha256(path) for name, path in described.items()}
    )
    if same:
        raise FinishedError(f"{out_dir}: was finished before, nothing is left to do; delete it to prepare anew")
