"""Datasets that a user's Python file describes: how the file is run, and how what it describes is prepared."""

from __future__ import annotations

import argparse
import hashlib
import runpy
import traceback
from collections.abc import Callable
from pathlib import Path

from data_prep.arguments import add_shard_options, path
from data_prep.datasets.folder.snippet import config_snippet
from data_prep.errors import DataPrepError
from data_prep.shards.prepare import prepare
from data_prep.shards.repeat import FinishedError
from data_prep.shards.summary import described
from data_prep.shards.task import Source

VARIABLE = "dataset"


def add_arguments(parser: argparse.ArgumentParser, kind: str, begins: str) -> None:
    """Adds the arguments that every description has.

    Args:
      parser: the parser of the command.
      kind: class of the description.
      begins: what is looked for in the raw folder, with its verb.
    """
    parser.add_argument("--spec", type=Path, required=True, help=f"Python file that sets {VARIABLE} = {kind}(…)")
    parser.add_argument("--raw_dir", type=path, help=f"folder in which {begins} (default: that of --spec)")
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the shards")
    add_shard_options(parser)


def prepare_described(
    options: argparse.Namespace,
    source: Source,
    description: object,
    snippet: Callable[[Path], str] = config_snippet,
) -> None:
    """Prepares what a Python file describes; tells what became of it, and prints a config to start from.

    Args:
      options: those of `add_arguments`.
      source: what is prepared.
      description: what the Python file describes.
      snippet: folder of shards → the config.

    Raises:
      DataPrepError: as `prepare` does; names the Python file.
    """
    try:
        summaries = prepare(
            source,
            options.raw_dir or options.spec.parent,
            options.out_dir,
            num_shards=options.num_shards,
            seed=options.seed,
            processes=options.processes,
            strict=options.strict,
            accept=options.accept,
            beam_options=options.beam_options,
            # Shards of an earlier description are not gone on with.
            options={"description": hashlib.sha256(repr(description).encode()).hexdigest()},
        )
    except FinishedError:
        print(snippet(options.out_dir))
        raise
    except DataPrepError as error:
        raise DataPrepError(f"{options.spec}: {error}") from error
    print(described(summaries, source.contract, options.out_dir))
    print(snippet(options.out_dir))


def run_spec(spec: Path, variable: str = VARIABLE) -> object:
    """Returns what a Python file sets a variable to, None where it does not.

    Raises:
      DataPrepError: the file cannot be run; names file and line.
    """
    if spec.is_dir():
        raise DataPrepError(f"{spec}: expected a Python file, found a folder")
    try:
        return runpy.run_path(str(spec)).get(variable)
    except OSError as error:
        raise DataPrepError(f"{spec} cannot be read ({error})") from error
    except SyntaxError as error:
        raise DataPrepError(f"{spec}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(spec)]
        raise DataPrepError(f"{spec}, line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}") from error
