"""What became of the tiles of a dataset: what was kept of each split, and why the rest was left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from data_prep.problems import PROBLEMS_FILE, Problem, counted
from data_prep.shards.classes import absent
from data_prep.shards.task import ShardReport, ShardTask
from mmae_jax.spec import Dataset


@dataclasses.dataclass(frozen=True)
class Summary:
    """What became of one split: sums over its shards, see `ShardReport`."""

    split: str
    kept: int
    skipped: int
    dropped_dates: int
    missing: Mapping[str, int]
    problems: tuple[Problem, ...]
    classes: Sequence[Mapping[str, Sequence[int]]]
    largest_percent: Mapping[str, int]

    def __str__(self) -> str:
        text = f"{self.split}: {self.kept} tiles kept, {self.skipped} skipped"
        if self.dropped_dates:
            text += f", {self.dropped_dates} damaged dates dropped"
        return text + "".join(f", {number} without {name}" for name, number in self.missing.items() if number)


def summarised(split: str, tasks: Sequence[ShardTask], reports: Sequence[ShardReport]) -> Summary:
    """Returns the summary of one split from the reports of all shards."""
    mine = [report for task, report in zip(tasks, reports, strict=True) if task.split == split]
    return Summary(
        split,
        kept=sum(report.kept for report in mine),
        skipped=sum(len(report.skipped) for report in mine),
        dropped_dates=sum(report.dropped_dates for report in mine),
        missing={name: sum(report.missing[name] for report in mine) for name in mine[0].missing},
        problems=tuple(problem for report in mine for problem in report.problems),
        classes=[report.classes for report in mine],
        largest_percent=_largest(report.largest_percent for report in mine),
    )


def described(summaries: Sequence[Summary], contract: Dataset, out_dir: Path) -> str:
    """Returns what a preparation ends with.

    That is a line for each split, each reason for which something was left out, each target of which a class occurs
    nowhere, and each modality whose masks seem to be shares instead of percents.
    """
    reasons = counted(problem for summary in summaries for problem in summary.problems)
    listed = [f"left out, each listed in {out_dir / PROBLEMS_FILE}:", *reasons] if reasons else []
    never = absent(contract, [part for summary in summaries for part in summary.classes])
    largest = _largest(summary.largest_percent for summary in summaries)
    shares = [f"{name}: no mask is above 1 %: are they shares?" for name, percent in largest.items() if percent == 1]
    return "\n".join([*map(str, summaries), *listed, *never, *shares])


def _largest(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for part in parts:
        largest |= {name: max(percent, largest.get(name, 0)) for name, percent in part.items()}
    return largest
