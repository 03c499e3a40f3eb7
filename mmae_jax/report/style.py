"""Colours and axes that all figures share."""

from __future__ import annotations

import re

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mmae_jax.spec import Target

# Okabe and Ito: told apart by every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY)
BROWN, INK = "#7A5C3E", "#1A1A1A"
EIGHT = (*PALETTE, BROWN, INK)
"""The most colours that are told apart without a look at the legend."""
GREY = "#5F6670"
PALE = "#E3E5E8"
NAMES = {"lr": "learning rate", "f1": "F1", "ap": "AP", "iou": "IoU"}


def class_colours(target: Target) -> np.ndarray:
    """Returns the colour of each class, uint8 `[K, 3]`: as the dataset is usually shown, else ones told apart."""
    many = [to_hex(colormaps[name](index)) for name in ("tab20", "tab20b", "tab20c") for index in range(20)]
    own = EIGHT if target.num_classes <= len(EIGHT) else many
    names = target.colours or [own[index % len(own)] for index in range(target.num_classes)]
    return np.array([[round(255 * part) for part in to_rgb(name)] for name in names], np.uint8).reshape(-1, 3)


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Returns an empty figure of `width × height` inches whose parts never overlap."""
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    if title:
        figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


def plain(axes: Axes, *, grid: str) -> None:
    """Leaves only what helps reading: grid lines of one axis (`x`, `y`), or of `both`, behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(color=GREY, labelsize=9)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=PALE, linewidth=0.8)  # type: ignore[arg-type]


def rows_of_classes(axes: Axes, classes: list[str]) -> None:
    """Labels one row per class, the first at the top."""
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def right_column(axes: Axes, texts: list[str], heading: str) -> None:
    """Writes one text per row, and a heading above, to the right of the axes."""
    transform = axes.get_yaxis_transform()
    for row, text in enumerate(texts):
        axes.text(1.03, row, text, transform=transform, va="center", fontsize=8, color=GREY)
    axes.text(1.03, 1.01, heading, transform=axes.transAxes, va="bottom", fontsize=8, color=GREY, style="italic")


def bar_text(axes: Axes, text: str, end: float, row: int, *, bold: bool = False) -> None:
    """Writes `text` just after the bar of `row` that ends at `end`."""
    axes.annotate(
        text,
        (end, row),
        (3, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=GREY,
        weight="bold" if bold else "normal",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def readable(name: str) -> str:
    """Returns the name of a logged quantity as one would write it, e.g. `trees/weighted_f1` as `trees/weighted F1`."""
    return re.sub(r"[a-z0-9]+", lambda word: NAMES.get(word[0], word[0]), name).replace("_", " ")
