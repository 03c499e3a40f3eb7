"""The command line `python -m mmae_jax COMMAND`; a command's module is imported when it is asked for."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from mmae_jax.command_line.errors import exit_code
from mmae_jax.command_line.messages import shorten_tracebacks
from mmae_jax.command_line.parser import FIELDS, Parser, parse
from mmae_jax.command_line.process import put_right
from mmae_jax.exit_codes import DONE, EXIT_CODES, USAGE, UsageError, meant

COMMANDS = {
    "train": "train an experiment: pretraining, probing, finetuning",
    "quickstart": "everything once, on made-up data, in minutes on a laptop",
    "config": "print every field of an experiment: value, default, unit, meaning",
    "export": "write a run's weights with PyTorch names",
    "import": "take over weights of the reference",
    "predict": "map a whole scene with a trained model",
    "embed": "write vectors of tiles or patches, as a table, an array or an image",
    "evaluate": "score a trained model by several protocols, with intervals and controls",
    "sweep": "search over fields of an experiment",
    "claims": "ask whether a claim about models holds, on made-up data or yours",
    "report": "one page of what a run did: curves, scores, reconstructions, maps",
    "bench": "measure speed and size",
    "launch": "train with several processes on this machine",
}
"""Name → what the module `mmae_jax.commands.<name>` does, with its functions `add_arguments` and `run`."""
PROGRAM = "python -m mmae_jax"
GC_THRESHOLD = 100_000
"""New objects until Python looks for cycles among them. JAX makes millions of objects while it traces a step, nearly
all of which stay: Python's 700 took a tenth of the time until the first step."""


def program(*command: str) -> NoReturn:
    """Runs the command line of this process, with `command` before its arguments, and exits."""
    put_right()
    shorten_tracebacks()
    faulthandler.enable()
    # XLA says of a program that compiles for minutes that this is a bug to be filed; what goes wrong is raised, too.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    gc.set_threshold(GC_THRESHOLD)
    sys.exit(main([*command, *sys.argv[1:]]))


def main(arguments: Sequence[str]) -> int:
    """Runs a command line, says on stderr what is wrong with it, and returns the exit code."""
    return exit_code(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int | None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(), file=sys.stdout if arguments else sys.stderr)
        return DONE if arguments else USAGE
    name, *others = arguments
    if name not in COMMANDS:
        raise UsageError(
            f"{PROGRAM} {name}: no such command; expected one of {', '.join(COMMANDS)}{meant(name, COMMANDS)}"
        )
    module = importlib.import_module(f"mmae_jax.commands.{name}")
    parser = Parser(prog=f"{PROGRAM} {name}", description=module.__doc__)
    module.add_arguments(parser)
    options = parse(parser, others)
    # Imported here, so that help and usage errors come without JAX, which takes a second.
    from mmae_jax.hardware import tpu

    tpu.quieten_libtpu()
    code: int | None = module.run(options)
    return code


def _help() -> str:
    commands = [f"  {name:12}{text}" for name, text in COMMANDS.items()]
    codes = [f"  {code:<12}{text}" for code, text in EXIT_CODES.items()]
    head = [f"usage: {PROGRAM} COMMAND …", "", "Commands (COMMAND --help tells the options of each):"]
    return "\n".join([*head, *commands, "", "Exit codes:", *codes, "", FIELDS])
