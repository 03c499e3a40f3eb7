"""How the made-up tree genera look and live: parameters only, loosely after Central European forests.

Several genera share one summer spectrum on purpose: they differ in when leaves come and go and in what is left in
winter, so that a time series tells them apart and a single date does not.
"""

from __future__ import annotations

import dataclasses

import numpy as np

# reflectance · 10 000 in B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12
SPECTRA = {
    "broad_light": (260, 500, 300, 850, 2600, 3400, 3600, 3750, 1700, 800),
    "broad_dark": (220, 420, 250, 720, 2300, 3050, 3250, 3400, 1500, 680),
    "needle": (180, 320, 210, 520, 1450, 1850, 1950, 2100, 950, 450),
    "meadow": (400, 700, 550, 1200, 2500, 2950, 3100, 3300, 2400, 1400),
    "bare_wood": (420, 600, 700, 1000, 1350, 1500, 1650, 1800, 2100, 1350),
    "litter": (450, 620, 780, 1050, 1300, 1450, 1600, 1750, 2500, 1800),
    "soil": (650, 850, 1100, 1350, 1500, 1650, 1800, 1950, 2700, 2200),
    "snow": (8000, 7800, 7600, 7500, 7300, 7200, 7000, 6800, 900, 700),
    "dim_needle": (200, 330, 260, 520, 1150, 1400, 1500, 1620, 800, 420),
}


@dataclasses.dataclass(frozen=True)
class Genus:
    """One kind of land cover.

    Attributes:
      weight: relative frequency as a tile's main genus.
      summer, winter: names of `SPECTRA` with full canopy and without.
      green_up, senescence: day of year at which half of the canopy is there, and half is gone.
      autumn: strength of autumn colours, 0 to 1.
      evergreen: share of the canopy that stays in winter.
      vv, vh: backscatter sigma0 in summer, dB.
      leaf_off: change of VH from summer to leafless winter, dB.
      crown: diameter of a crown, m.
      aerial: mean grey values of an aerial image in NIR, G, B, R.
    """

    weight: float
    summer: str
    winter: str
    green_up: float
    senescence: float
    autumn: float
    evergreen: float
    vv: float
    vh: float
    leaf_off: float
    crown: float
    aerial: tuple[float, float, float, float]


_LIGHT = (185, 118, 100, 108)
_DARK = (165, 100, 92, 90)
_NEEDLE = (105, 78, 76, 70)
_PINE = (112, 84, 82, 78)
_OPEN = (150, 130, 110, 135)

# fmt: off
GENERA = {
    # weight, summer, winter, green_up, senescence, autumn, evergreen, vv, vh, leaf_off, crown, aerial
    "Betula":      Genus(1.0,  "broad_light", "bare_wood",  100, 282, 0.9, 0.0,  -9.5,  -14.6, -1.2, 5.0, _LIGHT),
    "Cleared":     Genus(0.8,  "meadow",      "soil",       105, 225, 0.2, 0.15, -11.5, -18.5, -1.0, 2.5, _OPEN),
    "Quercus":     Genus(1.3,  "broad_dark",  "litter",     128, 316, 0.5, 0.0,  -9.2,  -14.2, -0.6, 9.0, _DARK),
    "Larix":       Genus(1.0,  "needle",      "litter",     108, 308, 1.0, 0.0,  -9.9,  -15.2, 1.4,  5.5, _NEEDLE),
    "Fraxinus":    Genus(0.15, "broad_light", "bare_wood",  140, 288, 0.1, 0.0,  -9.4,  -14.5, -1.0, 7.5, _LIGHT),
    "Alnus":       Genus(1.0,  "broad_light", "litter",     112, 318, 0.0, 0.0,  -8.9,  -14.0, 0.8,  5.5, _LIGHT),
    "Pseudotsuga": Genus(0.2,  "needle",      "dim_needle", 135, 300, 0.0, 0.8,  -9.3,  -14.4, -0.3, 7.0, _NEEDLE),
    "Prunus":      Genus(0.12, "broad_light", "litter",     92,  268, 0.7, 0.0,  -9.7,  -14.9, -0.8, 5.0, _LIGHT),
    "Fagus":       Genus(1.3,  "broad_dark",  "litter",     114, 294, 1.0, 0.0,  -9.0,  -14.0, -1.6, 9.0, _DARK),
    "Acer":        Genus(0.15, "broad_dark",  "bare_wood",  116, 276, 0.9, 0.0,  -9.1,  -14.2, -1.0, 7.5, _DARK),
    "Abies":       Genus(0.12, "needle",      "dim_needle", 150, 290, 0.0, 0.95, -9.6,  -14.7, 0.0,  6.5, _NEEDLE),
    "Pinus":       Genus(1.3,  "needle",      "dim_needle", 145, 262, 0.0, 0.35, -10.1, -15.6, 0.4,  5.0, _PINE),
    "Tilia":       Genus(0.1,  "broad_dark",  "bare_wood",  106, 284, 0.8, 0.0,  -9.1,  -14.1, -1.3, 8.0, _DARK),
    "Picea":       Genus(1.3,  "needle",      "dim_needle", 130, 315, 0.0, 0.9,  -9.4,  -14.5, -0.2, 5.0, _NEEDLE),
    "Populus":     Genus(0.12, "broad_light", "bare_wood",  104, 296, 0.8, 0.0,  -9.3,  -14.3, -0.9, 7.0, _LIGHT),
}
# fmt: on
"""In the order of the published class columns; eight are frequent, seven rare."""

UNLABELLED = Genus(0.0, "meadow", "litter", 95, 300, 0.1, 0.4, -11.0, -17.0, -0.5, 2.5, (140, 120, 105, 118))
"""Undergrowth and gaps: part of many tiles, in no class column."""

GREEN_UP_DAYS = 7.0
SENESCENCE_DAYS = 8.0
AUTUMN_DAYS = 12.0


def canopy(genus: Genus, days: np.ndarray, shift: float) -> np.ndarray:
    """Returns the leaf canopy `[T]` in [0, 1] on days of year `days`, in a place that is `shift` days late."""
    grown = _logistic((days - shift - genus.green_up) / GREEN_UP_DAYS)
    fallen = _logistic((days - shift - genus.senescence) / SENESCENCE_DAYS)
    return genus.evergreen + (1 - genus.evergreen) * (grown - fallen).clip(0, 1)


def reflectance(genus: Genus, days: np.ndarray, shift: float) -> np.ndarray:
    """Returns the spectrum `[T, 10]`, reflectance · 10 000, on days of year `days`; see `canopy`."""
    leaves = canopy(genus, days, shift)[:, None]
    summer, winter = np.array(SPECTRA[genus.summer]), np.array(SPECTRA[genus.winter])
    colour = genus.autumn * np.exp(-(((days - shift - genus.senescence + 8) / AUTUMN_DAYS) ** 2))[:, None]
    yellowing = np.array([0.1, 0.5, 1.6, 0.8, 0.0, -0.1, -0.1, -0.1, 0.2, 0.3])
    return (winter + (summer - winter) * leaves) * (1 + colour * yellowing)


def backscatter(genus: Genus, days: np.ndarray, shift: float) -> np.ndarray:
    """Returns sigma0 `[T, 2]` (VV, VH), linear power, on days of year `days`; see `canopy`."""
    bare = 1 - canopy(genus, days, shift)
    decibel = np.stack([genus.vv + 0.5 * genus.leaf_off * bare, genus.vh + genus.leaf_off * bare], 1)
    return 10 ** (decibel / 10)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-value))
