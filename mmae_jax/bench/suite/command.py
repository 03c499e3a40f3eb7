"""All that is to be measured on an accelerator, in order of importance: steps, starts, batch sizes, choices.

Each is a process of its own with a time limit, and its result is written as soon as it is there. Cut off, the same
command goes on where it stopped, with the programs it compiled; the tables come last.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmae_jax.bench.speed_page.found import read_records
from mmae_jax.bench.speed_page.page import sections
from mmae_jax.bench.suite import runner
from mmae_jax.bench.suite.cases import cases
from mmae_jax.exit_codes import UsageError

MINUTES = 14.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results, and compiled programs")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all of it (default: {MINUTES:g})")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases to measure, in this order (default: all)")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--runlocal", action="store_true", help="shrink all configs to a laptop, to try the suite")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    known = {case.name: case for case in cases(options.out / "cache", options.runlocal)}
    for name in options.only or ():
        if name not in known:
            raise UsageError(f"--only: expected some of {', '.join(known)}, found {name!r}")
    chosen = [known[name] for name in options.only or known]
    if options.list:
        print("\n".join(f"{case.name:<32}bench {' '.join(case.arguments)}" for case in chosen))
        return
    try:
        with runner.ends_on_sigterm():
            runner.run(chosen, options.out, 60 * options.minutes)
    finally:
        print("\n".join(sections(read_records(options.out))), flush=True)
