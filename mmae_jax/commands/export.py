"""Writes a run's weights with PyTorch names: `python -m mmae_jax export --workdir=RUN --out=weights.safetensors`.

`.safetensors` files are read by every framework and carry the experiment, so that the sensor contract travels with the
weights; `.pt` files (extra `torch`) hold the bare state dict. Both load into the reference's model with `strict=True`.
"""

from __future__ import annotations

import argparse

from mmae_jax.commands.messages import show_messages
from mmae_jax.commands.parser import add_workdir
from mmae_jax.spec import PHASES
from mmae_jax.weights.export import export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_workdir(parser, "folder of the run")
    parser.add_argument("--out", required=True, help="file to write: .safetensors, or .pt with the extra `torch`")
    parser.add_argument(
        "--phase", choices=PHASES, help="phase whose weights to write; the last finished one by default"
    )
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        help="write the moving average; by default where the phase was scored by it",
    )


def run(options: argparse.Namespace) -> None:
    """Writes the weights."""
    show_messages()
    export(options.workdir, options.out, options.phase, options.averaged)
