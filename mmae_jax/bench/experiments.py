"""Experiments as benchmarks read them: a config file, fields overridden by name as on the command line of training."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterable
from pathlib import Path

from ml_collections import ConfigDict

from mmae_jax.spec import SpecError

PREFIX = "--config."


def load_config(source: str, overrides: Iterable[str] = ()) -> ConfigDict:
    """Returns the fields of a config file.

    Args:
      source: `FILE` or `FILE:ARGUMENT`.
      overrides: `--config.field=value`, as for training.

    Raises:
      SpecError: there is no such file or field, or a value is of another type.
    """
    file, _, argument = source.partition(":")
    if not Path(file).is_file():
        raise SpecError(f"--config: expected a config file, found none at {file!r}")
    get_config = runpy.run_path(file).get("get_config")
    if get_config is None:
        raise SpecError(f"--config: expected a function get_config in {file}, found none")
    try:
        config: ConfigDict = get_config(argument) if argument else get_config()
    except ValueError as error:
        raise SpecError(str(error)) from error
    for override in overrides:
        _set(config, override)
    return config


def _set(config: ConfigDict, override: str) -> None:
    name, equals, text = override.removeprefix(PREFIX).partition("=")
    if not equals:
        raise SpecError(f"{override}: expected {override}=VALUE")
    path = name.split(".")
    at = config
    for part in path[:-1]:
        at = at[part] if part in at and isinstance(at[part], ConfigDict) else ConfigDict()
    if path[-1] not in at:
        raise SpecError(f"{PREFIX}{name}: no such field")
    try:
        with config.unlocked():
            config.update_from_flattened_dict({name: _value(text)})
    except TypeError as error:
        raise SpecError(f"{PREFIX}{name}: found {text!r}; {error}") from error


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
