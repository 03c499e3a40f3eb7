"""Several processes on this machine: `python -m mmae_jax.launch --processes=2 -- FLAGS OF mmae_jax.main`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mmae_jax.launch.local import Plan, run
from mmae_jax.spec import SpecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `arguments` and returns the exit code."""
    parser = argparse.ArgumentParser("python -m mmae_jax.launch", description=__doc__, allow_abbrev=False)
    parser.add_argument("--processes", type=int, required=True, help="processes of the run")
    parser.add_argument("--devices_per_process", type=int, default=1, help="GPUs, or virtual devices on the CPU")
    parser.add_argument("--restarts", type=int, default=0, help="starts after a crash or preemption, at most")
    parser.add_argument("arguments", nargs="*", metavar="-- FLAGS", help="flags of python -m mmae_jax.main")
    options = parser.parse_args(arguments)
    for name in ("processes", "devices_per_process"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: expected 1 or more, found {getattr(options, name)}")
    plan = Plan(options.processes, options.devices_per_process, options.arguments)
    try:
        return run(plan, options.restarts)
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
