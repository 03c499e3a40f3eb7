"""What the encoder tells apart: patches as colours, and tiles as points."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae_jax.report.html import Html, drawing, joined, paragraph, picture, tag
from mmae_jax.report.intervals import MARKERS
from mmae_jax.report.look import Look
from mmae_jax.report.style import EIGHT, GREY, PALE, new_figure, plain
from mmae_jax.report.workdir import Run
from mmae_jax.spec import Target

MAPS = 8


def content(run: Run, look: Look) -> Html:
    """Returns maps of the patches of some tiles, and a scatter of tiles by class."""
    phase, tiles, patches = look.vectors
    parts: list[object] = [paragraph(f"Vectors of {len(tiles)} tiles, by the encoder after {phase}.")]
    if patches.shape[1] > 1:
        parts.append(_maps(look, patches))
    for name in look.experiment.targets:
        target = look.experiment.dataset.targets[name]
        figure = _scatter(tiles, target, np.asarray(look.tiles.batch["targets"][name]))
        caption = "Each tile in the plane in which tiles differ most; colour and mark by class."
        parts += [tag("h3", name), drawing(figure, caption, alt=f"tiles by {name}")]
    return joined(parts)


def components(vectors: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns principal components of vectors `[N, C]`, `[N, number]`, and the share of the variance that each has.

    Vectors with NaN, parts of which are missing, count as the mean.
    """
    known = np.isfinite(vectors).all(axis=1)
    centred = np.where(known[:, None], vectors - vectors[known].mean(axis=0) if known.any() else 0, 0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    found = left * size
    found = np.pad(found, ((0, 0), (0, max(0, number - found.shape[1]))))[:, :number]
    shares = np.pad(size**2 / max((size**2).sum(), 1e-30), (0, number))[:number]
    return np.where(known[:, None], found, np.nan), shares


def _maps(look: Look, patches: np.ndarray) -> Html:
    shown = np.unique(np.linspace(0, len(patches) - 1, MAPS).round().astype(int))
    some = patches[shown]
    found, shares = components(some.reshape(-1, some.shape[-1]).astype(np.float64), 3)
    low, high = np.nanpercentile(found, (2, 98), axis=0)
    colours = np.clip((found - low) / np.maximum(high - low, 1e-12), 0, 1).reshape(*some.shape[:-1], 3)
    cards = [
        tag(
            "div",
            picture(look.tiles.pictures[at], alt=f"tile {look.tiles.names[at]}"),
            picture(image, alt="its patches"),
            tag("small", look.tiles.names[at]),
            class_="tile",
        )
        for at, image in zip(shown, colours, strict=True)
    ]
    said = (
        f"Patches as colours: red, green and blue are the first three principal components of all patches shown "
        f"({100 * shares.sum():.0f} % of their variance). Patches of one colour look alike to the encoder."
    )
    return joined([tag("h3", "Patches"), paragraph(said), tag("div", *cards, class_="tiles")])


def _scatter(tiles: np.ndarray, target: Target, truth: np.ndarray) -> Figure:
    found, shares = components(tiles.astype(np.float64), 2)
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    plain(axes, grid="both")
    if target.classes:
        _by_class(axes, found, target, class_of_tiles(target, truth))
    else:
        numbers = truth.reshape(len(truth), -1).astype(np.float64)
        numbers = np.where(np.isin(numbers, target.excluded), np.nan, numbers)
        known = np.isfinite(numbers).any(axis=1)
        values = np.array([np.nanmean(row) for row in numbers[known]])
        drawn = axes.scatter(found[known, 0], found[known, 1], c=values, cmap="cividis", s=26)
        figure.colorbar(drawn, ax=axes, label=target.field)
    axes.set_xlabel(f"first component ({100 * shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"second component ({100 * shares[1]:.0f} %)")
    return figure


def class_of_tiles(target: Target, truth: np.ndarray) -> np.ndarray:
    """Returns one class of each tile, int `[N]`, −1 where none is known.

    Of several classes, that which the fewest tiles have; of the classes of pixels, that of most.
    """
    if target.kind == "multilabel":
        there = truth == 1
        rarity = np.where(there, there.sum(axis=0), np.inf)
        return np.where(there.any(axis=1), rarity.argmin(axis=1), -1)
    if not target.is_raster:
        return np.where((truth >= 0) & (truth < target.num_classes) & ~np.isin(truth, target.excluded), truth, -1)
    found = []
    for pixels in truth:
        known = pixels[~np.isin(pixels, target.excluded)].astype(int)
        counts = np.bincount(known, minlength=1)
        found.append(int(counts.argmax()) if len(known) else -1)
    return np.array(found)


def _by_class(axes: Axes, points: np.ndarray, target: Target, classes: np.ndarray) -> None:
    order = np.argsort(-np.bincount(classes[classes >= 0], minlength=1), kind="stable")
    frequent = [index for index in order if (classes == index).any()]
    others = ~np.isin(classes, frequent[: len(EIGHT)])
    if others.any():
        axes.plot(*points[others].T, ".", color=PALE, markeredgecolor=GREY, markersize=8, label="other")
    for place, index in enumerate(frequent[: len(EIGHT)]):
        axes.plot(
            *points[classes == index].T, MARKERS[place], color=EIGHT[place], markersize=6, label=target.classes[index]
        )
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
