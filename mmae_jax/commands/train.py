"""Trains an experiment: `python -m mmae_jax train --config=configs/treesatai_ts.py --workdir=DIR`."""

from __future__ import annotations

import argparse

import jax
from absl import logging

from mmae_jax.command_line.config_file import load_fields
from mmae_jax.command_line.errors import CONTINUES, EXPECTED
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import add_config, add_workdir, check_at_least
from mmae_jax.config import experiment_from_config
from mmae_jax.launch.cluster import find_cluster, start
from mmae_jax.launch.signals import Preempted, Signals
from mmae_jax.train import loop
from mmae_jax.train.ending import ending


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_config(parser, required=True)
    add_workdir(parser, "folder for checkpoints, logs and figures; an interrupted run goes on")
    parser.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="of process 0, where SLURM, Open MPI, a TPU slice or Kubernetes does not tell",
    )
    parser.add_argument("--num_processes", type=int, help="processes of the run, with --coordinator")
    parser.add_argument("--process_id", type=int, help="number of this process, from 0, with --coordinator")
    parser.add_argument(
        "--start_seconds",
        type=float,
        default=300.0,
        help="how long to wait for the other processes (default: 300)",
    )
    parser.add_argument(
        "--lost_after_seconds",
        type=float,
        default=60.0,
        help="a process without a sign of life for so long is gone, and the others end (default: 60)",
    )


def run(options: argparse.Namespace) -> None:
    """Trains; every process of the run hears why another one ends."""
    for name, least in (("num_processes", 1), ("start_seconds", 1), ("lost_after_seconds", 5)):
        check_at_least(options, name, least)
    fields = load_fields(options.config, options.overrides)
    show_messages()
    with Signals():  # before and after training, which listens by itself, a signal ends the process at once
        cluster = find_cluster(options.coordinator, options.num_processes, options.process_id)
        peers = start(cluster, options.start_seconds, options.lost_after_seconds)
        try:
            experiment = experiment_from_config(fields)
            loop.run(experiment, options.workdir)
            peers.finish()
        except Preempted:
            peers.finish()
            raise
        except KeyboardInterrupt:
            peers.fail(RuntimeError(CONTINUES), expected=True)
            raise
        except Exception as error:
            peers.fail(error, expected=isinstance(error, EXPECTED))
            raise
    if jax.process_index() == 0:
        for line in ending(experiment, options.workdir):
            logging.info("%s", line)
