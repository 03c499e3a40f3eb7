"""What a masked autoencoder saw, made of it, and what is there, in the units of the data (docs/method.md §5–7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
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
    columns = blocks * len(COLUMNS)
    figure = new_figure(1.4 + 1.6 * columns, 1.7 * high + 1.2, f"{title}  ·  {shown_bands(images.bands)}")
    places = figure.subplots(high, columns, squeeze=False)
    errors = _errors(images)
    seen = errors[np.isfinite(errors)]
    scale = Normalize(0, float(np.percentile(seen, 98)) if seen.size else 1.0)
    colours, hidden, missing = _colours(images)
    for place in places.flat:
        place.set_axis_off()
    for row, label in enumerate(images.labels):
        block, line = divmod(row, high)
        axes_of_row = places[line, block * len(COLUMNS) :][: len(COLUMNS)]
        given = ~hidden[row] & ~missing[row]
        for axes, heading, image in zip(axes_of_row, COLUMNS[:3], colours, strict=False):
            _frame(axes, heading if line == 0 else "")
            axes.imshow(image[row], interpolation="nearest")
        _hatched(axes_of_row[1], hidden[row] & ~missing[row], images.patch)
        _frame(axes_of_row[3], COLUMNS[3] if line == 0 else "")
        axes_of_row[3].imshow(np.where(missing[row][..., None], colour_to_rgb(MISSING), 1.0))
        drawn = axes_of_row[3].imshow(errors[row], cmap="Blues", norm=scale, interpolation="nearest")
        for axes in axes_of_row[2:]:
            _outlined(axes, given)
        mean = np.nanmean(errors[row]) if np.isfinite(errors[row]).any() else None
        axes_of_row[3].set_xlabel("" if mean is None else f"mean {mean:.3g}", fontsize=8, color=GREY, labelpad=2)
        axes_of_row[0].set_ylabel(label, fontsize=9)
    names = f"mean |error| of {len(images.bands)} bands" if len(images.bands) > 1 else "|error|"
    bar = figure.colorbar(drawn, ax=list(places[:, -1]), label=f"{names} [{images.unit}]", shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    _legend(figure, missing=bool(missing.any()), own_frame=images.own_frame)
    return figure


def _legend(figure: Figure, *, missing: bool, own_frame: bool) -> None:
    legend = [
        Patch(facecolor=MASKED, edgecolor=HATCH, hatch="////", linewidth=0, label="masked: not seen"),
        Patch(facecolor="white", edgecolor=GIVEN, label="outlined: as given"),
    ]
    if missing:
        legend.append(Patch(facecolor=MISSING, label="no data"))
    title = OWN_FRAME if own_frame else None
    drawn = figure.legend(
        handles=legend, loc="outside lower center", ncols=3, fontsize=9, frameon=False, title=title, title_fontsize=9
    )
    drawn.get_title().set_color(GREY)


def _frame(axes: Axes, heading: str) -> None:
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(GREY)
    axes.spines[:].set_linewidth(0.5)
    axes.set_title(heading, fontsize=10)


def _hatched(axes: Axes, hidden: np.ndarray, patch: int) -> None:
    """Draws a hatched square over each patch of which something is hidden (bool `[H, W]`)."""
    cells = hidden.reshape(len(hidden) // patch, patch, -1, patch).any(axis=(1, 3))
    squares = [Rectangle((column * patch - 0.5, row * patch - 0.5), patch, patch) for row, column in np.argwhere(cells)]
    axes.add_collection(PatchCollection(squares, facecolor=MASKED, edgecolor=HATCH, hatch="////", linewidth=0))


def _outlined(axes: Axes, given: np.ndarray) -> None:
    """Draws a line between what was given (bool `[H, W]`) and what was not."""
    rows, columns = np.nonzero(given[1:] != given[:-1])
    axes.hlines(rows + 0.5, columns - 0.5, columns + 0.5, color=GIVEN, linewidth=0.8)
    rows, columns = np.nonzero(given[:, 1:] != given[:, :-1])
    axes.vlines(columns + 0.5, rows - 0.5, rows + 0.5, color=GIVEN, linewidth=0.8)


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
