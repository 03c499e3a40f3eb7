"""Measures speed and size: `python -m mmae_jax.bench data --shards=DIR --config=configs/treesatai_ts.py`.

Fields of a config are overridden by name, as for training: `--config.model.architecture=large`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmae_jax.bench import checkpoint, data, preparation
from mmae_jax.bench.compile import command as compile
from mmae_jax.bench.experiments import PREFIX
from mmae_jax.spec import SpecError

BENCHES = {
    "data": (data, "the input pipeline of a folder of shards"),
    "preparation": (preparation, "preparing raw files as shards, against reading them alone"),
    "checkpoint": (checkpoint, "checkpoints, and how long training stands still for them"),
    "compile": (compile, "the training step, compiled for TPU slices that are not there"),
}
"""Name → module with `add_arguments`, and what it measures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (data or files) or 2 (usage)."""
    parser = argparse.ArgumentParser(prog="python -m mmae_jax.bench", description=__doc__, allow_abbrev=False)
    benches = parser.add_subparsers(required=True, metavar="what")
    for name, (module, text) in BENCHES.items():
        module.add_arguments(benches.add_parser(name, help=text, allow_abbrev=False))
    try:
        options, others = parser.parse_known_args(arguments)
        options.overrides = [argument for argument in others if argument.startswith(PREFIX)]
        unknown = [argument for argument in others if not argument.startswith(PREFIX)]
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
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
