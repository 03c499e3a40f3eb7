"""Measures speed and size: `python -m mmae_jax bench train --config=configs/treesatai_ts.py`."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from mmae_jax.command_line.parser import Parser

BENCHES = {
    "train": ("train.command", "the training step on the devices at hand"),
    "loop": ("loop", "the training loop from shards to checkpoints: what limits it"),
    "attention": ("attention", "attention kernels at the shapes of configs: exact, and how fast"),
    "compile": ("compile.command", "the training step, compiled for devices that are not there"),
    "suite": ("suite.command", "all that is to be measured on an accelerator, in order of importance"),
    "report": ("speed_page.command", "what benches found, as one page"),
    "data": ("data", "the input pipeline of a folder of shards"),
    "checkpoint": ("checkpoint", "checkpoints, and how long training stands still for them"),
    "preparation": ("preparation", "preparing raw files as shards, against reading them alone"),
}
"""Name → module of `mmae_jax.bench` with `add_arguments`, and what it measures."""


class Bench(Parser):
    """The parser of one bench, whose module is imported when it is asked for."""

    def __init__(self, *arguments: Any, module: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._module: str | None = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns the options, of which the bench knows the names."""
        if self._module is not None:
            module = importlib.import_module(f"mmae_jax.bench.{self._module}")
            self.description, self._module = module.__doc__, None
            module.add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benches, each with its options."""
    benches = parser.add_subparsers(required=True, metavar="what", parser_class=Bench)
    for name, (module, text) in BENCHES.items():
        benches.add_parser(name, help=text, module=module)


def run(options: argparse.Namespace) -> None:
    """Measures and prints what was asked for."""
    options.run(options)
