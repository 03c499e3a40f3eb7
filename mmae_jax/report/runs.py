"""Figures of whole runs: how scores came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmae_jax.report.style import GREY, PALETTE, new_figure, plain, readable

BOOKKEEPING = ("phase", "step", "epoch", "split")
SPLIT_STYLES = {"train": (PALETTE[0], "-"), "val": (PALETTE[1], "--"), "test": (PALETTE[2], ":")}


def training_curves(
    phase: str, entries: Sequence[Mapping[str, Any]], chosen_step: int | None = None, title: str | None = None
) -> Figure:
    """Draws each logged quantity of a phase over its epochs, the loss first, one panel per name, one line per split.

    Args:
      phase: name, one of `spec.PHASES`.
      entries: what `train.log.read_entries` returns; those of other phases are left out.
      chosen_step: of the checkpoint that was chosen, marked in each panel.
      title: shown above; the phase by default.

    Raises:
      ValueError: nothing was logged in the phase.
    """
    ours = [entry for entry in entries if entry["phase"] == phase]
    names = sorted({name: 0 for entry in ours for name in entry if name not in BOOKKEEPING}, key=_rank)
    if not names:
        raise ValueError(f"expected entries of phase {phase}, found those of {sorted({e['phase'] for e in entries})}")
    # An epoch has as many steps as its last entry says; entries within it would make it shorter.
    per_epoch = max(entry["step"] / entry["epoch"] if entry["epoch"] else entry["step"] for entry in ours)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    title = phase if title is None else title
    top = 0.8 if title else 0.3
    width, height = 1.0 + 3.6 * columns, 0.1 + top + 2.4 * rows
    figure = new_figure(width, height, title)
    # Panels of one size need no search for a layout, which took three quarters of the time to draw them.
    figure.set_layout_engine("none")
    inner = {"left": 0.7 / width, "right": 1 - 0.2 / width, "bottom": 0.6 / height, "top": 1 - top / height}
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.25, "hspace": 0.45} | inner)
    panels = panels.flatten()
    for axes, name in zip(panels, names, strict=False):
        _curves(axes, name, ours, per_epoch, chosen_step)
    panels[0].legend(fontsize=8, frameon=False)
    for axes in panels[len(names) :]:
        axes.remove()
    return figure


def _rank(name: str) -> tuple[int, bool]:
    """Orders quantities: the loss, its parts, scores, the health of embeddings, then what the optimiser did."""
    kinds = (name == "loss", name.startswith("loss/"), "/" in name and not name.startswith("embedding/"), "/" in name)
    return kinds.index(True) if any(kinds) else len(kinds), not name.startswith(("learning", "gradient"))


def _curves(
    axes: Axes, name: str, entries: Sequence[Mapping[str, Any]], per_epoch: float, chosen_step: int | None
) -> None:
    plain(axes, grid="both")
    for split in dict.fromkeys(entry["split"] for entry in entries if name in entry):
        points = [(e["step"] / per_epoch, e[name]) for e in entries if e["split"] == split and e.get(name) is not None]
        colour, line = SPLIT_STYLES.get(split, (GREY, "-."))
        epochs, values = zip(*points, strict=True) if points else ((), ())
        marker = "o" if len(points) < 30 else None
        axes.plot(epochs, values, line, color=colour, linewidth=1.6, marker=marker, markersize=3.5, label=split)
    if chosen_step is not None:
        axes.axvline(chosen_step / per_epoch, color=GREY, linewidth=1, linestyle=(0, (1, 2)), label="chosen", zorder=1)
    axes.set_title(readable(name), fontsize=10)
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.margins(x=0.02)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4))
