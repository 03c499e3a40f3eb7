"""Prepares raw data as ArrayRecord shards, or makes up raw data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep import treesatai_ts
from data_prep.errors import DataPrepError
from data_prep.prepare import prepare
from data_prep.synthetic import treesatai_ts as synthetic_treesatai_ts

SOURCES = {"treesatai_ts": treesatai_ts.SOURCE}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (data or files), 2 (usage) or 130 (interrupted)."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as usage:
        return int(usage.code or 0)
    try:
        options.run(options)
    except (DataPrepError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data_prep", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name in SOURCES:
        _add_prepare(commands.add_parser(name, help=f"prepare {name}", allow_abbrev=False), name)
    synthetic = commands.add_parser("synthetic", help="write raw data of a made-up landscape", allow_abbrev=False)
    datasets = synthetic.add_subparsers(required=True, metavar="dataset")
    _add_synthetic(datasets.add_parser("treesatai_ts", help="in the layout of TreeSatAI-TS", allow_abbrev=False))
    return parser


def _add_prepare(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.add_argument("--raw_dir", type=_path, required=True, help="folder of the published files")
    parser.add_argument("--out_dir", type=_path, required=True, help="new folder for the shards")
    parser.add_argument("--num_shards", type=_positive, help="shards per split (default: of about 256 MiB)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the tiles")
    parser.add_argument("--processes", type=_positive, default=1, help="local worker processes")
    parser.add_argument("--strict", action="store_true", help="stop at the first tile that cannot be used")
    parser.set_defaults(run=lambda options: _prepare(dataset, options))


def _prepare(dataset: str, options: argparse.Namespace) -> None:
    summaries = prepare(
        SOURCES[dataset],
        options.raw_dir,
        options.out_dir,
        num_shards=options.num_shards,
        seed=options.seed,
        processes=options.processes,
        strict=options.strict,
    )
    print("\n".join(map(str, summaries)))


def _add_synthetic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out_dir", type=_path, required=True, help="new folder for the raw files")
    parser.add_argument("--tiles", type=_positive, default=240, help="tiles: 2/3 train, 1/6 val, 1/6 test")
    parser.add_argument("--seed", type=int, default=0, help="of the landscape")
    parser.add_argument("--s2_dates", type=_positive, default=40, help="Sentinel-2 dates per tile, ± 25 %%")
    parser.add_argument("--s1_dates", type=_positive, default=35, help="Sentinel-1 dates per tile and orbit, ± 25 %%")
    parser.set_defaults(run=_synthetic)


def _synthetic(options: argparse.Namespace) -> None:
    synthetic_treesatai_ts.write(
        options.out_dir, tiles=options.tiles, seed=options.seed, s2_dates=options.s2_dates, s1_dates=options.s1_dates
    )


def _path(text: str) -> Path:
    return Path(text).expanduser()  # which the shell does not do after "="


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
