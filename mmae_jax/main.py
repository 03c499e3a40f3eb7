"""Training from the command line: `python -m mmae_jax.main --config=configs/treesatai_ts.py --workdir=DIR`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from mmae_jax.command_line import parse_flags
from mmae_jax.config import experiment_from_config
from mmae_jax.spec import SpecError
from mmae_jax.train.log import show_messages
from mmae_jax.train.loop import run
from mmae_jax.train.phase import DivergedError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment; fields by --config.field=value.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and figures; an interrupted run goes on.")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment; exits with 1 and one message where it cannot."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    show_messages()
    try:
        run(experiment_from_config(_CONFIG.value), _WORKDIR.value)
    except (SpecError, DivergedError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main, flags_parser=parse_flags)
