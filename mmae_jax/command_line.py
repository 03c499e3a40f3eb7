"""Command lines of absl flags whose mistakes are one line that names the flag or field, not a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from absl import flags

from mmae_jax.config import to_plain

USAGE = 2
CONFIG_CHECKS = ("ValueError: ", "mmae_jax.spec.SpecError: ")


def parse_flags(argv: Sequence[str], default_config: str | None = None) -> list[str]:
    """Returns what flags leave of `argv`; for `absl.app.run(main, flags_parser=parse_flags)`.

    Exits with 2 and one message at an unknown flag or config field, a value of another type or an absent config file.

    Args:
      argv: program and arguments.
      default_config: config file where `argv` names none; a default of the flag itself would be read, and its
        overrides checked, before there is someone to report their mistakes.
    """
    source = next((value for name, value in _options(argv) if name == "config"), None)
    if source is None and default_config is not None:
        source = default_config
        argv = [argv[0], f"--config={source}", *argv[1:]]
    if source is not None and not os.path.isfile(source.partition(":")[0]):
        _refuse(f"--config: expected a config file, found none at {source.partition(':')[0]!r}")
    try:
        return flags.FLAGS(list(argv))
    except flags.Error as error:
        _refuse(_flag_problem(str(error)))
    except (AttributeError, KeyError, TypeError):  # how ml_collections says that there is no such field
        problem = _unknown_field(argv, source)
        if problem is None:
            raise
        _refuse(problem)
    raise AssertionError("not reached")


def _refuse(problem: str) -> None:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(USAGE)


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields name and value of what looks like a flag; the value is the next argument where there is no `=`."""
    arguments = argv[1:]
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument.startswith("-"):
            name, equals, value = argument.lstrip("-").partition("=")
            yield name, value if equals else following


def _flag_problem(text: str) -> str:
    """Returns the message of a flag error; a failed check in a config file comes as a traceback: its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for kind in CONFIG_CHECKS:
        if "Traceback" in text and lines[-1].startswith(kind):
            return lines[-1].removeprefix(kind)
    return text if "Traceback" in text else "; ".join(lines)


def _unknown_field(argv: Sequence[str], source: str | None) -> str | None:
    """Returns what to say of the first `--config.` override of a field that is not in the configuration."""
    if source is None:
        return None
    config = to_plain(flags.FLAGS["config"].parser.parse(source))
    for name, _ in _options(argv):
        path = name.split(".")
        if path[0] != "config":
            continue
        at: Any = config
        for depth, part in enumerate(path[1:], start=1):
            known = tuple(at) if isinstance(at, Mapping) else ()
            if part not in known:
                expected = f"one of {', '.join(known)}" if known else f"nothing below {at!r}"
                return f"--{'.'.join(path[: depth + 1])}: no such field; expected {expected}"
            at = at[part]
    return None
