"""What benches found, as one page: ratios to other implementations, steps, starts, profiles, choices, feeds.

It reads the records (`--json`) in a folder, sweeps of `bench compile` below it, and its `notes.md`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmae_jax.bench.speed_page.page import page
from mmae_jax.spec import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    parser.add_argument("records", type=Path, metavar="DIR", help="folder of records")
    parser.add_argument("--page", type=Path, metavar="FILE", help="where to write it, Markdown (default: print it)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if not options.records.is_dir():
        raise SpecError(f"{options.records}: expected a folder of records, found none")
    text = page(options.records)
    if options.page is None:
        print(text)
    else:
        options.page.write_text(text, encoding="utf-8")
