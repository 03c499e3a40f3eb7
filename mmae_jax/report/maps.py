"""Targets of pixels as pictures: classes in their colours, numbers in shades, errors in light and dark."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps

from mmae_jax.report.html import Html, tag
from mmae_jax.report.style import class_colours
from mmae_jax.spec import Target

RIGHT, WRONG = (0.90, 0.93, 0.96), (0.55, 0.16, 0.0)
LARGEST = 192
"""Pixels of a map's side."""
NUMBERS, DIFFERENCES = "cividis", "PuOr"


def counted(target: Target, truth: np.ndarray) -> np.ndarray:
    """Returns which pixels have a value that counts, bool of the shape of `truth`."""
    there: np.ndarray = np.isfinite(truth.astype(np.float64)) & ~np.isin(truth, target.excluded)
    return there


def shrunk(values: np.ndarray) -> np.ndarray:
    """Returns every n-th pixel of the last two axes, so that sides are at most `LARGEST`."""
    every = -(-values.shape[-1] // LARGEST)
    return values[..., ::every, ::every]


def striped(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns an image (float `[H, W, 3]`) with grey stripes where nothing is known."""
    diagonal = np.add.outer(np.arange(where.shape[0]), np.arange(where.shape[1]))
    stripes = np.where((diagonal // 2 % 2)[..., None], 0.78, 0.95)
    return np.where(where[..., None], stripes, image)


def class_map(target: Target, classes: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Returns classes `[H, W]` in their colours, float `[H, W, 3]` in [0, 1]."""
    index = np.where(there, classes, 0).astype(int)
    return striped(class_colours(target)[index] / 255, ~there)


def error_map(truth: np.ndarray, predicted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Returns right pixels light and wrong ones dark."""
    return striped(np.where((truth == predicted)[..., None], RIGHT, WRONG), ~there)


def number_map(values: np.ndarray, there: np.ndarray, low: float, high: float, colours: str = NUMBERS) -> np.ndarray:
    """Returns numbers `[H, W]` in shades between `low` and `high`."""
    scaled = np.clip((np.where(there, values, low).astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
    return striped(colormaps[colours](scaled)[..., :3], ~there)


def class_legend(target: Target, shown: np.ndarray) -> Html:
    """Returns the colours and names of the classes `shown`, as indices."""
    colours = class_colours(target)
    items = [
        tag("li", tag("i", style="background: rgb({}, {}, {})".format(*colours[index])), target.classes[index])
        for index in shown
    ]
    stripes = "repeating-linear-gradient(45deg, #c7c7c7 0 2px, #f2f2f2 2px 4px)"
    items.append(tag("li", tag("i", style=f"background: {stripes}"), "not known"))
    return tag("ul", *items, class_="legend")
