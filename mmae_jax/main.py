"""Training from the command line: `python -m mmae_jax.main --config=configs/treesatai_ts.py --workdir=DIR`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from mmae_jax.command_line import parse_flags
from mmae_jax.config import experiment_from_config
from mmae_jax.launch import cluster as distributed
from mmae_jax.launch.peers import Peers
from mmae_jax.launch.signals import INTERRUPTED_EXIT_CODE, Preempted, Signals
from mmae_jax.spec import SpecError
from mmae_jax.train.divergence import DivergedError
from mmae_jax.train.loop import run
from mmae_jax.train.monitor.log import show_messages

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment; fields by --config.field=value.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for checkpoints, logs and figures; an interrupted run goes on.")
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0, where SLURM, Open MPI, a TPU slice or Kubernetes does not tell."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes of the run, with --coordinator.", lower_bound=1)
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this process, from 0, with --coordinator.")
_START_SECONDS = flags.DEFINE_float("start_seconds", 300, "How long to wait for the other processes.", lower_bound=1)
_LOST_AFTER_SECONDS = flags.DEFINE_float(
    "lost_after_seconds", 60, "A process without a sign of life for so long is gone, and the others end.", lower_bound=5
)
IMPATIENT = "interrupted; the same command goes on from the last checkpoint"
EXPECTED = (SpecError, DivergedError, OSError)


def main(argv: Sequence[str]) -> None:
    """Runs the experiment; exits with 1 and one message where it cannot, with 75 or 130 where it was told to end."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    show_messages()
    with Signals():  # before and after training, which listens by itself, a signal ends the process at once
        _train(_connect())


def _connect() -> Peers:
    try:
        cluster = distributed.find_cluster(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
        return distributed.start(cluster, _START_SECONDS.value, _LOST_AFTER_SECONDS.value)
    except SpecError as error:
        sys.exit(f"error: {error}")


def _train(peers: Peers) -> None:
    try:
        run(experiment_from_config(_CONFIG.value), _WORKDIR.value)
        peers.finish()
    except Preempted as end:
        logging.info("%s", end)
        peers.finish()
        sys.exit(end.exit_code)
    except KeyboardInterrupt:
        peers.fail(RuntimeError(IMPATIENT), expected=True)
        print(IMPATIENT, file=sys.stderr)
        sys.exit(INTERRUPTED_EXIT_CODE)
    except EXPECTED as error:
        peers.fail(error, expected=True)
        sys.exit(f"error: {error}")
    except Exception as error:
        peers.fail(error, expected=False)
        raise


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main, flags_parser=parse_flags)
