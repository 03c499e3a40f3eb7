"""The sheet as a picture: a row for each tile."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from data_prep.preview.cards import Card, Sheet
from mmae_jax.report.display import shown_bands
from mmae_jax.report.reconstruction import MISSING
from mmae_jax.report.style import GREY, class_colours, new_figure

CELL, TOLD, GAP = 1.15, 3.0, 0.24
"""Inches: side of a picture, width of what is said, and space below a picture for its date."""
HEAD, LINE = 0.95, 44
"""Inches above the first row; characters of a line."""


def sheet_figure(sheet: Sheet, title: str) -> Figure:
    """Draws a row for each tile: what is said of it, its images by date, and the maps of its targets."""
    images = {name: sheet.images(name) for name in sheet.dataset.modalities}
    rasters = [name for name in sheet.dataset.targets if all(name in card.rasters for card in sheet.cards)]
    wide = {name: sheet.columns(name) for name in images} | dict.fromkeys(rasters, 1)
    legends = [name for name in rasters if sheet.dataset.targets[name].classes]
    rows, below = len(sheet.cards), 0.3 + 0.9 * len(legends)
    width, height = TOLD + CELL * sum(wide.values()) + 0.3, HEAD + rows * (CELL + GAP) + below
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    figure.text(0.15 / width, 1 - 0.3 / height, title, fontsize=13, fontweight="bold", va="center")
    bands = ";  ".join(f"{name}: {shown_bands(one.bands)}" for name, one in sheet.dataset.modalities.items())
    figure.text(0.15 / width, 1 - 0.55 / height, bands, fontsize=8, color=GREY, va="center")
    maps = {name: sheet.maps(name) for name in rasters}
    for row, card in enumerate(sheet.cards):
        bottom = height - HEAD - (row + 1) * (CELL + GAP) + GAP
        _tell(figure, card, 0.15 / width, (bottom + CELL - 0.08) / height)
        left = TOLD
        for name, number in wide.items():
            shown = [maps[name][row]] if name in maps else images[name].get(row, [])
            for place in range(number):
                where = (left / width, bottom / height, (CELL - 0.1) / width, (CELL - 0.1) / height)
                axes = figure.add_axes(where)
                _draw(axes, shown[place] if place < len(shown) else None)
                said = card.series[name][place].said if name not in maps and place < len(shown) else ""
                axes.set_xlabel(said, fontsize=6.5, color=GREY, labelpad=2)
                if row == 0 and place == 0:
                    axes.set_title(name, fontsize=9, loc="left", fontweight="bold")
                left += CELL
    for place, name in enumerate(legends):
        _legend(figure, sheet, name, (0.9 * (len(legends) - place) - 0.05) / height)
    return figure


def _tell(figure: Figure, card: Card, left: float, top: float) -> None:
    labels = [f"{name}: {label}" for name, label in card.labels.items()]
    periods = [f"{name}: {period}" for name, period in card.period.items()]
    figure.text(left, top, f"{card.split}  ·  {card.name}"[:LINE], fontsize=7.5, fontweight="bold", va="top")
    told = "\n".join(part for line in (*labels, *periods) for part in textwrap.wrap(line, LINE + 6))
    figure.text(left, top - 0.17 / figure.get_size_inches()[1], told, fontsize=7, va="top", linespacing=1.35)


def _draw(axes: Axes, image: np.ndarray | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(GREY)
    axes.spines[:].set_linewidth(0.5)
    if image is None:
        axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    axes.imshow(np.where(np.isnan(image), to_rgb(MISSING), image), interpolation="nearest", aspect="auto")


def _legend(figure: Figure, sheet: Sheet, name: str, top: float) -> None:
    target, colours = sheet.dataset.targets[name], class_colours(sheet.dataset.targets[name]) / 255
    handles = [Patch(facecolor=colours[index], label=target.classes[index]) for index in sheet.classes(name)]
    width = figure.get_size_inches()[0]
    figure.legend(
        handles=handles,
        title=name,
        loc="upper left",
        bbox_to_anchor=(0.1 / width, top),
        ncols=max(1, int(width // 1.6)),
        fontsize=7.5,
        title_fontsize=8,
        frameon=False,
        alignment="left",
    )
