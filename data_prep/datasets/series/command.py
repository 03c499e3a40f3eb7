"""`python -m data_prep series --spec=my_dataset.py --out_dir=SHARDS`: any table of satellite series of places."""

from __future__ import annotations

import argparse

from data_prep.datasets.described import add_arguments as add_described
from data_prep.datasets.described import prepare_described
from data_prep.datasets.series_snippet import config_snippet
from data_prep.errors import DataPrepError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add_described(parser, "Series", "the table is")
    parser.add_argument("--fold", type=int, metavar="K", help="fold that tests, from 0 (default: what Folds(…) says)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    try:
        from data_prep.datasets.series import preparation  # not at the top: no other command needs these libraries
    except ModuleNotFoundError as error:
        raise DataPrepError(f"tables need {error.name} to be read: pip install 'mmae_jax[prep]'") from error
    series = preparation.load(options.spec, options.raw_dir or options.spec.parent, options.fold)
    prepare_described(options, preparation.source(series), series, config_snippet)
