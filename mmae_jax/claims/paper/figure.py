"""Draws a table: our scores beside the published ones, a panel for each dataset."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae_jax.claims.paper.result import Entry, TableResult
from mmae_jax.claims.paper.table import PaperTable
from mmae_jax.report.style import BLUE, GREY, new_figure, plain, readable, rows_of_classes


def figure(found: TableResult, table: PaperTable) -> Figure:
    """Draws published scores as rings and ours as points, one a seed."""
    names = list(dict.fromkeys(one.dataset for one in found.entries))
    drawn = new_figure(3 + 2.4 * len(names), 1.6 + 0.4 * len(table.rows), found.title)
    for axes, name in zip(drawn.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        entries = [one for one in found.entries if one.dataset == name]
        _panel(axes, entries, list(table.rows))
        rows_of_classes(axes, [row.title for row in table.rows.values()])
        axes.set_title(table.datasets[name].title, fontsize=10)
        axes.set_xlabel(f"{readable(entries[0].metric.partition('/')[2])} [%]", fontsize=9)
    drawn.legend(*drawn.axes[0].get_legend_handles_labels(), loc="outside lower right", fontsize=8, frameon=False)
    return drawn


def _panel(axes: Axes, entries: list[Entry], rows: list[str]) -> None:
    plain(axes, grid="x")
    known = [(one.published, rows.index(one.row)) for one in entries if one.published is not None]
    ours = [(score, rows.index(one.row)) for one in entries for score in one.scores]
    axes.plot(*_columns(known), "o", color=GREY, fillstyle="none", markersize=9, label="published")
    axes.plot(*_columns(ours), "o", color=BLUE, markersize=5, label="here")


def _columns(points: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [x for x, _ in points], [y for _, y in points]
