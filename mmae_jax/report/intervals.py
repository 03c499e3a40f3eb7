"""Scores with their intervals, as points on a line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmae_jax.report.style import BLUE, GREY, ORANGE, PALETTE, new_figure, plain, readable, rows_of_classes

MARKERS = "os^Dv*PX"


@dataclasses.dataclass(frozen=True)
class Point:
    """A score.

    Attributes:
      label: of its row; points of one label share a row.
      value: NaN where there is none.
      low, high: its interval of 95 %; None where it is not known.
      control: whether it is a control, drawn hollow.
      group: which colour and marker it has; points of one group have the same.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    control: bool = False
    group: str = ""


def point(row: Mapping[str, Any], metric: str, label: str, group: str = "") -> Point:
    """Returns a score of a result of `evaluate`."""
    score = row["scores"][metric]
    value = float("nan") if score["value"] is None else score["value"]
    return Point(label, value, score.get("low"), score.get("high"), is_control(row), group)


def is_control(row: Mapping[str, Any]) -> bool:
    """Returns whether a result is not that of the model."""
    return row.get("of", "checkpoint") != "checkpoint"


def intervals(points: Sequence[Point], metric: str) -> Figure:
    """Draws scores as points with lines from end to end of their intervals, one row a label.

    Args:
      points: in order, the first at the top.
      metric: what they are scores of.
    """
    labels = list(dict.fromkeys(one.label for one in points))
    groups = list(dict.fromkeys(one.group for one in points))
    figure = new_figure(8.6, 1.1 + 0.34 * len(labels) * max(1, len(groups) / 2))
    axes = figure.subplots()
    plain(axes, grid="x")
    for one in points:
        index = groups.index(one.group)
        row = labels.index(one.label) + (index - (len(groups) - 1) / 2) * 0.6 / max(len(groups), 1)
        colour = GREY if one.control else PALETTE[index % len(PALETTE)]
        if np.isnan(one.value):
            continue
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=2, solid_capstyle="butt", zorder=2)
        face = "white" if one.control else colour
        axes.plot(one.value, row, MARKERS[index % len(MARKERS)], color=colour, markerfacecolor=face, markersize=6.5)
        axes.annotate(
            f"{one.value:.3f}", (max(one.value, one.high or one.value), row), (5, 0), textcoords="offset points",
            va="center", fontsize=8, color=GREY,
        )  # fmt: skip
    rows_of_classes(axes, labels)
    axes.set_xlabel(readable(metric))
    axes.margins(x=0.12)
    if len(groups) > 1:
        handles = [
            axes.plot([], [], MARKERS[index % len(MARKERS)], color=PALETTE[index % len(PALETTE)], label=group)[0]
            for index, group in enumerate(groups)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def lines(
    points: Mapping[str, Sequence[tuple[float, Point]]], metric: str, xlabel: str, *, log: bool = False
) -> Figure:
    """Draws scores over a number, a line for each name, with bands between the ends of their intervals.

    Args:
      points: name → places and scores, in order of the places.
      metric: what they are scores of.
      xlabel: what the places are.
      log: whether places are on a logarithmic axis.
    """
    figure = new_figure(7.6, 4.2)
    axes = figure.subplots()
    plain(axes, grid="both")
    for index, (name, of_name) in enumerate(points.items()):
        places, found = [place for place, _ in of_name], [one for _, one in of_name]
        control = all(one.control for one in found)
        colour = GREY if control else (BLUE, ORANGE, *PALETTE[2:])[index % len(PALETTE)]
        values = [one.value for one in found]
        marker = MARKERS[index % len(MARKERS)]
        style = "--" if control else "-"
        axes.plot(places, values, style, marker=marker, color=colour, markersize=6, linewidth=1.6, label=name)
        ends = [(one.low, one.high) for one in found]
        if all(low is not None and high is not None for low, high in ends):
            low, high = np.array(ends, float).T
            axes.fill_between(places, low, high, color=colour, alpha=0.14, linewidth=0)
    if log:
        axes.set_xscale("log")
    every = sorted({place for of_name in points.values() for place, _ in of_name})
    axes.set_xticks(every, [f"{place:g}" for place in every])
    axes.minorticks_off()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(readable(metric))
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure
