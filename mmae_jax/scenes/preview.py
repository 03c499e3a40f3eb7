"""What went into a map and what came out, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from rasterio.enums import Resampling

from mmae_jax.report.output import save_png
from mmae_jax.report.style import GREY, new_figure
from mmae_jax.scenes.layers import Layer
from mmae_jax.scenes.thumbnails import LONGEST

WIDTH = 5.0
"""Of a picture [inches]."""
MOST_NAMED = 40
"""Classes in a legend."""
TITLES = {"": "map", "quality": "observed, percent of dates", "uncertainty": "uncertainty (entropy)"}
LIMITS = {"quality": (0, 100), "uncertainty": (0, 1)}


@dataclasses.dataclass(frozen=True)
class Panel:
    """A picture of one thing.

    Attributes:
      title: what it shows.
      pixels: float or classes `[H, W]`, masked where there is nothing.
      classes: names of the values from 0 on, where they are classes.
      colours: one `#rrggbb` a class.
      limits: least and largest value; those of the pixels if None.
    """

    title: str
    pixels: np.ma.MaskedArray
    classes: Sequence[str] = ()
    colours: Sequence[str] = ()
    limits: tuple[float, float] | None = None


def panels_of(layers: Sequence[Layer], files: Sequence[Path]) -> Iterator[Panel]:
    """Yields a picture of each file of a map; probabilities are too many to be shown."""
    for layer, file in zip(layers, files, strict=False):
        if layer.name == "probabilities":
            continue
        with rasterio.open(file) as raster:
            shrink = max(1.0, max(raster.shape) / LONGEST)
            shape = (raster.count, *(max(1, round(side / shrink)) for side in raster.shape))
            how = Resampling.nearest if layer.classes else Resampling.average
            pixels = raster.read(out_shape=shape, resampling=how, masked=True)
        title = layer.bands[0] if not layer.name and not layer.classes else TITLES[layer.name]
        values = pixels[0] if layer.classes else pixels.mean(axis=0) * layer.scale
        yield Panel(title, values, layer.classes, layer.colours, LIMITS.get(layer.name))


def save_preview(path: Path, title: str, given: str, image: np.ndarray, panels: Sequence[Panel]) -> None:
    """Draws a scene and what was made of it.

    Args:
      path: the PNG.
      title: of all.
      given: the sensor that the image is of.
      image: the scene, float `[H, W, 3]` in [0, 1].
      panels: the pictures beside it.
    """
    rows, columns = image.shape[:2]
    figure = new_figure(WIDTH * (1 + len(panels)), WIDTH * rows / columns + 1.6, title)
    axes = figure.subplots(1, 1 + len(panels), squeeze=False)[0]
    _frame(axes[0], f"{given}, as it was given")
    axes[0].imshow(image)
    for place, panel in zip(axes[1:], panels, strict=True):
        _draw(place, panel)
    save_png(figure, path)


def _draw(axes: Axes, panel: Panel) -> None:
    _frame(axes, panel.title)
    if not panel.classes:
        low, high = panel.limits or (None, None)
        drawn = axes.imshow(panel.pixels, cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
        axes.figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.8, pad=0.02)
        return
    colours = panel.colours or [GREY] * len(panel.classes)
    axes.imshow(panel.pixels, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, interpolation="nearest")
    there = np.unique(panel.pixels.compressed()).astype(int)[:MOST_NAMED]
    axes.legend(
        handles=[Patch(color=colours[index], label=panel.classes[index]) for index in there],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=3,
        fontsize=7,
        frameon=False,
    )


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
