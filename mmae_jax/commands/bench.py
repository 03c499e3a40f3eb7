"""Measures speed and size: `python -m mmae_jax bench data --shards=DIR --config=configs/treesatai_ts.py`."""

from __future__ import annotations

import argparse

from mmae_jax.bench import checkpoint, data, preparation
from mmae_jax.bench.compile import command as compile

BENCHES = {
    "data": (data, "the input pipeline of a folder of shards"),
    "preparation": (preparation, "preparing raw files as shards, against reading them alone"),
    "checkpoint": (checkpoint, "checkpoints, and how long training stands still for them"),
    "compile": (compile, "the training step, compiled for TPU slices that are not there"),
}
"""Name → module with `add_arguments`, and what it measures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benches, each with its options."""
    benches = parser.add_subparsers(required=True, metavar="what")
    for name, (module, text) in BENCHES.items():
        module.add_arguments(benches.add_parser(name, help=text, description=module.__doc__))


def run(options: argparse.Namespace) -> None:
    """Measures and prints what was asked for."""
    options.run(options)
