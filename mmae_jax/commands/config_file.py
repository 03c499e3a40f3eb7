"""Reading config files: Python with a function `get_config`, and fields overridden by name."""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmae_jax.commands.overrides import Override, overridden
from mmae_jax.config import experiment_from_config
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import Experiment


def load_experiment(source: str, overrides: Sequence[Override] = ()) -> Experiment:
    """Returns the checked experiment of a config file; arguments as of `load_fields`.

    Raises:
      UsageError: as `load_fields`.
      SpecError: the fields contradict each other.
    """
    return experiment_from_config(load_fields(source, overrides))


def load_fields(source: str, overrides: Sequence[Override] = ()) -> dict[str, Any]:
    """Returns the fields that a config file sets, as JSON types.

    Args:
      source: `FILE` or `FILE:ARGUMENT`.
      overrides: fields that are set otherwise.

    Raises:
      UsageError: there is no such file, argument or field, it is no Python, or a value is of another type.
    """
    file, _, argument = source.partition(":")
    if not Path(file).is_file():
        raise UsageError(f"--config: expected a config file, found none at {file!r}")
    get_config = _run(file).get("get_config")
    if get_config is None:
        raise UsageError(f"--config: expected a function get_config in {file}, found none")
    try:
        config = get_config(argument) if argument else get_config()
    except ValueError as error:
        raise UsageError(str(error)) from error
    return overridden(config, overrides)


def _run(file: str) -> dict[str, Any]:
    """Returns what a Python file defines; what is wrong in it is the user's to mend, line by line."""
    try:
        return runpy.run_path(file)
    except SyntaxError as error:
        raise UsageError(f"--config: expected Python, found {file}, line {error.lineno}: {error.msg}") from error
