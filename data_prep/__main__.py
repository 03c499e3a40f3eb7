"""Prepares raw data as ArrayRecord shards, checks shards, or makes up raw data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from data_prep.arguments import add_shard_options, path, positive
from data_prep.datasets.flair2 import read as flair2
from data_prep.datasets.flair2 import synthetic as synthetic_flair2
from data_prep.datasets.flair_hub import read as flair_hub
from data_prep.datasets.flair_hub import synthetic as synthetic_flair_hub
from data_prep.datasets.folder import command as folder_command
from data_prep.datasets.pastis_hd import read as pastis_hd
from data_prep.datasets.pastis_hd import synthetic as synthetic_pastis_hd
from data_prep.datasets.pureforest import read as pureforest
from data_prep.datasets.pureforest import synthetic as synthetic_pureforest
from data_prep.datasets.s2_naip_urban import read as s2_naip_urban
from data_prep.datasets.s2_naip_urban import synthetic as synthetic_s2_naip_urban
from data_prep.datasets.treesatai_ts import read as treesatai_ts
from data_prep.datasets.treesatai_ts import synthetic as synthetic_treesatai_ts
from data_prep.shards.prepare import prepare
from data_prep.shards.task import Source
from data_prep.shards.verify import verify
from data_prep.statistics import band_groups
from data_prep.statistics import command as statistics_command
from mmae_jax.spec import SpecError

INTERRUPTED = 130
COMMANDS = {
    "folder": (folder_command, "prepare your own rasters, described by a Python file"),
    "statistics": (statistics_command, "count what shards hold: JSON and figures"),
    "band_groups": (band_groups, "propose groups of correlated bands"),
}
"""Name → module with `add_arguments`, and what it does."""
PREPARE_OPTIONS = frozenset(("raw_dir", "out_dir", "num_shards", "seed", "processes", "beam_options", "strict", "run"))
"""Of every dataset; all others are a dataset's own."""


class SourceOptions(Protocol):
    """A dataset with options of its own: its module."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the options."""

    def source(self, options: argparse.Namespace) -> Source:
        """Returns what they choose."""


class Synthetic(Protocol):
    """Writes made-up raw data in the layout of one dataset: a module of `data_prep.synthetic`."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds options of its own, keyword arguments of `write`."""

    @property
    def write(self) -> Callable[..., None]:
        """Writes `tiles` made-up tiles of `seed` to the new folder `out_dir`."""


SOURCES: Mapping[str, Source | SourceOptions] = {
    "flair2": flair2.SOURCE,
    "flair_hub": flair_hub,
    "pastis_hd": pastis_hd,
    "pureforest": pureforest.SOURCE,
    "s2_naip_urban": s2_naip_urban,
    "treesatai_ts": treesatai_ts,
}
SYNTHETIC: Mapping[str, Synthetic] = {
    "flair2": synthetic_flair2,
    "flair_hub": synthetic_flair_hub,
    "pastis_hd": synthetic_pastis_hd,
    "pureforest": synthetic_pureforest,
    "s2_naip_urban": synthetic_s2_naip_urban,
    "treesatai_ts": synthetic_treesatai_ts,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (data or files), 2 (usage) or 130 (interrupted)."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as usage:
        return int(usage.code or 0)
    try:
        options.run(options)
    except (SpecError, OSError) as error:
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
    check = commands.add_parser("verify", help="check shards against their manifest", allow_abbrev=False)
    check.add_argument("directory", type=path, metavar="DIR", help="folder of shards")
    check.add_argument("--processes", type=positive, default=1, help="local worker processes")
    check.set_defaults(run=lambda options: print(verify(options.directory, options.processes)))
    for name, (module, text) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=text, allow_abbrev=False))
    synthetic = commands.add_parser("synthetic", help="write raw data of a made-up landscape", allow_abbrev=False)
    datasets = synthetic.add_subparsers(required=True, metavar="dataset")
    for name in SYNTHETIC:
        _add_synthetic(datasets.add_parser(name, help=f"in the layout of {name}", allow_abbrev=False), name)
    return parser


def _add_prepare(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.add_argument("--raw_dir", type=path, required=True, help="folder of the published files")
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the shards")
    add_shard_options(parser)
    source = SOURCES[dataset]
    if not isinstance(source, Source):
        source.add_arguments(parser)
    parser.set_defaults(run=lambda options: _prepare(dataset, options))


def _prepare(dataset: str, options: argparse.Namespace) -> None:
    source = SOURCES[dataset]
    summaries = prepare(
        source if isinstance(source, Source) else source.source(options),
        options.raw_dir,
        options.out_dir,
        num_shards=options.num_shards,
        seed=options.seed,
        processes=options.processes,
        strict=options.strict,
        beam_options=options.beam_options,
        options={name: value for name, value in vars(options).items() if name not in PREPARE_OPTIONS},
    )
    print("\n".join(map(str, summaries)))


def _add_synthetic(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the raw files")
    parser.add_argument("--tiles", type=positive, default=240, help="in all splits together")
    parser.add_argument("--seed", type=int, default=0, help="of the landscape")
    SYNTHETIC[dataset].add_arguments(parser)
    parser.set_defaults(run=lambda options: _synthetic(dataset, options))


def _synthetic(dataset: str, options: argparse.Namespace) -> None:
    SYNTHETIC[dataset].write(**{name: value for name, value in vars(options).items() if name != "run"})


if __name__ == "__main__":
    sys.exit(main())
