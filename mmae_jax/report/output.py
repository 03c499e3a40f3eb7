"""From a figure to pixels."""

from __future__ import annotations

import io

import numpy as np
from etils import epath
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from mmae_jax.formats import written_whole


def to_rgb(figure: Figure) -> np.ndarray:
    """Returns the figure as uint8 `[H, W, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_png(figure: Figure | np.ndarray, path: epath.PathLike) -> None:
    """Writes a figure to `path`, whose folder is made where absent; a reader never sees a half-written file.

    Args:
      figure: to be drawn, or its pixels (`to_rgb`).
      path: ends in `.png`.
    """
    pixels = to_rgb(figure) if isinstance(figure, Figure) else figure
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    png = io.BytesIO()
    imsave(png, pixels, format="png")
    with written_whole(path) as beside:
        beside.write_bytes(png.getvalue())
