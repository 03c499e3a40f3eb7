"""Made-up farmland: parcels of crops that are told apart by their seasons, and what satellites see of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.synthetic.genera import Genus, backscatter, reflectance

SIDE = 128
"""Satellite pixels per side, 10 m each."""
SPOT_PIXELS = 10
"""Pixels of the SPOT image per satellite pixel and direction."""
NUM_PARCELS = 60
NODATA = -10_000
VOID = 19

_PALE, _GREEN, _DARK = (150, 150, 140, 120), (140, 120, 95, 100), (120, 80, 75, 70)

# fmt: off
CROPS = (
    # weight, summer, winter, green_up, senescence, autumn, evergreen, vv, vh, leaf_off, crown, aerial (NIR, G, B, R)
    Genus(.280, "broad_dark",  "litter",    110, 305, .3, .40,  -9.0, -14.5, -0.5, 9.0, _DARK),   # Background
    Genus(.250, "meadow",      "meadow",     80, 320, .1, .60, -11.5, -18.0, -0.5, 1.0, _GREEN),  # Meadow
    Genus(.067, "broad_light", "soil",       75, 188, .6, .05, -12.5, -18.5,  1.5, 1.0, _PALE),   # Soft winter wheat
    Genus(.108, "broad_light", "soil",      165, 272, .5, .00,  -9.5, -15.0, -3.0, 1.0, _GREEN),  # Corn
    Genus(.023, "broad_light", "soil",       65, 172, .8, .05, -12.8, -18.9,  1.8, 1.0, _PALE),   # Winter barley
    Genus(.025, "broad_light", "litter",     60, 178, .3, .20,  -8.5, -13.5, -3.5, 1.0, _GREEN),  # Winter rapeseed
    Genus(.017, "broad_light", "soil",      100, 195, .7, .00, -12.0, -18.0,  1.0, 1.0, _PALE),   # Spring barley
    Genus(.017, "broad_light", "soil",      150, 238, .9, .00,  -8.8, -14.2, -3.0, 1.0, _GREEN),  # Sunflower
    Genus(.021, "needle",      "soil",      125, 290, .6, .00, -10.5, -17.0, -1.0, 2.0, _PALE),   # Grapevine
    Genus(.025, "broad_dark",  "soil",      140, 300, .0, .00,  -9.0, -14.0, -2.5, 1.0, _DARK),   # Beet
    Genus(.017, "broad_light", "soil",       78, 196, .5, .10, -12.0, -18.2,  1.2, 1.0, _PALE),   # Winter triticale
    Genus(.020, "broad_light", "soil",       70, 182, .9, .05, -12.2, -18.6,  1.4, 1.0, _PALE),   # Winter durum wheat
    Genus(.024, "meadow",      "soil",      120, 250, .1, .10, -10.5, -16.5, -1.0, 1.0, _GREEN),  # Fruits, vegetables
    Genus(.021, "broad_dark",  "soil",      150, 245, .2, .00,  -9.2, -14.6, -2.8, 1.0, _DARK),   # Potatoes
    Genus(.025, "broad_light", "meadow",     90, 310, .0, .30, -11.0, -17.0, -0.8, 1.0, _GREEN),  # Leguminous fodder
    Genus(.015, "broad_light", "soil",      170, 262, .8, .00,  -9.8, -15.6, -2.4, 1.0, _GREEN),  # Soybeans
    Genus(.026, "broad_dark",  "meadow",    105, 300, .4, .10,  -9.6, -14.8, -0.6, 4.0, _DARK),   # Orchard
    Genus(.012, "broad_light", "litter",     82, 200, .4, .10, -11.8, -17.8,  1.0, 1.0, _PALE),   # Mixed cereal
    Genus(.017, "broad_light", "litter",    160, 280, .4, .00,  -9.4, -14.9, -2.2, 1.0, _GREEN),  # Sorghum
)
# fmt: on
"""In the order of the published classes, with roughly their frequencies."""

_WEIGHTS = np.array([crop.weight for crop in CROPS])


@dataclasses.dataclass(frozen=True)
class Farmland:
    """One patch.

    Attributes:
      parcels: number of the parcel, 0 between them, int32 `[128, 128]`.
      cover: index into `CROPS`, `[128, 128]`.
      classes: published class of each pixel, uint8 `[128, 128]`: the cover, but `VOID` in parcels of unknown crop.
      vigour: factor of all reflectances, by parcel, `[128, 128]`.
      shift: days by which the seasons are late here.
    """

    parcels: np.ndarray
    cover: np.ndarray
    classes: np.ndarray
    vigour: np.ndarray
    shift: float


def sow(rng: np.random.Generator) -> Farmland:
    """Returns a random patch: parcels with straight edges, tracks between them, a few of unknown crop."""
    centres = rng.uniform(0, SIDE, (NUM_PARCELS, 2))
    pixels = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1) + 0.5
    squared = ((pixels[..., None, :] - centres) ** 2).sum(-1)
    first, second = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2]).transpose(2, 0, 1)
    nearest, track = squared.argmin(-1), second - first < 1
    crops = rng.choice(len(CROPS), NUM_PARCELS, p=_WEIGHTS / _WEIGHTS.sum())
    cover = np.where(track, 0, crops[nearest])
    void = (rng.random(NUM_PARCELS) < 0.05)[nearest] & (cover > 0)
    vigour = rng.normal(1, 0.07, NUM_PARCELS)[nearest]
    parcels = np.where(cover > 0, nearest + 1, 0).astype(np.int32)
    return Farmland(parcels, cover, np.where(void, VOID, cover).astype(np.uint8), vigour, rng.normal(0, 3))


def photograph(rng: np.random.Generator, land: Farmland) -> np.ndarray:
    """Returns a SPOT image in July, uint8 `[3, 1280, 1280]` (R, G, B), with rows of plants and noise."""
    grey = np.array([crop.aerial for crop in CROPS], np.float32)[:, [3, 1, 2]].T
    seen = (grey[:, land.cover] * land.vigour).repeat(SPOT_PIXELS, 1).repeat(SPOT_PIXELS, 2)
    rows = 1 + 0.06 * np.sin(np.arange(seen.shape[2]) * 2 * np.pi / 3.7)
    texture = rng.normal(1, 0.05, seen.shape[1:]) * rows
    return (seen * texture * rng.normal(1, 0.05, (3, 1, 1))).clip(0, 255).astype(np.uint8)


def observe_optical(rng: np.random.Generator, land: Farmland, days: np.ndarray) -> np.ndarray:
    """Returns Sentinel-2 reflectance · 10 000, int16 `[T, 10, 128, 128]`, clouds and all, on days of year `days`."""
    spectra = np.stack([reflectance(crop, days, land.shift) for crop in CROPS], -1).astype(np.float32)
    seen = spectra[..., land.cover] * land.vigour.astype(np.float32)
    cloud = _clouds(rng, len(days))[:, None]
    bright = rng.uniform(4000, 9000, (len(days), 1, 1, 1)) * np.linspace(1.05, 0.6, 10)[:, None, None]
    seen += cloud * (bright.astype(np.float32) - seen)
    seen += 60 * rng.standard_normal(seen.shape, np.float32)  # dark pixels can fall below 0, as published ones do
    return np.rint(seen).astype(np.int16)


def _clouds(rng: np.random.Generator, dates: int) -> np.ndarray:
    """Opacity float32 `[T, 128, 128]`: half of the dates clear, a fifth overcast, the others with cloud fields."""
    kind = rng.choice(3, dates, p=[0.5, 0.2, 0.3])[:, None, None]
    fields = rng.uniform(-1, 1.5, (dates, 8, 8)).repeat(SIDE // 8, 1).repeat(SIDE // 8, 2)
    overcast = rng.uniform(0.7, 1, (dates, 1, 1))
    return np.select([kind == 0, kind == 1], [0.0, overcast], fields.clip(0, 1)).astype(np.float32)


def observe_radar(rng: np.random.Generator, land: Farmland, days: np.ndarray, looks: float = 5.0) -> np.ndarray:
    """Returns Sentinel-1 backscatter in dB, float16 `[T, 3, 128, 128]` (VV, VH, VV − VH), with speckle."""
    levels = np.stack([backscatter(crop, days, land.shift) for crop in CROPS], -1)
    power = levels[..., land.cover] * rng.gamma(looks, 1 / looks, (len(days), 2, SIDE, SIDE))
    decibel = 10 * np.log10(power)
    return np.concatenate([decibel, decibel[:, :1] - decibel[:, 1:]], 1).astype(np.float16)
