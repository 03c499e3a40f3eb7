"""`python -m data_prep statistics DIR`: what the shards hold, as JSON and figures."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from data_prep.arguments import path, positive
from data_prep.statistics.collect import collect
from data_prep.statistics.standardisation import lines
from data_prep.statistics.summary import summarise

FILE = "statistics.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("directory", type=path, metavar="DIR", help="folder of shards")
    parser.add_argument("--split", action="append", help="split to read, may be repeated (default: all together)")
    parser.add_argument("--processes", type=positive, default=1, help="local worker processes")
    parser.add_argument("--out", type=path, help="folder for the results (default: DIR/statistics)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    out = options.out or options.directory / "statistics"
    statistics = write_statistics(options.directory, out, split=options.split, processes=options.processes)
    print("\n".join(["to standardise the bands:", *lines(statistics), f"wrote {out / FILE} and figures"]))


def write_statistics(
    directory: Path, out: Path, *, split: list[str] | None = None, processes: int = 1
) -> dict[str, Any]:
    """Writes `statistics.json` and figures of the shards in `directory` to the folder `out`; returns the statistics."""
    # not at the top: what figures need would also be loaded into every process that prepares data
    from data_prep.statistics.figures import figures
    from mmae_jax.report import save_png

    statistics = summarise(collect(directory, split, processes=processes))
    out.mkdir(parents=True, exist_ok=True)
    beside = out / f"{FILE}.{os.getpid()}"
    beside.write_text(json.dumps(statistics, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(out / FILE)
    for name, figure in figures(statistics).items():
        save_png(figure, out / f"{name}.png")
    return statistics
