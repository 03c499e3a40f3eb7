"""A table with our scores beside the published ones: `table.json`, and as Markdown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mmae_jax.claims.markdown import duration
from mmae_jax.claims.paper.plan import PaperRun, Plan
from mmae_jax.formats import VERSION_KEY, write_json
from mmae_jax.launch.run_folder import seconds_taken

FORMAT_VERSION = 1
FIGURE = "table.png"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One cell.

    Attributes:
      row, dataset: its place.
      metric: score of the test split.
      published: score [%]; None where it is not known.
      scores: ours, of finished runs, one a seed [%].
    """

    row: str
    dataset: str
    metric: str
    published: float | None
    scores: tuple[float, ...]

    @property
    def ours(self) -> float | None:
        """Mean of our scores [%]; None before there is one."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def difference(self) -> float | None:
        """Ours minus the published score [points]; None where one of them is not there."""
        return None if self.ours is None or self.published is None else self.ours - self.published


@dataclasses.dataclass(frozen=True)
class TableResult:
    """A table.

    Attributes:
      name: of the table.
      title: for people.
      source: where the published scores are from; empty where there are none.
      changed: fields that were set otherwise than published, as on the command line.
      entries: its cells, done or not.
      seconds: time of all runs, those of pretraining among them, one after the other [s].
      command: what repeats it.
    """

    name: str
    title: str
    source: str
    changed: tuple[str, ...]
    entries: tuple[Entry, ...]
    seconds: float
    command: str


def result(name: str, plan: Plan, command: str) -> TableResult:
    """Returns what the folder of a table holds so far.

    Raises:
      SpecError: a run has no such score.
    """
    table, found = plan.table, {cell: plan.runs(*cell) for cell in plan.cells()}
    runs = dict.fromkeys(one for each in found.values() for run in each for one in (run, run.after) if one is not None)
    return TableResult(
        name=name,
        title=table.title,
        source=table.source,
        changed=tuple(map(str, plan.overrides)),
        entries=tuple(_entry(plan, row, dataset, each) for (row, dataset), each in found.items()),
        seconds=round(sum(seconds_taken(run.folder) for run in runs), 1),
        command=command,
    )


def _entry(plan: Plan, row: str, dataset: str, runs: list[PaperRun]) -> Entry:
    metric = plan.table.datasets[dataset].metric
    assert metric is not None, "cells are of datasets with a metric"
    scores = [run.score(metric) for run in runs]
    done = tuple(round(100 * score, 4) for score in scores if score is not None)
    return Entry(row, dataset, metric, plan.table.rows[row].cells[dataset].published, done)


def write(folder: Path, found: TableResult) -> None:
    """Writes `table.json`."""
    write_json(folder / "table.json", {VERSION_KEY: FORMAT_VERSION, **dataclasses.asdict(found)})


def markdown(found: TableResult, plan: Plan) -> str:
    """Returns the table as Markdown: a line for each model and dataset."""
    lines = [f"# {found.title}", "", "| model | on | score | ours | published | difference |", "| --- " * 6 + "|"]
    for one in found.entries:
        title, dataset = plan.table.rows[one.row].title, plan.table.datasets[one.dataset].title
        numbers = (_number(one.ours), _number(one.published), _number(one.difference, "+"))
        lines.append(f"| {title} | {dataset} | {one.metric.partition('/')[2]} | {' | '.join(numbers)} |")
    lines += ["", f"Percent and points. {_about(found)} {duration(found.seconds)}, one run after the other:"]
    return "\n".join([*lines, "", f"    {found.command}", ""])


def _about(found: TableResult) -> str:
    source = (
        f"Published: arXiv 2508.10894, {found.source}." if found.source else "Published figures are not known here."
    )
    changed = f" **Not the published settings**: {' '.join(found.changed)}." if found.changed else ""
    return source + changed


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.1f}"
