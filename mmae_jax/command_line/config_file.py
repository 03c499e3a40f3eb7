"""Reading config files: Python with a function `get_config`, and fields overridden by name."""

from __future__ import annotations

import contextlib
import runpy
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmae_jax.command_line.overrides import Override, overridden
from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import shown


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
    with naming_lines(file):
        get_config = runpy.run_path(file).get("get_config")
        if get_config is None:
            raise UsageError(f"--config: expected a function get_config in {file}, found none")
        config = get_config(argument) if argument else get_config()
        plain = to_plain(config)
    if not isinstance(plain, dict):
        raise UsageError(f"--config: expected fields from get_config in {file}, found {shown(plain)}")
    return overridden(plain, overrides)


@contextlib.contextmanager
def naming_lines(file: str, what: str = "--config") -> Iterator[None]:
    """Names the line of a Python file whose code raises: it is the user's to mend.

    Args:
      file: the file.
      what: by which it is given.

    Raises:
      UsageError: with the line; a `ValueError` of an argument, which says all, keeps its message.
    """
    try:
        yield
    except SpecError:
        raise
    except SyntaxError as error:
        raise UsageError(f"{what}: expected Python, found {file}, line {error.lineno}: {error.msg}") from error
    except Exception as error:
        if isinstance(error, ValueError) and Path(file).name in str(error):
            raise UsageError(str(error)) from error
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f"{file}, line {lines[-1]}" if lines else file
        said = shown(str(error)).strip("'\"")
        raise UsageError(f"{what}: {where}: {type(error).__name__}: {said}") from error
