"""Prepares raw data as ArrayRecord shards, checks shards, or makes up raw data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from data_prep.arguments import add_shard_options, path, positive, seed
from data_prep.datasets import registry
from data_prep.datasets.folder import command as folder_command
from data_prep.datasets.series import command as series_command
from data_prep.preview import command as preview_command
from data_prep.shards.prepare import prepare
from data_prep.shards.summary import described
from data_prep.shards.verify import verify
from data_prep.statistics import band_groups
from data_prep.statistics import command as statistics_command
from mmae_jax.command_line.errors import exit_code
from mmae_jax.command_line.parser import Parser
from mmae_jax.command_line.process import put_right
from mmae_jax.exit_codes import USAGE

COMMANDS = {
    "folder": (folder_command, "prepare your own rasters, described by a Python file"),
    "series": (series_command, "prepare a table of series of places, described by a Python file"),
    "preview": (preview_command, "draw some prepared tiles with their labels"),
    "statistics": (statistics_command, "count what shards hold: JSON and figures"),
    "band_groups": (band_groups, "propose groups of correlated bands"),
}
"""Name → module with `add_arguments`, and what it does."""
PREPARE_OPTIONS = frozenset(
    ("raw_dir", "out_dir", "num_shards", "seed", "processes", "beam_options", "strict", "accept", "run")
)
"""Options that every dataset has; all others are a dataset's own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code, one of `mmae_jax.exit_codes`."""
    given = sys.argv[1:] if arguments is None else arguments

    def run() -> int | None:
        parser = _parser(given)
        if not given:
            print(parser.format_help(), file=sys.stderr)
            return USAGE
        options = parser.parse_args(given)
        options.run(options)
        return None

    return exit_code(run)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Returns the parser of a command line; of the datasets, only those that `arguments` name are imported."""
    parser = Parser(prog="python -m data_prep", description=__doc__, epilog=None)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name in registry.DATASETS:
        prepare_parser = commands.add_parser(name, help=f"prepare raw data of {name} as shards", epilog=None)
        if name in arguments:
            _add_prepare(prepare_parser, name)
    check = commands.add_parser("verify", help="check shards against their manifest", epilog=None)
    check.add_argument("directory", type=path, metavar="DIR", help="folder of shards")
    check.add_argument("--processes", type=positive, default=1, help="local worker processes")
    check.set_defaults(run=lambda options: print(verify(options.directory, options.processes)))
    for name, (module, text) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=text, epilog=None))
    synthetic = commands.add_parser("synthetic", help="write raw data of a made-up landscape", epilog=None)
    datasets = synthetic.add_subparsers(required=True, metavar="dataset")
    for name in registry.DATASETS:
        synthetic_parser = datasets.add_parser(name, help=f"in the layout of {name}", epilog=None)
        if name in arguments:
            _add_synthetic(synthetic_parser, name)
    scene_parser = datasets.add_parser("scene", help="as a scene: one area, in files of two projections", epilog=None)
    if "scene" in arguments:
        from data_prep.synthetic import scene

        scene.add_arguments(scene_parser)
    return parser


def _add_prepare(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.add_argument("--raw_dir", type=path, required=True, help="folder of the published files")
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the shards")
    add_shard_options(parser)
    registry.reader(dataset).add_arguments(parser)
    parser.set_defaults(run=lambda options: _prepare(dataset, options))


def _prepare(dataset: str, options: argparse.Namespace) -> None:
    source = registry.reader(dataset).source(options)
    summaries = prepare(
        source,
        options.raw_dir,
        options.out_dir,
        num_shards=options.num_shards,
        seed=options.seed,
        processes=options.processes,
        strict=options.strict,
        accept=options.accept,
        beam_options=options.beam_options,
        options={name: value for name, value in vars(options).items() if name not in PREPARE_OPTIONS},
    )
    print(described(summaries, source.contract, options.out_dir))


def _add_synthetic(parser: argparse.ArgumentParser, dataset: str) -> None:
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the raw files")
    parser.add_argument("--tiles", type=positive, default=240, help="number of tiles in all splits together")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the landscape")
    writer = registry.writer(dataset)
    writer.add_arguments(parser)
    parser.set_defaults(
        run=lambda options: writer.write(**{name: value for name, value in vars(options).items() if name != "run"})
    )


if __name__ == "__main__":
    put_right()
    sys.exit(main())
