"""Figures of `statistics.json`, in the style of `mmae_jax.report`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster import hierarchy

from mmae_jax.report.style import BLUE, GREY, ORANGE, PALE, PALETTE, bar_text, new_figure, plain, rows_of_classes

Plain = dict[str, Any]

COLUMNS = 4
SHOWN_BINS = 96
SHOWN_SHARE = 0.002
NAMES = {"s2": "Sentinel-2", "s1": "Sentinel-1", "s1_asc": "Sentinel-1 ascending", "s1_des": "Sentinel-1 descending"}


def figures(statistics: Plain) -> dict[str, Figure]:
    """Returns file name (without ending) → figure."""
    dataset, drawn = statistics["dataset"], {}
    for name, modality in statistics["modalities"].items():
        title = NAMES.get(name, name)
        drawn[f"{name}_histograms"] = histograms(f"{title} band histograms ({dataset})", modality)
        if len(modality["bands"]) > 1:
            drawn[f"{name}_correlation"] = correlation(f"{title} band correlation ({dataset})", modality)
    drawn["dates"] = coverage(f"Acquisitions per month ({dataset})", statistics["modalities"])
    for name, target in statistics["targets"].items():
        if "classes" in target:
            drawn[f"{name}_classes"] = classes(f"{name} ({dataset})", target)
        else:
            drawn[f"{name}_histogram"] = numbers(f"{name} ({dataset})", name, target)
    return drawn


def histograms(title: str, modality: Plain) -> Figure:
    """Draws the histogram of each band of a modality, all on the same axis of values, with mean and deviation."""
    bands = modality["bands"]
    columns = min(COLUMNS, len(bands))
    rows = -(-len(bands) // columns)
    figure = new_figure(1.2 + 2.6 * columns, 1.1 + 2.0 * rows, title)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    low, high = _shown_range([band["histogram"] for band in bands.values()])
    for axes, (name, band) in zip(panels, bands.items(), strict=False):
        _histogram(axes, name, band, low, high)
    for axes in panels[len(bands) :]:
        axes.remove()
    for axes in panels[max(0, len(bands) - columns) : len(bands)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(f"stored value ({modality['unit']})", fontsize=10)
    figure.supylabel("% of the values", fontsize=10)
    return figure


def _shown_range(parts: list[Plain]) -> tuple[float, float]:
    """Returns what the axis shows: all but the outermost 0.2 % of each band's values."""
    ends = []
    for part in parts:
        shares = np.cumsum(part["counts"]) / max(sum(part["counts"]), 1)
        if len(shares):
            first, last = np.searchsorted(shares, [SHOWN_SHARE, 1 - SHOWN_SHARE])
            ends.append([part["first_edge"] + part["bin_width"] * place for place in (first, last + 1)])
    return (min(end[0] for end in ends), max(end[1] for end in ends)) if ends else (0.0, 1.0)


def _histogram(axes: Axes, name: str, band: Plain, low: float, high: float) -> None:
    plain(axes, grid="y")
    axes.set_title(name, fontsize=10, fontweight="bold")
    axes.set_xlim(low, high)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 5))
    part = band["histogram"]
    if not part["counts"]:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", color=GREY)
        return
    merged = max(1, math.ceil((high - low) / part["bin_width"] / SHOWN_BINS))
    counts = np.array(part["counts"])
    counts = np.pad(counts, (0, -len(counts) % merged)).reshape(-1, merged).sum(1)
    edges = part["first_edge"] + part["bin_width"] * merged * np.arange(len(counts) + 1)
    axes.stairs(100 * counts / band["values"], edges, fill=True, color=BLUE, alpha=0.85)
    axes.axvline(band["mean"], color=ORANGE, linewidth=1.4, linestyle="--")
    text = f"mean {band['mean']:.4g}\nstd {band['standard_deviation']:.4g}"
    if band["missing_fraction"]:
        text += f"\nmissing {100 * band['missing_fraction']:.2g} %"
    axes.text(0.97, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=GREY)


def correlation(title: str, modality: Plain) -> Figure:
    """Draws the correlation of each pair of bands."""
    names = list(modality["bands"])
    matrix = np.array(modality["correlation"]["matrix"], float)
    side = max(2.2, 0.52 * len(names))
    figure = new_figure(side + 2.0, side + 1.0, title)
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_facecolor(PALE)
    figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02).outline.set_visible(False)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(np.isfinite(matrix)):
        colour = "white" if abs(matrix[row, column]) > 0.6 else "black"
        text = f"{matrix[row, column]:.2f}".replace("0.", ".")
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
    return figure


