"""What a masked autoencoder saw, made of it, and what is there, in the units of the data (docs/method.md §5–7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import Normalize
from matplotlib.colors import to_rgb as colour_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from mmae_jax.report.display import calendar, display_bands, limits, shown_bands, to_image
from mmae_jax.report.style import GREY, new_figure
from mmae_jax.spec import Experiment

MASKED, HATCH, MISSING = "#E4E1EF", "#8F86B8", "#F4DDB4"
COLUMNS = ("truth", "masked input", "reconstruction", "error")
ROWS = 6
"""Rows of one block; more are drawn beside it."""
DATES = 3
"""Dates of a sample that are shown."""
GIVEN = "#1A1A1A"
PICTURE, LEFT, RIGHT, TOP, BOTTOM = 1.45, 0.6, 1.15, 0.8, 0.75
"""Inches: side of a picture, and margins around all of them."""
STEP, DOWN, BLOCK = 1.1, 1.2, 4.75
"""Sides of a picture: from one to the next, to the row below, and to the block beside."""
HEADING: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 12, "fontweight": "bold"}
OWN_FRAME = "mean and spread of each patch are those of the truth: the model is trained to give the pattern"


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """Images of one modality, R samples or dates, one row of the figure each.

    Attributes:
      bands: C band names.
      unit: of all values.
      patch: side of a patch [pixels].
      labels: R row labels, such as dates.
      truth: float `[R, C, H, W]`, what the model would see unmasked.
      masked: bool `[R, C or 1, H, W]`, what it did not see.
      values: float `[R, C, H, W]`, the reconstruction; only masked pixels are shown.
      valid: bool `[R, H, W]` or `[R, 1, 1]`, False where there are no data.
      own_frame: whether mean and spread of each patch in `values` are those of the truth.
    """

    bands: tuple[str, ...]
    unit: str
    patch: int
    labels: tuple[str, ...]
    truth: np.ndarray
    masked: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    own_frame: bool = False


def rows_shown(valid: np.ndarray, dates: int = DATES) -> tuple[np.ndarray, np.ndarray]:
    """Returns sample and date of each row: up to `dates` dates of each sample that have data, evenly spread.

    Args:
      valid: bool `[N, D, h, w]`; a sample without data has one row, of its first date.
      dates: most rows of a sample.
    """
    rows = []
    for sample, of_dates in enumerate(valid):
        there = np.flatnonzero(of_dates.reshape(len(of_dates), -1).any(axis=1))
        there = there if len(there) else np.zeros(1, int)
        chosen = there[np.unique(np.linspace(0, len(there) - 1, min(dates, len(there))).round().astype(int))]
        rows += [(sample, date) for date in chosen]
    found = np.array(rows, int).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def images_shown(experiment: Experiment, name: str, found: Any, dates: np.ndarray, valid: np.ndarray) -> Reconstruction:
    """Returns what is drawn of N samples of an input.

    Args:
      experiment: names bands, unit and patch size.
      name: of the input.
      found: `truth`, `masked` and `values` as of `train.reconstruction.Images`, numpy `[N, D, C, S, S]`.
      dates: int `[N, D, 3]`.
      valid: bool `[N, D, S, S]` or `[N, D, 1, 1]`.
    """
    one, rows = experiment.inputs[name], rows_shown(valid)
    days = calendar(dates)
    return Reconstruction(
        bands=one.band_names,
        unit=experiment.modality(name).unit,
        patch=one.patch_size,
        labels=tuple(f"sample {sample + 1}\n{days[sample, date]}" for sample, date in zip(*rows, strict=True)),
        truth=found.truth[rows],
        masked=found.masked[rows],
        values=found.values[rows],
        valid=valid[rows],
        own_frame=experiment.loss.endswith("_norm"),
    )


def reconstruction(title: str, images: Reconstruction) -> Figure:
    """Draws truth, masked input, reconstruction and error side by side, all stretched alike.

    Masked patches are hatched; outlined ones were given to the model. The error is the mean of all masked bands.

    Args:
      title: name of the modality.
      images: what to draw.
    """
    rows = len(images.labels)
    blocks = -(-rows // ROWS)
    high = -(-rows // blocks)
    # All in one system of coordinates, a picture being 1 wide: axes for each picture took ten times as long to draw.
    across, down = blocks * BLOCK - BLOCK + len(COLUMNS) * STEP, high * DOWN
    width, height = LEFT + PICTURE * across + RIGHT, TOP + PICTURE * down + BOTTOM
    figure = new_figure(round(width, 1), round(height, 1))
    figure.set_layout_engine("none")
    figure.text(0.5, 1 - 0.25 / height, f"{title}  ·  {shown_bands(images.bands)}", **HEADING)
    axes = figure.add_axes((LEFT / width, BOTTOM / height, PICTURE * across / width, PICTURE * down / height))
    errors, (colours, hidden, missing) = _errors(images), _colours(images)
    seen = errors[np.isfinite(errors)]
    scale = ScalarMappable(Normalize(0, float(np.percentile(seen, 98)) if seen.size else 1.0), "Blues")
    shaded = np.where(np.isnan(errors)[..., None], 1.0, np.asarray(colormaps["Blues"](scale.norm(errors)))[..., :3])
    columns = [*colours, np.where(missing[..., None], colour_to_rgb(MISSING), shaded)]
    frames, hatched, outlines = [], list[Rectangle](), list[np.ndarray]()
    for row, label in enumerate(images.labels):
        block, line = divmod(row, high)
        left, top = block * BLOCK, line * DOWN
        places = [left + STEP * column for column in range(len(COLUMNS))]
        for place, heading, column in zip(places, COLUMNS, columns, strict=True):
            extent = (place, place + 1, top + 1, top)
            axes.imshow(column[row], extent=extent, interpolation="nearest", aspect="auto")
            frames.append(Rectangle((place, top), 1, 1))
            if line == 0:
                axes.text(place + 0.5, -0.06, heading, ha="center", va="bottom", fontsize=10)
        masked = _patches(hidden[row] & ~missing[row], images.patch)
        hatched += _squares(masked, places[1], top)
        given = _patches(~hidden[row] & ~missing[row], images.patch)
        outlines += [line for place in places[2:] for line in _edges(given, place, top)]
        axes.text(left - 0.06, top + 0.5, label, rotation=90, ha="right", va="center", fontsize=8)
        if np.isfinite(errors[row]).any():
            said = f"mean {np.nanmean(errors[row]):.3g}"
            axes.text(places[3] + 0.5, top + 1.03, said, ha="center", va="top", fontsize=7.5, color=GREY)
    axes.add_collection(PatchCollection(hatched, facecolor=MASKED, edgecolor=HATCH, hatch="////", linewidth=0))
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=GREY, linewidth=0.5))
    axes.add_collection(LineCollection(outlines, colors=GIVEN, linewidths=0.8))
    axes.set(xlim=(0, across), ylim=(down, 0), xticks=[], yticks=[])
    axes.set_axis_off()
    _bar(figure, scale, images)
    _legend(figure, missing=bool(missing.any()), own_frame=images.own_frame)
    return figure


def _bar(figure: Figure, scale: ScalarMappable, images: Reconstruction) -> None:
    width, height = figure.get_size_inches()
    long = min(3.5, height - TOP - BOTTOM)
    place = figure.add_axes((1 - (RIGHT - 0.1) / width, (height - TOP - long) / height, 0.14 / width, long / height))
    names = f"mean |error| of {len(images.bands)} bands" if len(images.bands) > 1 else "|error|"
    bar = figure.colorbar(scale, cax=place, label=f"{names}\n[{images.unit}]")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)


def _legend(figure: Figure, *, missing: bool, own_frame: bool) -> None:
    legend = [
        Patch(facecolor=MASKED, edgecolor=HATCH, hatch="////", linewidth=0, label="masked: not seen"),
        Patch(facecolor="white", edgecolor=GIVEN, label="outlined: as given"),
    ]
    if missing:
        legend.append(Patch(facecolor=MISSING, label="no data"))
    title = OWN_FRAME if own_frame else None
    drawn = figure.legend(
        handles=legend, loc="lower center", ncols=3, fontsize=9, frameon=False, title=title, title_fontsize=8
    )
    drawn.get_title().set_color(GREY)


def _patches(pixels: np.ndarray, patch: int) -> np.ndarray:
    """Returns which patches have any of some pixels (bool `[H, W]`), bool `[g, g]`."""
    return np.asarray(pixels.reshape(len(pixels) // patch, patch, -1, patch).any(axis=(1, 3)))


def _squares(cells: np.ndarray, left: float, top: float) -> list[Rectangle]:
    """Returns the squares of those patches (bool `[g, g]`) of a picture at `left`, `top`."""
    side = 1 / len(cells)
    return [Rectangle((left + column * side, top + row * side), side, side) for row, column in np.argwhere(cells)]


def _edges(cells: np.ndarray, left: float, top: float) -> np.ndarray:
    """Returns the lines between those patches (bool `[g, g]`) and others, `[N, 2, 2]` from x, y to x, y."""
    (y, x), (v, u) = np.nonzero(cells[1:] != cells[:-1]), np.nonzero(cells[:, 1:] != cells[:, :-1])
    level, upright = np.stack([x, y + 1, x + 1, y + 1], axis=-1), np.stack([u + 1, v, u + 1, v + 1], axis=-1)
    return np.array((left, top)) + np.concatenate([level, upright]).reshape(-1, 2, 2) / len(cells)


def _errors(images: Reconstruction) -> np.ndarray:
    """Returns the mean absolute error of the masked bands, float `[R, H, W]`; NaN where none is, and without data."""
    counted = np.broadcast_to(images.masked & images.valid[:, None], images.truth.shape)
    total = np.where(counted, np.abs(images.values - images.truth), 0).sum(axis=1)
    number = counted.sum(axis=1)
    return np.where(number, total / np.maximum(number, 1), np.nan)


def _colours(images: Reconstruction) -> tuple[Sequence[np.ndarray], np.ndarray, np.ndarray]:
    """Returns colours `[R, H, W, 3]` of the first three columns, and where all is hidden and is missing `[R, H, W]`."""
    chosen, shape = display_bands(images.bands), images.truth.shape
    arrays = (images.truth, images.masked, images.values, images.valid[:, None])
    truth, masked, values, valid = (np.broadcast_to(array, shape)[:, chosen] for array in arrays)
    truth = np.where(valid, truth, np.nan)
    seen = limits(truth)
    missing = np.any(np.isnan(truth), axis=1)
    # Bands masked apart from others are dark.
    kept = np.where(masked, seen[0][:, None, None], truth)
    columns = [to_image(array, seen) for array in (truth, kept, np.where(masked & valid, values, truth))]
    absent = missing[..., None]
    hidden = np.asarray(masked.all(axis=1))
    return [np.where(absent, colour_to_rgb(MISSING), column) for column in columns], hidden, missing
