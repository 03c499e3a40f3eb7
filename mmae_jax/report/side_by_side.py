"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmae_jax.report.html import Absent, Html, drawing, joined, table, tag
from mmae_jax.report.intervals import Point, intervals, is_control, point
from mmae_jax.report.sections.scores import differences, label_of, main_metric
from mmae_jax.report.sections.settings import cost
from mmae_jax.report.style import readable
from mmae_jax.report.workdir import Run


def compared(runs: Sequence[Run]) -> Html:
    """Returns figures and tables of the scores that runs share, of differences that were measured, and of the cost."""
    parts = [*_evaluated(runs), *_phases(runs)]
    if not parts:
        raise Absent("no phase is finished, and nothing was evaluated")
    return joined([*parts, tag("h3", "Cost"), *(cost(run, run.name) for run in runs)])


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
        parts += differences(runs, {target: metric})
    return parts


def _phases(runs: Sequence[Run]) -> list[Html]:
    """Returns the scores that phases wrote when they ended, on the last split that they have."""
    columns: dict[str, Mapping[str, float]] = {}
    for run in runs:
        for phase, result in run.results.items():
            split, scores = list(result.scores.items())[-1] if result.scores else ("", {})
            kept = {name: value for name, value in scores.items() if "/" in name and not name.startswith("loss/")}
            if kept:
                columns[f"{run.name}: {phase}, {split}"] = kept
    names = dict.fromkeys(name for scores in columns.values() for name in scores)
    rows = [(readable(name), *(scores.get(name) for scores in columns.values())) for name in names]
    caption = "Without intervals: of these, differences of the third digit say nothing."
    title = tag("h3", "As phases were scored when they ended")
    return [title, table(("", *columns), rows, caption)] if rows else []
