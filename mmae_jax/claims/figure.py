"""Draws a finding: scores of all runs by arm, and differences with their intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae_jax.claims.finding import Finding
from mmae_jax.claims.verdict import FAILS, HOLDS
from mmae_jax.report.style import BLUE, GREY, ORANGE, PALE, new_figure, plain, readable, rows_of_classes

COLOURS = {HOLDS: BLUE, FAILS: ORANGE}


def figure(found: Finding) -> Figure:
    """Draws the scores at the left, a point a run, and the differences at the right, in points."""
    rows = max(len(found.arms), len(found.compared))
    drawn = new_figure(11.5, 1.6 + 0.45 * rows, f"{found.claim.replace('_', ' ')}, on {found.data}")
    left, right = drawn.subplots(1, 2)
    _scores(left, found)
    _differences(right, found)
    return drawn


def _scores(axes: Axes, found: Finding) -> None:
    plain(axes, grid="x")
    for row, arm in enumerate(found.arms.values()):
        runs = 100 * np.array(arm.scores).ravel()
        axes.plot(runs, np.full(len(runs), row), "o", color=GREY, alpha=0.45, markersize=5)
        axes.plot(100 * arm.mean, row, "|", color=BLUE, markersize=18, markeredgewidth=2.5)
    rows_of_classes(axes, list(found.arms))
    axes.set_xlabel(f"{readable(found.metric)} [points]", fontsize=9)


def _differences(axes: Axes, found: Finding) -> None:
    plain(axes, grid="x")
    axes.axvline(0, color=GREY, linewidth=1)
    for row, one in enumerate(found.compared):
        axes.axvspan(
            100 * one.least, 100 * (one.least + one.margin), color=PALE, zorder=0,
            ymin=1 - (row + 1) / len(found.compared), ymax=1 - row / len(found.compared),
        )  # fmt: skip
        colour = COLOURS.get(one.verdict, GREY)
        if one.low is not None and one.high is not None:
            axes.plot([100 * one.low, 100 * one.high], [row, row], color=colour, linewidth=2.5)
        axes.plot(100 * one.difference, row, "o", color=colour, markersize=7)
        axes.annotate(
            one.verdict, (100 * one.difference, row), (0, 8), textcoords="offset points", ha="center", fontsize=8,
            color=colour,
        )  # fmt: skip
    rows_of_classes(axes, [f"{one.better}\n− {one.worse}" for one in found.compared])
    axes.set_xlabel("difference [points]; shaded: too small to count", fontsize=9)
