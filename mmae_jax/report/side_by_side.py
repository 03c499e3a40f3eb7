"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from mmae_jax.report.html import Absent, Html, drawing, interval, joined, paragraph, table, tag
from mmae_jax.report.intervals import Point, intervals, is_control, point
from mmae_jax.report.sections.scores import label_of, main_metric
from mmae_jax.report.sections.settings import cost
from mmae_jax.report.style import readable
from mmae_jax.report.workdir import Run


def compared(runs: Sequence[Run]) -> Html:
    """Returns figures and tables of the scores that runs share, and of differences that were measured."""
    parts = [*_evaluated(runs), *_phases(runs), *_differences(runs)]
    if not parts:
        raise Absent("no phase is finished, and nothing was evaluated")
    costs: list[object] = [part for run in runs for part in (tag("h3", f"Cost of {run.name}"), cost(run))]
    return joined([*parts, *costs])


def _evaluated(runs: Sequence[Run]) -> list[Html]:
    parts = []
    rows = [(run, row) for run in runs for row in run.whole()]
    for target in dict.fromkeys(row["target"] for _, row in rows):
        of_target = [(run, row) for run, row in rows if row["target"] == target]
        metric = main_metric(runs[0].experiment, target, [row for _, row in of_target])
        points: dict[tuple[str, str], Point] = {}
        for run, row in of_target:
            if metric in row["scores"] and not is_control(row):
                points.setdefault((label_of(row), run.name), point(row, metric, label_of(row), run.name))
        figure = intervals(list(points.values()), metric)
        caption = "With 95 % intervals of each run alone; whether two differ is said by the paired differences below."
        parts += [tag("h3", target), drawing(figure, caption, alt=f"{metric} of runs")]
    return parts


def _phases(runs: Sequence[Run]) -> list[Html]:
    """Returns the scores that phases wrote when they ended, on the last split that they have."""
    found: dict[str, list[Point]] = {}
    for run in runs:
        for phase, result in run.results.items():
            split = list(result.scores)[-1] if result.scores else ""
            names = [name for name in result.scores.get(split, {}) if "/" in name and not name.startswith("loss/")]
            for name in names:
                value = result.scores[split][name]
                found.setdefault(f"{name}, {split}", []).append(Point(f"{phase} of {run.name}", value))
    rows = list(dict.fromkeys(one.label for points in found.values() for one in points))
    if not rows:
        return []
    values = {name: {one.label: one.value for one in points} for name, points in found.items()}
    lines = [(row, *(values[name].get(row) for name in values)) for row in rows]
    return [
        tag("h3", "As phases were scored when they ended"),
        table(("", *map(readable, values)), lines),
        paragraph(tag("small", "Without intervals: a difference of the third digit says nothing.")),
    ]


def _differences(runs: Sequence[Run]) -> list[Html]:
    rows = [
        (
            f"{one['target']}, {one['protocol']}",
            readable(one["metric"]),
            f"{one['of']} − {one['against']}",
            interval(one["value"], one.get("low"), one.get("high")),
            "differ" if one.get("low") is not None and (one["low"] > 0 or one["high"] < 0) else "not told apart",
        )
        for run in runs
        for evaluation in run.evaluations.values()
        for one in evaluation.get("differences", ())
    ]
    if not rows:
        return []
    head = ("", "score", "difference", "95 % interval", "")
    return [tag("h3", "Paired differences"), table(head, rows)]
