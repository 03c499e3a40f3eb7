"""Command lines: mistakes are one line, and fields of an experiment are overridden by name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from mmae_jax.command_line.overrides import Override
from mmae_jax.exit_codes import UsageError, meant

FIELDS = (
    "`python -m mmae_jax config FILE` prints every field of an experiment with its value, meaning, unit and default; "
    "--config.FIELD=VALUE overrides it, e.g. --config.pretrain.epochs=10."
)
OVERRIDE = re.compile(r"--?(?P<no>no)?config\.(?P<field>[^=]+)(=(?P<value>.*))?", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are a `UsageError`, with the option that was probably meant."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        defaults: dict[str, Any] = {"allow_abbrev": False, "epilog": FIELDS}
        super().__init__(*arguments, **defaults | options)

    def error(self, message: str) -> NoReturn:
        """Raises the mistake.

        Raises:
          UsageError: always.
        """
        raise UsageError(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns options and no others, as arguments that nobody knows are a mistake.

        Raises:
          UsageError: an argument is unknown.
        """
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown[0].partition('=')[0])}")
        return options, unknown

    def _meant(self, name: str) -> str:
        known = re.findall(r"--\w+", self.format_help())
        return meant(name, known)


def add_config(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Adds `--config=FILE`; the fields that the command line overrides are `options.overrides` of type `Override`."""
    text = "experiment; --config.FIELD=VALUE overrides a field"
    parser.add_argument("--config", metavar="FILE[:ARGUMENT]", **{"help": text} | options)
    parser.set_defaults(overrides=())


def add_workdir(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds `--workdir=DIR`, the folder of a run, as `options.workdir` of type `str`."""
    parser.add_argument("--workdir", type=_folder, required=True, help=text)


def _folder(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a folder, found nothing")
    return text


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options in `arguments`.

    Raises:
      UsageError: something is unknown, missing or of another type.
    """
    overrides, others = split_overrides(arguments)
    options = parser.parse_args(others)
    if overrides and not hasattr(options, "overrides"):
        parser.error(f"unrecognized arguments: --config.{overrides[0].field}")
    if overrides:
        options.overrides = overrides
    return options


def split_overrides(arguments: Sequence[str]) -> tuple[tuple[Override, ...], list[str]]:
    """Returns the overrides of fields among the arguments, and the others.

    `--config.ema` and `--noconfig.ema` are true and false; any other value follows `=` or is the next argument. What
    stands behind `--` is for another command.
    """
    overrides: list[Override] = []
    others: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return tuple(overrides), [*others, argument, *rest]
        match = OVERRIDE.fullmatch(argument)
        if match is None:
            others.append(argument)
            continue
        value = match["value"]
        if match["no"]:
            value = "false"
        elif value is None:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        overrides.append(Override(match["field"], value))
    return tuple(overrides), others


def check_at_least(options: argparse.Namespace, name: str, least: int) -> None:
    """Raises a `UsageError` where the option called `name` is below `least`; it may be None."""
    value = getattr(options, name)
    if value is not None and value < least:
        raise UsageError(f"--{name}: expected {least} or more, found {value}")
