"""Writes a report of runs: `python -m mmae_jax report RUN [RUN…] --out=report.html`.

One file that opens in any browser, without a network, and prints to PDF. It shows settings, curves, reconstructions,
scores with intervals (of `evaluate`), predictions, classes, sensors, calibration, embeddings and speed; several runs
are compared. What is not there, such as shards that were deleted, is left out with a line that says why.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import check_at_least
from mmae_jax.exit_codes import UsageError
from mmae_jax.launch.signals import Signals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="workdir of a run, finished or not")
    parser.add_argument("--out", required=True, type=Path, help="file to write, .html")
    parser.add_argument(
        "--tiles", type=int, default=64, help="tiles that are embedded and predicted for it (default: 64)"
    )


def run(options: argparse.Namespace) -> None:
    """Writes the report, and says where it is and how large.

    Raises:
      UsageError: options cannot be used.
      SpecError: a folder holds no run.
    """
    check_at_least(options, "tiles", 1)
    if options.out.suffix not in (".html", ".htm"):
        raise UsageError(f"--out: expected a file that ends in .html, found {options.out}")
    if not options.out.parent.is_dir():
        raise UsageError(f"--out: {options.out.parent} is no folder; make it first")
    from mmae_jax.report.page import write_report
    from mmae_jax.report.workdir import open_run

    show_messages()
    names = _names([Path(folder) for folder in options.runs])
    runs = [open_run(folder, name) for folder, name in zip(options.runs, names, strict=True)]
    with Signals():
        size = write_report(runs, options.out, tiles=options.tiles)
    print(f"wrote {options.out} ({size / 1e6:.1f} MB)")


def _names(folders: list[Path]) -> list[str]:
    """Returns the shortest ends of paths that tell runs apart.

    Raises:
      UsageError: a run is named twice.
    """
    whole = [folder.absolute().parts for folder in folders]
    if len(set(whole)) < len(whole):
        raise UsageError("expected each run once, found one twice")
    length = 1
    while len({parts[-length:] for parts in whole}) < len(whole):
        length += 1
    return ["/".join(parts[-length:]) for parts in whole]
