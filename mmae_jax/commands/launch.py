"""Trains with several processes on this machine: `python -m mmae_jax launch --processes=2 -- FLAGS OF train`."""

from __future__ import annotations

import argparse

from mmae_jax.command_line.parser import check_at_least
from mmae_jax.launch import local


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--processes", type=int, required=True, help="processes of the run")
    parser.add_argument("--devices_per_process", type=int, default=1, help="GPUs, or virtual devices on the CPU")
    parser.add_argument("--restarts", type=int, default=0, help="starts after a crash or preemption, at most")
    parser.add_argument("arguments", nargs="*", metavar="-- FLAGS", help="flags of python -m mmae_jax train")


def run(options: argparse.Namespace) -> int:
    """Runs the processes to their end and returns their exit code."""
    for name in ("processes", "devices_per_process"):
        check_at_least(options, name, 1)
    return local.run(local.Plan(options.processes, options.devices_per_process, options.arguments), options.restarts)
