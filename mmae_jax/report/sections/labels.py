"""How many labels it takes: the reason for pretraining."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mmae_jax.report.html import Absent, Html, drawing, joined, tag
from mmae_jax.report.intervals import Point, lines, point
from mmae_jax.report.look import Look
from mmae_jax.report.sections.scores import label_of, main_metric
from mmae_jax.report.workdir import Run


def content(run: Run, look: Look) -> Html:
    """Returns a figure of each target that was evaluated with several shares of its labels."""
    rows = [row for row in run.measured(dates=None, clouds=None) if row.get("label_fraction") is not None]
    parts: list[object] = []
    for target in dict.fromkeys(row["target"] for row in rows):
        of_target = [row for row in rows if row["target"] == target]
        if len({row["label_fraction"] for row in of_target}) < 2:
            continue
        metric = main_metric(run.experiment, target, of_target)
        found: dict[str, dict[float, list[Point]]] = {}
        for row in of_target:
            if metric in row["scores"] and run.sees_all(row):
                one = point(row, metric, label_of(row))
                found.setdefault(one.label, {}).setdefault(100 * row["label_fraction"], []).append(one)
        curves = {
            name: [(share, _mean(seeds)) for share, seeds in sorted(shares.items())]
            for name, shares in found.items()
            if len(shares) > 1
        }
        figure = lines(curves, metric, "share of the training labels [%]", log=True)
        caption = (
            "Bands are 95 % intervals; where several seeds drew the labels, they reach from the lowest to the highest."
        )
        parts += [tag("h3", target), drawing(figure, caption, alt=f"{metric} by share of labels")]
    if not parts:
        raise Absent("nothing was evaluated with a part of the labels")
    return joined(parts)


def _mean(seeds: list[Point]) -> Point:
    """Returns the mean of several seeds; one alone keeps its interval."""
    if len(seeds) == 1:
        return seeds[0]
    values: Any = np.array([one.value for one in seeds])
    return dataclasses.replace(seeds[0], value=float(values.mean()), low=float(values.min()), high=float(values.max()))
