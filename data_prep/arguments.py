"""Command-line values that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from etils import epath


def path(text: str) -> Path:
    """Returns a local path or, for `gs://…` and `s3://…`, an `epath.Path`, which has the most used part of pathlib.

    A local path may start with `~`, which the shell does not resolve after `=`.
    """
    return epath.Path(text) if "://" in text else Path(text).expanduser()


def positive(text: str) -> int:
    """Returns a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, found {text!r}")
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
