"""What went into a map and what came out, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from mmae_jax.scenes.thumbnails import LONGEST, mosaic, shown_input
from mmae_jax.scenes.tiling import Tiling
from mmae_jax.spec import Experiment

WIDTH = 5.0
"""Of a picture [inches]."""
MOST_NAMED = 40
"""Classes in a legend."""


def save_preview(
    path: Path,
    experiment: Experiment,
    target: str,
    tiling: Tiling,
    pictures: Iterable[np.ndarray],
    layers: Sequence[Layer],
    files: Sequence[Path],
) -> None:
    """Draws the scene, its map, the uncertainty where it was written, and where most was observed.

    Args:
      path: the PNG.
      experiment: that of the model.
      target: what was predicted.
      tiling: the squares of the scene.
      pictures: one of each square, see `thumbnails`.
      layers: what the files hold.
      files: the GeoTIFFs.
    """
    shown = [layer for layer in layers if layer.name != "probabilities"]
    image = mosaic(list(pictures), tiling)
    rows, columns = image.shape[:2]
    figure = new_figure(
        WIDTH * (1 + len(shown)), WIDTH * rows / columns + 1.6, f"{target} of {experiment.dataset.name}"
    )
    axes = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
    _picture(axes[0], f"{shown_input(experiment)}, as it was given")
    axes[0].imshow(image)
    for panel, layer in zip(axes[1:], shown, strict=True):
        _draw(panel, layer, files[layers.index(layer)])
    save_png(figure, path)


def _draw(axes: Axes, layer: Layer, file: Path) -> None:
    with rasterio.open(file) as raster:
        shrink = max(1.0, max(raster.shape) / LONGEST)
        shape = (raster.count, *(max(1, round(side / shrink)) for side in raster.shape))
        how = Resampling.nearest if layer.classes else Resampling.average
        pixels = raster.read(out_shape=shape, resampling=how, masked=True)
    values = pixels.mean(axis=0) * layer.scale
    if layer.classes:
        _picture(axes, "map")
        colours = layer.colours or [GREY] * len(layer.classes)
        axes.imshow(
            pixels[0], cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5, interpolation="nearest"
        )
        there = np.unique(pixels[0].compressed())
        handles = [Patch(color=colours[i], label=layer.classes[i]) for i in there[:MOST_NAMED] if i < len(colours)]
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, fontsize=7, frameon=False
        )
        return
    names = {"": layer.bands[0], "quality": "observed, percent of dates", "uncertainty": "uncertainty (entropy)"}
    _picture(axes, names[layer.name])
    limits = {"quality": (0, 100), "uncertainty": (0, 1)}.get(layer.name, (None, None))
    drawn = axes.imshow(values, cmap="viridis", interpolation="nearest", vmin=limits[0], vmax=limits[1])
    axes.figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.8, pad=0.02)


def _picture(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
