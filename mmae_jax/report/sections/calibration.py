"""Whether a model that says 80 % is right in 80 of 100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmae_jax.report.html import Absent, Html, drawing, joined, table, tag
from mmae_jax.report.intervals import is_control
from mmae_jax.report.look import Look
from mmae_jax.report.sections.scores import label_of, mean_seed
from mmae_jax.report.style import BLUE, GREY, ORANGE, new_figure, plain
from mmae_jax.report.workdir import Run

COLUMNS = 3


def content(run: Run, look: Look) -> Html:
    """Returns a reliability diagram of each protocol, and its errors."""
    rows = [row for row in run.whole() if row.get("calibration") and not is_control(row)]
    if not rows:
        raise Absent("no probabilities were evaluated")
    parts: list[object] = []
    for target in dict.fromkeys(row["target"] for row in rows):
        of_target = mean_seed([row for row in rows if row["target"] == target])
        caption = (
            "Share of right predictions by what the model says it is; bars are the share of predictions. On the line, "
            "probabilities can be believed; below it, they are too sure of themselves."
        )
        lines = [
            (label_of(row), *(row["calibration"].get(name) for name in ("ece", "temperature", "ece_scaled")))
            for row in of_target
        ]
        head = ("", "expected calibration error", "temperature", "error at that temperature")
        parts += [tag("h3", target), drawing(_reliability(of_target), caption, alt="reliability"), table(head, lines)]
    return joined(parts)


def _reliability(rows: Sequence[Mapping[str, Any]]) -> Figure:
    columns = min(COLUMNS, len(rows))
    high = -(-len(rows) // columns)
    figure = new_figure(3.4 * columns, 3.4 * high)
    places = figure.subplots(high, columns, squeeze=False).flatten()
    for axes, row in zip(places, rows, strict=False):
        plain(axes, grid="both")
        bins = [one for one in row["calibration"]["bins"] if one["count"]]
        said, right, count = (
            np.array([one[name] for one in bins], float) for name in ("confidence", "accuracy", "count")
        )
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
        axes.bar(said, count / max(count.sum(), 1), width=0.05, color=ORANGE, alpha=0.45)
        axes.plot(said, right, "o-", color=BLUE, markersize=4.5, linewidth=1.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.set_title(label_of(row), fontsize=10)
        axes.set_xlabel("probability that the model says", fontsize=9)
        axes.set_ylabel("share that is right", fontsize=9)
    for axes in places[len(rows) :]:
        axes.remove()
    return figure
