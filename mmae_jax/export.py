"""Writes a run's weights with PyTorch names: `python -m mmae_jax.export --workdir=RUN --out=weights.safetensors`.

`.safetensors` files are read by every framework and carry the experiment, so that the sensor contract travels with the
weights; `.pt` files (extra `torch`) hold the bare state dict. Both load into the reference's model with `strict=True`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from absl import flags, logging

from mmae_jax.spec import PHASES, SpecError
from mmae_jax.train.monitor.log import show_messages
from mmae_jax.weights.export import export


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, or 1 with one message."""
    options = _parser().parse_args(arguments)
    _log_to_stderr()
    show_messages()
    try:
        export(options.workdir, options.out, options.phase, options.averaged)
    except (SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mmae_jax.export", description=__doc__, allow_abbrev=False)
    parser.add_argument("--workdir", required=True, help="folder of the run")
    parser.add_argument("--out", required=True, help="file to write: .safetensors, or .pt with the extra `torch`")
    parser.add_argument(
        "--phase", choices=PHASES, help="phase whose weights to write; the last finished one by default"
    )
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        help="write the moving average; by default where the phase was scored by it",
    )
    return parser


def _log_to_stderr() -> None:
    flags.FLAGS.mark_as_parsed()  # of which there are none here; absl says so at each message otherwise
    logging.use_absl_handler()


if __name__ == "__main__":
    sys.exit(main())
