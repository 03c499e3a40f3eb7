"""Which bands to show, and how bright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALIASES = {
    "red": ("r", "red", "b4", "b04"),
    "green": ("g", "green", "b3", "b03"),
    "blue": ("b", "blue", "b2", "b02"),
    "nir": ("nir", "ir", "n", "b8", "b08", "b8a"),
}
UNUSUAL = 3
"""A date is unusual if its median is further above that of the dates than this many times their median distance."""
COMPOSITES = (("red", "green", "blue"), ("nir", "red", "green"))


def display_bands(names: Sequence[str]) -> tuple[int, ...]:
    """Returns indices of the bands to show as red, green and blue, or of the one to show in grey.

    True colour if there is a red, a green and a blue band, else false colour with near infrared as red, else grey.

    Args:
      names: band names of Sentinel-2 (`B04`) or of colours (`R`, `NIR`), in any case.
    """
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        for colour, aliases in ALIASES.items():
            if name.lower() in aliases:
                found.setdefault(colour, index)
    for composite in COMPOSITES:
        if all(colour in found for colour in composite):
            return tuple(found[colour] for colour in composite)
    return (0,)


def shown_bands(names: Sequence[str]) -> str:
    """Returns which bands `display_bands` chose, for a caption."""
    chosen = display_bands(names)
    text = ", ".join(names[index] for index in chosen)
    return f"red, green, blue = {text}" if len(chosen) == 3 else f"grey = {text}"


def calendar(dates: np.ndarray) -> np.ndarray:
    """Returns days of the calendar, datetime64[D] `[...]`, of dates `[year, day of the year, hour]`, int `[..., 3]`."""
    years, days = (np.asarray(dates)[..., part].astype(np.int64) for part in (0, 1))
    found: np.ndarray = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + (days - 1)
    return found


def limits(pixels: np.ndarray) -> np.ndarray:
    """Returns the 2nd and 98th percentile of each band over its usual dates, float `[2, C]`.

    Dates under clouds or snow, ten times as bright, are left out while they are fewer than half: else they would turn
    the others black. Dark dates stay.

    Args:
      pixels: `[D, C, H, W]`; bands without a finite pixel get 0 and 1.
    """
    return np.stack([_band_limits(band) for band in np.moveaxis(pixels, 1, 0)], axis=1)


def _band_limits(band: np.ndarray) -> np.ndarray:
    dates = [values for values in (date[np.isfinite(date)] for date in band) if values.size]
    if not dates:
        return np.array([0.0, 1.0])
    low, level, high = np.array([np.percentile(values, (2, 50, 98)) for values in dates]).T
    above = level - np.median(level)
    usual = above <= UNUSUAL * np.median(np.abs(above)) + np.median(high - low)
    return np.percentile(np.concatenate([values for values, kept in zip(dates, usual, strict=True) if kept]), (2, 98))


def to_image(pixels: np.ndarray, low_high: np.ndarray) -> np.ndarray:
    """Returns values stretched between their limits as colours, float `[D, H, W, 3]` in [0, 1]; NaN stays NaN.

    Args:
      pixels: `[D, C, H, W]`, C = 3 for colour, 1 for grey.
      low_high: `[2, C]`, what becomes black and full brightness.
    """
    low, high = low_high[:, :, None, None]
    stretched = np.clip((pixels - low) / np.maximum(high - low, 1e-12), 0, 1)
    return np.broadcast_to(np.moveaxis(stretched, 1, -1), (len(pixels), *pixels.shape[2:], 3))
