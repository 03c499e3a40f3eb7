"""Whether all that the runs of a table need is there: said before the first one, not after weeks of training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmae_jax.claims.paper.plan import PaperRun, Plan
from mmae_jax.claims.run import check_tested
from mmae_jax.data.shards import open_shards
from mmae_jax.spec import SpecError


def check_weights(plan: Plan, cells: Iterable[tuple[str, str]]) -> None:
    """Checks that there are weights which only their publisher can make.

    Raises:
      SpecError: some are not; names the file, where it is published, and its licence.
    """
    for row, dataset in cells:
        name = plan.table.rows[row].cells[dataset].weights
        if name is None or plan.table.weights[name].config is not None or plan.given(name) is not None:
            continue
        where = "no --weights" if plan.weights is None else f"none in {plan.weights}"
        raise SpecError(
            f"--weights: expected a folder with a file {name}.*, found {where}; fetch {plan.table.weights[name].about}"
            ", read its licence, and name it so; --only=… leaves other rows out"
        )


def check_data(plan: Plan, runs: Iterable[PaperRun]) -> None:
    """Checks that the shards of runs are there, fit their experiments, and hold the splits that these need.

    Raises:
      SpecError: of the first that are not; tells the command that makes them.
    """
    runs = list(runs)
    folders = {run.dataset: plan.data / run.dataset for run in runs}
    for dataset, folder in folders.items():
        if not folder.is_dir():
            raise SpecError(_absent(plan, dataset, folder, [name for name in folders if folders[name].is_dir()]))
    for run in runs:
        shards = open_shards(run.experiment)
        for phase in run.experiment.phases:
            shards.check_phase(phase)
        if run.experiment.targets:
            check_tested(shards)


def _absent(plan: Plan, dataset: str, folder: Path, there: Iterable[str]) -> str:
    known = plan.table.datasets[dataset]
    rest = [name for name in there if plan.table.datasets[name].metric is not None]
    only = f"; or --only={','.join(rest)} for what is there" if rest else ""
    return (
        f"--data: expected shards of {known.title} in {folder}, found none; prepare them with "
        f"`python -m data_prep {known.prepare} --raw_dir=RAW --out_dir={folder}`{only}"
    )
