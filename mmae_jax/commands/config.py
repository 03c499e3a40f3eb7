"""Prints the resolved experiment of a config file: one line a field, `*` where it is not the default."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable, Iterator

from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import add_config
from mmae_jax.config import to_plain
from mmae_jax.exit_codes import UsageError
from mmae_jax.fields import REQUIRED, Field, walk


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("file", nargs="?", metavar="FILE[:ARGUMENT]", help="config file")
    add_config(parser, help="the same, as other commands have it")
    parser.add_argument("--json", action="store_true", help="print values only, as JSON")


def run(options: argparse.Namespace) -> None:
    """Prints the experiment."""
    if (options.file is None) == (options.config is None):
        raise UsageError("expected one config file: python -m mmae_jax config FILE")
    experiment = load_experiment(options.file or options.config, options.overrides)
    if options.json:
        print(json.dumps(to_plain(experiment), indent=2))
    else:
        print("\n".join(lines(walk(experiment))))


def lines(fields: Iterable[Field]) -> Iterator[str]:
    """Yields a line for each field: `*` or a blank, name, value, meaning, unit, default; blank lines between groups."""
    contract_last = sorted(fields, key=lambda field: field.name.startswith("dataset."))
    for _, group in itertools.groupby(contract_last, _group):
        members = list(group)
        width = max(len(field.name) for field in members)
        yield from (_line(field, width) for field in members)
        yield ""


def _group(field: Field) -> str:
    return field.name.rpartition(".")[0]


def _line(field: Field, width: int) -> str:
    meaning, mark = field.meaning, "*" if field.differs else " "
    unit = f" [{meaning.unit}]" if meaning.unit else ""
    default = "required" if meaning.default is REQUIRED else f"default {_text(meaning.default)}"
    return f"{mark} {field.name:{width}}  {_text(field.value):16}  {meaning.text}{unit} ({default})"


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value).replace("'", '"')
