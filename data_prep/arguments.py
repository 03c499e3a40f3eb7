"""Command-line values that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from etils import epath

from data_prep.readers.accepted import CHECKS
from mmae_jax.ranges import SEED

STORES = ("gs://", "s3://")


def path(text: str) -> Path:
    """Returns a local path or, for `gs://…` and `s3://…`, an `epath.Path`, which has the most used part of pathlib.

    A local path may start with `~`, which the shell does not resolve after `=`.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    if "://" in text and not text.startswith(STORES):
        raise argparse.ArgumentTypeError(f"expected a local path, {' or '.join(STORES)}, found {text!r}")
    return epath.Path(text) if "://" in text else Path(text).expanduser()


def positive(text: str) -> int:
    """Returns a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, found {text!r}")
    return int(text)


def seed(text: str) -> int:
    """Returns a whole number from 0 to 2³² - 1."""
    if not text.isdecimal() or not SEED.holds(int(text)):
        raise argparse.ArgumentTypeError(f"expected {SEED.text}, found {text!r}")
    return int(text)


def percent(text: str) -> int:
    """Returns a whole number from 1 to 99."""
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 99, found {text!r}")
    return int(text)


def add_filter_percent(parser: argparse.ArgumentParser) -> None:
    """Adds `--filter_percent`, the share of training tiles of the low-label experiments."""
    parser.add_argument(
        "--filter_percent", type=percent, metavar="N", help="use the splits <split>_filtered_N.csv (default: all tiles)"
    )


def checks(text: str) -> frozenset[str]:
    """Returns names of checks of raw files, separated by commas."""
    names = frozenset(name.strip() for name in text.split(","))
    if unknown := sorted(names - set(CHECKS)):
        raise argparse.ArgumentTypeError(f"expected {', '.join(CHECKS)} or several of them, found {unknown[0]!r}")
    return names


def add_shard_options(parser: argparse.ArgumentParser) -> None:
    """Adds how shards are written: the options that preparing any dataset has."""
    parser.add_argument(
        "--num_shards", type=positive, help="number of shards per split (default: as many as make about 256 MiB each)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="seed of the order of the tiles")
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument("--processes", type=positive, default=1, help="local worker processes")
    workers.add_argument("--beam_options", metavar="OPTIONS", help="run on Apache Beam; see data_prep/shards/beam.py")
    parser.add_argument("--strict", action="store_true", help="stop at the first tile that cannot be used")
    parser.add_argument(
        "--accept",
        type=checks,
        default=frozenset(),
        metavar="CHECK,…",
        help="raw files are right in this after all: " + "; ".join(f"{name} ({what})" for name, what in CHECKS.items()),
    )
