"""Figures of the scores of one target, class by class (docs/method.md §8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mmae_jax.metrics import ClassScores
from mmae_jax.report.style import (
    BLUE,
    ORANGE,
    PALE,
    PURPLE,
    bar_text,
    new_figure,
    plain,
    readable,
    right_column,
    rows_of_classes,
)

NUMBERED_CLASSES = 20


def class_scores(title: str, scores: ClassScores, classes: Sequence[str], metric: str) -> Figure:
    """Draws one bar per class, best first, with the number of samples or pixels of the class.

    Args:
      title: shown above.
      scores: scores of one target.
      classes: names of the C classes.
      metric: a name of `scores.per_class`.
    """
    values = scores.per_class[metric]
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    figure = new_figure(7.5, 1.5 + 0.26 * len(classes), title)
    axes = figure.subplots()
    plain(axes, grid="x")
    axes.barh(range(len(order)), np.nan_to_num(values[order]), color=BLUE, height=0.72)
    for row, value in enumerate(values[order]):
        text, start = ("not scored", 0.0) if np.isnan(value) else (f"{value:.2f}", value)
        bar_text(axes, text, start, row)
    if not np.isnan(values).all():
        mean = np.nanmean(values)
        axes.axvline(mean, color=ORANGE, linewidth=1.4, linestyle="--", label=f"mean {mean:.3f}")
        axes.legend(loc="lower right", fontsize=8, framealpha=0.9)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel(readable(metric))
    rows_of_classes(axes, [classes[index] for index in order])
    right_column(axes, [f"{scores.support[index]:,}" for index in order], "support")
    return figure


def confusion(title: str, scores: ClassScores, classes: Sequence[str]) -> Figure:
    """Draws which classes are taken for which: a matrix in percent of each true class, or found and missed samples.

    Multilabel classes do not exclude each other; for them, each class has a bar of the samples where it is true or
    predicted: found, missed and false.

    Args:
      title: shown above.
      scores: scores of one target.
      classes: names of the C classes.
    """
    draw = _matrix if scores.confusion.ndim == 2 else _found_and_missed
    return draw(title, scores, list(classes))


def _matrix(title: str, scores: ClassScores, classes: list[str]) -> Figure:
    count = len(classes)
    share = 100 * scores.confusion / np.maximum(scores.support, 1)[:, None]
    numbered = count <= NUMBERED_CLASSES
    side = max(2.5, (0.42 if numbered else 0.2) * count)
    name_width = 0.07 * max(len(name) for name in classes)
    figure = new_figure(side + name_width + 2.3, side + 0.7 * name_width + 1.0, title)
    axes = figure.subplots()
    image = axes.imshow(np.where(scores.support[:, None] > 0, share, np.nan), cmap="Blues", vmin=0, vmax=100)
    axes.set_facecolor(PALE)
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.8, pad=0.02).outline.set_visible(False)
    size = 9 if numbered else 7
    axes.set_xticks(range(count), classes, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(
        range(count), [f"{name}  ({n:,})" for name, n in zip(classes, scores.support, strict=True)], fontsize=size
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (support)")
    if numbered:
        for row, column in np.argwhere(share >= 0.5):
            colour = "white" if share[row, column] > 55 else "black"
            axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def _found_and_missed(title: str, scores: ClassScores, classes: list[str]) -> Figure:
    parts = {
        "found": (scores.confusion[:, 1, 1], BLUE),
        "missed": (scores.confusion[:, 1, 0], ORANGE),
        "false": (scores.confusion[:, 0, 1], PURPLE),
    }
    total = np.maximum(sum(counts for counts, _ in parts.values()), 1)
    figure = new_figure(7.5, 1.8 + 0.26 * len(classes), title)
    axes = figure.subplots()
    plain(axes, grid="x")
    start = np.zeros(len(classes))
    for name, (counts, colour) in parts.items():
        width = 100 * counts / total
        bars = axes.barh(range(len(classes)), width, left=start, color=colour, height=0.72, label=name)
        texts = [f"{n:,}" if share > 9 else "" for n, share in zip(counts, width, strict=True)]
        axes.bar_label(bars, texts, label_type="center", fontsize=7, color="white" if colour == BLUE else "black")
        start += width
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the samples where the class is true or predicted")
    rows_of_classes(axes, classes)
    right_column(axes, [f"{n:,}" for n in scores.support], "support")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure
