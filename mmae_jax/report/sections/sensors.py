"""What each sensor and each date is worth, and what clouds cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmae_jax.report.html import Absent, Html, drawing, joined, tag
from mmae_jax.report.intervals import intervals, is_control, lines, point
from mmae_jax.report.look import Look
from mmae_jax.report.sections.scores import label_of, main_metric
from mmae_jax.report.workdir import Run

Rows = list[Mapping[str, Any]]


def content(run: Run, look: Look) -> Html:
    """Returns figures of subsets of sensors, of numbers of dates, and of clouds, of each target."""
    rows = [row for row in run.measured(label_fraction=1.0) if not is_control(row)]
    parts: list[object] = []
    for target in dict.fromkeys(row["target"] for row in rows):
        of_target = [row for row in rows if row["target"] == target]
        metric = main_metric(run.experiment, target, of_target)
        of_target = [row for row in of_target if metric in row["scores"]]
        figures = [*_subsets(run, of_target, metric), *_dates(of_target, metric), *_clouds(of_target, metric)]
        parts += [tag("h3", target), *figures] if figures else []
    if not parts:
        raise Absent("nothing was evaluated with fewer sensors or dates")
    return joined(parts)


def _subsets(run: Run, rows: Rows, metric: str) -> list[Html]:
    rows = [row for row in rows if row.get("dates") is None and row.get("clouds") is None and row.get("inputs")]
    subsets: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        subsets.setdefault(label_of(row), set()).add(tuple(sorted(row["inputs"])))
    rows = [row for row in rows if len(subsets[label_of(row)]) > 1]
    if not rows:
        return []
    ordered = sorted(rows, key=lambda row: (-len(row["inputs"]), -(row["scores"][metric]["value"] or 0)))
    points = [point(row, metric, _inputs(run, row["inputs"]), label_of(row)) for row in ordered]
    caption = "With every sensor, and with fewer: the others are masked, and nothing is trained again."
    return [drawing(intervals(points, metric), caption, alt="scores by sensors")]


def _inputs(run: Run, names: list[str]) -> str:
    everything = list(run.experiment.inputs)
    if set(names) == set(everything):
        return "all"
    without = [name for name in everything if name not in names]
    return f"all but {without[0]}" if len(without) == 1 < len(names) else " + ".join(names)


def _dates(rows: Rows, metric: str) -> list[Html]:
    counted = [row for row in rows if isinstance(row.get("dates"), (int, float))]
    if len({row["dates"] for row in counted}) < 2:
        return []
    found: dict[str, list[Any]] = {}
    for row in sorted(counted, key=lambda row: row["dates"]):
        found.setdefault(label_of(row), []).append((row["dates"], point(row, metric, label_of(row))))
    return [drawing(lines(found, metric, "dates of each series"), "With fewer dates.", alt="scores by dates")]


def _clouds(rows: Rows, metric: str) -> list[Html]:
    parts = [row for row in rows if row.get("clouds") is not None]
    points = [point(row, metric, str(row["clouds"]), label_of(row)) for row in parts]
    caption = "By clouds: the samples in parts, by how much of their sky was clear."
    return [drawing(intervals(points, metric), caption, alt="scores by clouds")] if points else []
