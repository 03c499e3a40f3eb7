"""Preparing raw files as shards, against reading the same files alone: see `data_prep.bench.preparation`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmae_jax.spec import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the benchmark's arguments to its parser."""
    parser.add_argument("--dataset", required=True, metavar="NAME", help="as data_prep names it, e.g. pastis_hd")
    parser.add_argument("--raw_dir", type=Path, required=True, help="published files")
    parser.add_argument("--raw_options", default="", help="options with which data_prep chooses the splits")
    parser.add_argument("--out_dir", type=Path, help="where to write and delete shards (default: beside --raw_dir)")
    parser.add_argument("--processes", type=int, default=1, help="local worker processes (default: 1)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from data_prep.bench.preparation import measure  # only here: training needs no readers of raw files

    if options.processes < 1:
        raise SpecError(f"--processes: expected a positive number, found {options.processes}")
    beside = options.out_dir or options.raw_dir.parent
    print(measure(options.dataset, options.raw_dir, options.raw_options, beside, options.processes))
