"""Reads the description of a scene: a Python file, YAML, or a STAC item collection."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_prep.datasets.described import run_spec
from data_prep.errors import DataPrepError, naming_errors
from data_prep.scenes.described import stac
from data_prep.scenes.described.description import Scene, checked
from mmae_jax.exit_codes import meant
from mmae_jax.spec import Dataset, SpecError
from mmae_jax.spec.error import choices, shown

VARIABLE = "SCENE"


def load(path: Path, contract: Dataset) -> Scene:
    """Returns the description in a file.

    Raises:
      DataPrepError: the file cannot be read, or says what cannot be right; names file and field.
    """
    try:
        scene = checked(_read(path, contract))
        for name in scene.sensors:
            _check_known("sensors", name, contract.modalities)
        if scene.reference is not None:
            _check_known("reference", scene.reference, scene.sensors)
    except DataPrepError:
        raise
    except SpecError as error:
        raise DataPrepError(f"{path}: {error}") from error
    return scene


def _read(path: Path, contract: Dataset) -> Any:
    if path.is_dir():
        raise DataPrepError(f"{path}: expected a Python file, YAML or a STAC item collection, found a folder")
    if path.suffix in (".json", ".geojson"):
        return {"sensors": stac.sensors_of(path, contract)}
    if path.suffix in (".yaml", ".yml"):
        return _plain(_read_yaml(path))
    found = run_spec(path, VARIABLE)
    if not isinstance(found, Scene):
        raise DataPrepError(
            f"{path}: expected a variable {VARIABLE} that is a data_prep.scenes.Scene, found {shown(found)}"
        )
    return found


def _read_yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DataPrepError(f"{path}: needs PyYAML to be read: pip install 'mmae_jax[predict]'") from error
    with naming_errors(path, DataPrepError):
        return yaml.safe_load(path.read_text(encoding="utf-8"))


def _plain(value: Any, name: str = "") -> Any:
    """Returns what YAML says with dates as text: it takes 2018-07-01 for a date and 20180701 for a number."""
    if isinstance(value, dict):
        return {str(key): _plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, name) for item in value]
    is_date = isinstance(value, datetime.date) or (name in ("date", "dates", "start", "end", "ref_date") and value)
    return str(value) if is_date else value


def _check_known(field: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        raise SpecError(f"{field}: no sensor {shown(name)}; expected some of {choices(names)}{meant(name, names)}")
