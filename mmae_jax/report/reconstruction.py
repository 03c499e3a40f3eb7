"""What a masked autoencoder saw, what it made of it, and what was there (docs/method.md §5–7)."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.colors import to_rgb as colour_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmae_jax.report.display import display_bands, limits, to_image
from mmae_jax.report.style import GREY, new_figure

MASKED, MISSING = "#C9C2E0", "#F4DDB4"
COLUMNS = ("input", "masked input", "reconstruction", "target")


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """Images of one modality; D dates of one sample or D samples, one row of the figure each.

    Attributes:
      bands: C band names.
      labels: D row labels, such as dates.
      input: float `[D, C, H, W]`, what the model would see unmasked.
      masked: bool `[D, C or 1, H, W]`, what it did not see.
      reconstruction: float `[D, C, H, W]`, in the space of `target`; only masked pixels are shown.
      target: float `[D, C, H, W]`, what was to be reconstructed (normalised per patch or not).
      valid: bool `[D, H, W]` or `[D, 1, 1]`, False where there are no data.
    """

    bands: tuple[str, ...]
    labels: tuple[str, ...]
    input: np.ndarray
    masked: np.ndarray
    reconstruction: np.ndarray
    target: np.ndarray
    valid: np.ndarray


def reconstruction(title: str, images: Reconstruction, max_rows: int = 4) -> Figure:
    """Draws input, masked input, reconstruction and target side by side.

    Brightness is stretched per band over all rows; input and masked input share it, as do reconstruction and target.

    Args:
      title: name of the modality.
      images: what to draw.
      max_rows: dates or samples shown, evenly spread over those with data.
    """
    shown = _select(images, max_rows)
    chosen = display_bands(images.bands)
    columns = _columns(shown, chosen)
    rows = len(shown.labels)
    figure = new_figure(8.4, 2.0 * rows + 1.0, f"{title}  ·  {_channels(images.bands, chosen)}")
    for row, axes_of_row in enumerate(figure.subplots(rows, len(COLUMNS), squeeze=False)):
        for axes, heading, column in zip(axes_of_row, COLUMNS, columns, strict=True):
            axes.imshow(column[row], interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(GREY)
            axes.spines[:].set_linewidth(0.5)
            if row == 0:
                axes.set_title(heading, fontsize=10)
        axes_of_row[0].set_ylabel(shown.labels[row], fontsize=9)
    legend = [Patch(facecolor=MASKED, label="masked (not seen)"), Patch(facecolor=MISSING, label="no data")]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def _select(images: Reconstruction, max_rows: int) -> Reconstruction:
    present = np.flatnonzero(images.valid.reshape(len(images.valid), -1).any(1))
    rows = present if len(present) else np.arange(len(images.labels))
    if len(rows) > max_rows:
        rows = rows[np.linspace(0, len(rows) - 1, max_rows).round().astype(int)]
    arrays = {name: getattr(images, name)[rows] for name in ("input", "masked", "reconstruction", "target", "valid")}
    return dataclasses.replace(images, labels=tuple(images.labels[row] for row in rows), **arrays)


def _columns(images: Reconstruction, chosen: tuple[int, ...]) -> list[np.ndarray]:
    """Returns one `[D, H, W, 3]` per column."""
    shape = images.input.shape
    arrays = (images.input, images.masked, images.reconstruction, images.target, images.valid[:, None])
    pixels, masked, predicted, target, valid = (np.broadcast_to(array, shape)[:, chosen] for array in arrays)
    pixels, target = np.where(valid, pixels, np.nan), np.where(valid, target, np.nan)
    predicted = np.where(masked & valid, predicted, target)
    seen, target_limits = limits(pixels), limits(target)
    hidden = np.all(masked, axis=1)
    # Bands masked apart from others are dark; a pixel takes the colour of the mask where no band is left.
    kept = to_image(np.where(masked & ~hidden[:, None], seen[0][:, None, None], pixels), seen)
    images_in_order = (
        to_image(pixels, seen),
        np.where(hidden[..., None], colour_to_rgb(MASKED), kept),
        to_image(predicted, target_limits),
        to_image(target, target_limits),
    )
    missing = np.any(np.isnan(pixels), axis=1, keepdims=True)[:, 0, ..., None]
    return [np.where(missing | np.isnan(image), colour_to_rgb(MISSING), image) for image in images_in_order]


def _channels(bands: tuple[str, ...], chosen: tuple[int, ...]) -> str:
    names = ", ".join(bands[index] for index in chosen)
    return f"red, green, blue = {names}" if len(chosen) == 3 else f"grey = {names}"
