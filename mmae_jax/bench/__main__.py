"""Measures speed and size: `python -m mmae_jax.bench data --shards=DIR --config=configs/treesatai_ts.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmae_jax.bench import data
from mmae_jax.spec import SpecError

BENCHES = {"data": (data, "the input pipeline of a folder of shards")}
"""Name → module with `add_arguments`, and what it measures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (data or files) or 2 (usage)."""
    parser = argparse.ArgumentParser(prog="python -m mmae_jax.bench", description=__doc__, allow_abbrev=False)
    benches = parser.add_subparsers(required=True, metavar="what")
    for name, (module, text) in BENCHES.items():
        module.add_arguments(benches.add_parser(name, help=text, allow_abbrev=False))
    try:
        options = parser.parse_args(arguments)
    except SystemExit as usage:
        return int(usage.code or 0)
    try:
        options.run(options)
    except (SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