def coverage(title: str, modalities: Plain) -> Figure:
    """Draws the acquisitions of each modality per month, with acquisitions per tile and clear dates beside."""
    months = sorted({month for modality in modalities.values() for month in modality["acquisitions_per_month"]})
    figure = new_figure(max(6.0, 2.5 + 0.16 * len(months)), 1.0 + 1.3 * len(modalities), title)
    for axes, (name, modality) in zip(
        figure.subplots(len(modalities), 1, sharex=True, squeeze=False)[:, 0], modalities.items(), strict=True
    ):
        plain(axes, grid="y")
        found = modality["acquisitions_per_month"]
        axes.bar(range(len(months)), [found.get(month, 0) for month in months], color=BLUE, width=0.8)
        axes.set_title(_coverage_title(name, modality), fontsize=9, loc="left")
    step = max(1, len(months) // 18)
    axes.set_xticks(range(0, len(months), step), months[::step], rotation=45, ha="right", rotation_mode="anchor")
    figure.supxlabel("month; those without any acquisition are left out", fontsize=10)
    return figure


def _coverage_title(name: str, modality: Plain) -> str:
    spread = modality["acquisitions_per_tile"]
    text = f"{name}: "
    if spread["minimum"] == spread["maximum"]:
        text += f"{spread['minimum'] or 0} a tile"
    else:
        text += f"{spread['minimum']} to {spread['maximum']} a tile, median {spread['median']}"
    if modality["tiles_without"]:
        text += f"; {modality['tiles_without']:,} tiles without"
    masks = modality["masks"]
    if masks and masks["clear_dates"] is not None:
        text += f"; {100 * masks['clear_dates']:.0f} % of the dates clear"
        for channel, found in masks["channels"].items():
            text += "" if found["mean_percent"] is None else f", {channel} {found['mean_percent']:.0f} %"
    return text


def classes(title: str, target: Plain) -> Figure:
    """Draws how frequent each class is."""
    numbers = target["classes"] | {f"left out ({value})": number for value, number in target["ignored"].items()}
    shares = [100 * number / max(target["total"], 1) for number in numbers.values()]
    figure = new_figure(7.5, 1.2 + 0.26 * len(numbers), title)
    axes = figure.subplots()
    plain(axes, grid="x")
    colours = [BLUE] * len(target["classes"]) + [GREY] * len(target["ignored"])
    axes.barh(range(len(numbers)), shares, color=colours, height=0.72)
    for row, (number, share) in enumerate(zip(numbers.values(), shares, strict=True)):
        bar_text(axes, f"{share:.2g} %  ({number:,})", share, row)
    axes.set_xlim(0, 1.25 * max(*shares, 1e-9))
    axes.set_xlabel(f"% of {target['total']:,} {target['counted']}")
    rows_of_classes(axes, list(numbers))
    return figure


def numbers(title: str, name: str, target: Plain) -> Figure:
    """Draws the histogram of a target of numbers, with mean and deviation."""
    figure = new_figure(5.5, 3.6, title)
    axes = figure.subplots()
    _histogram(axes, name, target, *_shown_range([target["histogram"]]))
    axes.set_xlabel("stored value")
    axes.set_ylabel(f"% of the {target['counted']} with a value")
    return figure


def dendrogram(title: str, bands: Sequence[str], linkage: np.ndarray, threshold: float) -> Figure:
    """Draws how bands merge in `linkage` (scipy's matrix), and the threshold below which they are one group."""
    figure = new_figure(6.5, 1.5 + 0.3 * len(bands), title)
    axes = figure.subplots()
    plain(axes, grid="x")
    hierarchy.set_link_color_palette([colour for colour in PALETTE if colour != ORANGE])  # there is no argument for it
    hierarchy.dendrogram(
        linkage,
        orientation="left",
        labels=list(bands),
        ax=axes,
        color_threshold=threshold,
        above_threshold_color=GREY,
    )
    hierarchy.set_link_color_palette(None)
    axes.axvline(threshold, color=ORANGE, linewidth=1.4, linestyle="--", label=f"threshold {threshold:.3g}")
    axes.set_xlabel("1 − correlation")
    axes.legend(loc="upper left", fontsize=8)
    return figure
