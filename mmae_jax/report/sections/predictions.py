"""Some tiles with what is there and what is predicted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmae_jax.report import maps
from mmae_jax.report.html import Html, joined, paragraph, picture, tag
from mmae_jax.report.look import Look
from mmae_jax.report.workdir import Run
from mmae_jax.spec import Target

MAPS, CARDS = 6, 24
"""Tiles that are shown, of targets of pixels and of tiles."""


def content(run: Run, look: Look) -> Html:
    """Returns maps of targets of pixels, and pictures with the classes of targets of tiles."""
    phase, found = look.predictions
    tiles = look.tiles
    parts: list[object] = [
        paragraph(
            f"Tiles of the {tiles.split} split, from evenly spread places in it, predicted by the model of {phase}. "
            f"Pictures show {tiles.shown}, the median of its dates, all stretched alike."
        )
    ]
    for name, values in found.items():
        target, truth = run.experiment.dataset.targets[name], np.asarray(tiles.batch["targets"][name])
        shown = np.unique(np.linspace(0, len(values) - 1, MAPS if target.is_raster else CARDS).round().astype(int))
        parts.append(tag("h3", name))
        drawn = _maps if target.is_raster else _cards
        parts.append(drawn(look, target, truth[shown], values[shown], shown))
    return joined(parts)


def _maps(look: Look, target: Target, truth: np.ndarray, values: np.ndarray, shown: np.ndarray) -> Html:
    numeric = not target.classes
    predicted = values[..., 0] if numeric else values.argmax(axis=-1)
    truth, predicted = maps.shrunk(truth), maps.shrunk(predicted)
    there = maps.counted(target, truth)
    rows = []
    drawn = _numbers(truth, predicted, there) if numeric else _classes(target, truth, predicted, there)
    for at, images in zip(shown, drawn, strict=True):
        named = zip(("truth", "prediction", "error"), images, strict=True)
        first = picture(look.tiles.pictures[at], look.tiles.names[at], alt=f"tile {look.tiles.names[at]}")
        rows.append(tag("div", first, *(picture(image, what, alt=what) for what, image in named), class_="row"))
    if numeric:
        low, high = _range(truth, there)
        said = f"Numbers from {low:.4g} (dark) to {high:.4g} (light); errors: purple too high, orange too low."
        return joined([*rows, paragraph(tag("small", said))])
    classes = np.unique(np.concatenate([truth[there], predicted[there]]))
    return joined([maps.class_legend(target, classes), *rows, paragraph(tag("small", "Errors are dark."))])


def _classes(
    target: Target, truth: np.ndarray, predicted: np.ndarray, there: np.ndarray
) -> Iterator[tuple[np.ndarray, ...]]:
    for true, said, known in zip(truth, predicted, there, strict=True):
        right = maps.error_map(true, said, known)
        yield maps.class_map(target, true, known), maps.class_map(target, said, np.ones_like(known)), right


def _range(truth: np.ndarray, there: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(truth[there].astype(np.float64), (2, 98)) if there.any() else (0, 1)
    return float(low), float(high)


def _numbers(truth: np.ndarray, predicted: np.ndarray, there: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    low, high = _range(truth, there)
    spread = (high - low) / 2
    for true, said, known in zip(truth, predicted, there, strict=True):
        error = np.where(known, true.astype(np.float64) - said, 0)
        yield (
            maps.number_map(true, known, low, high),
            maps.number_map(said, np.ones_like(known), low, high),
            maps.number_map(error, known, -spread, spread, maps.DIFFERENCES),
        )


def _cards(look: Look, target: Target, truth: np.ndarray, values: np.ndarray, shown: np.ndarray) -> Html:
    cards = []
    for at, true, said in zip(shown, truth, values, strict=True):
        name = look.tiles.names[at]
        image = picture(look.tiles.pictures[at], alt=f"tile {name}")
        cards.append(tag("div", image, *_lines(target, true, said), tag("small", name), class_="tile"))
    marks = [tag("li", tag("span", word, class_=word)) for word in ("found", "missed", "false")]
    legend = [tag("ul", *marks, class_="legend")] if target.classes else []
    return joined([*legend, tag("div", *cards, class_="tiles")])


def _lines(target: Target, true: np.ndarray, said: np.ndarray) -> Iterator[Html]:
    """Yields what is true and what is said of one tile."""
    if not target.classes:
        yield tag("span", f"true {true:.4g}, predicted {said[0]:.4g}")
    elif target.kind == "classif":
        first = int(said.argmax())
        if first == true:
            yield _said("found", target, first, said)
        else:
            yield _said("false", target, first, said)
            yield _said("missed", target, int(true), said) if 0 <= true < target.num_classes else tag("i", "not known")
    else:
        for index in np.flatnonzero((true == 1) | (said > 0.5)):
            word = "false" if true[index] != 1 else "found" if said[index] > 0.5 else "missed"
            yield _said(word, target, int(index), said)


def _said(word: str, target: Target, index: int, said: np.ndarray) -> Html:
    return tag("span", f"{target.classes[index]} ", tag("small", f"{100 * said[index]:.0f} %"), class_=word)
