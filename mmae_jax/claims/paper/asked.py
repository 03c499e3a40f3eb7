"""Tables of arXiv 2508.10894 by the command line: `python -m mmae_jax claims paper_table_1 --data=DIR --out=OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path

from etils import epath

from mmae_jax import parallel
from mmae_jax.claims.paper.cost import estimate
from mmae_jax.claims.paper.making import make, unfinished
from mmae_jax.claims.paper.plan import OWN_FIELDS, Plan
from mmae_jax.claims.paper.table import PREFIX, names, open_table
from mmae_jax.claims.repeating import repeating
from mmae_jax.command_line.messages import show_messages
from mmae_jax.exit_codes import DONE, FAILED, UsageError, meant
from mmae_jax.spec.error import choices
from mmae_jax.train.exclusive import exclusive

__all__ = ["add_arguments", "is_asked", "names", "run"]
OWN = ("data", "weights", "only", "cost")
OF_CLAIMS = ("config", "shards", "data_name", "metric", "folds", "page")
ELSEWHERE = ("--data", "--weights", "--only", "--cost", "--processes", "--out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of tables."""
    tables = parser.add_argument_group("tables of arXiv 2508.10894")
    tables.add_argument("--data", type=Path, metavar="DIR", help="holds shards by dataset: DIR/treesatai_ts, …")
    tables.add_argument(
        "--weights", type=Path, metavar="DIR", help="holds publishers' weights and pretrained runs: DIR/dinov2.…, …"
    )
    tables.add_argument("--only", metavar="NAME,…", help="some of the datasets, of the models, or of both")
    tables.add_argument("--cost", action="store_true", help="tell what it costs, and end")


def is_asked(options: argparse.Namespace) -> bool:
    """Whether tables are asked for.

    Raises:
      UsageError: an option is not for what is asked, or there is no such table.
    """
    tables = [name for name in options.names if name.startswith(PREFIX)]
    if not tables:
        if given := [name for name in OWN if getattr(options, name)]:
            raise UsageError(f"--{given[0]}: only for tables: {choices(names())}")
        return False
    for name in options.names:
        if name not in names():
            raise UsageError(f"expected tables alone, any of {choices(names())}, found {name!r}{meant(name, names())}")
    for option in OF_CLAIMS:
        if getattr(options, option) is not None:
            raise UsageError(f"--{option}: only for claims, not for {tables[0]}")
    if options.data is None:
        raise UsageError("--data: expected a folder with a folder of shards for each dataset")
    for one in options.overrides:
        if one.field in OWN_FIELDS:
            raise UsageError(f"--config.{one.field}: is the table's own; expected any field but {choices(OWN_FIELDS)}")
    return True


def run(options: argparse.Namespace) -> int:
    """Makes the tables; returns the exit code: 1 where a run failed.

    Raises:
      UsageError: `--only` names what is not in a table.
      SpecError: data or weights are not there, or a table was begun with other settings.
    """
    show_messages()
    parallel.leave_accelerators()
    only = options.only.split(",") if options.only else []
    plans = {name: _plan(options, name) for name in dict.fromkeys(options.names)}
    runs = {name: unfinished(plan, only) for name, plan in plans.items()}
    if left := [run for each in runs.values() for run in each]:
        print(f"{estimate(left)}\n", flush=True)
    if options.cost:
        return DONE
    options.out.mkdir(parents=True, exist_ok=True)
    with exclusive(epath.Path(options.out)):
        done = [
            make(name, plan, runs[name], options.processes, _command(options, name)) for name, plan in plans.items()
        ]
    return DONE if all(done) else FAILED


def _plan(options: argparse.Namespace, name: str) -> Plan:
    return Plan(
        table=open_table(name),
        data=options.data,
        weights=options.weights,
        folder=options.out / name,
        cache=options.out / "compilation_cache",
        seeds=options.seeds,
        overrides=options.overrides,
    )


def _command(options: argparse.Namespace, name: str) -> str:
    weights = [] if options.weights is None else ["--weights=WEIGHTS"]
    return repeating(name, ELSEWHERE, "--data=DIR", *weights, "--out=OUT")
