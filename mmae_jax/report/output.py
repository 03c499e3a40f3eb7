"""From a figure to pixels."""

from __future__ import annotations

import io

import numpy as np
from etils import epath
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def to_rgb(figure: Figure) -> np.ndarray:
    """Returns the figure as uint8 `[H, W, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_png(figure: Figure, path: epath.PathLike) -> None:
    """Writes the figure to `path`, whose folder is made where absent; a reader never sees a half-written file."""
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_bytes(png.getvalue())
    beside.replace(path)
