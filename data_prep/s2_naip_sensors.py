"""The sensors of S2-NAIP: what is stored of each, and how its images are published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from immutabledict import immutabledict

from data_prep import s2_naip_dates
from mmae_jax.spec import Dataset, Modality

TILE_METERS = 640.0

_SIDE = 64
"""Satellite pixels per side."""

CONTRACT = Dataset(
    name="s2_naip_urban",
    version="1.0.0",
    tile_meters=TILE_METERS,
    modalities=immutabledict(
        aerial=Modality(
            bands=("R", "G", "B", "NIR"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=1.25,
            size=512,
            value_range=(0.0, 255.0),
            date_convention="acquisition day of the NAIP image (not its processing day), hour unknown (0)",
        ),
        s2=Modality(
            bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
            dtype="uint16",
            unit="top-of-atmosphere reflectance",
            ground_sample_distance=10.0,
            size=_SIDE,
            scale=1e-4,
            nodata=0.0,
            value_range=(1.0, 65535.0),
        ),
        s1=Modality(
            bands=("VV", "VH"),
            dtype="float32",
            unit="dB",
            ground_sample_distance=10.0,
            size=_SIDE,
            decibel=True,
            value_range=(-80.0, 50.0),
        ),
    ),
    targets=immutabledict(),
    blocks=16,  # 40 m: a crop of 120 m reads at most 16/9 of what it shows
)


LANDSAT = Modality(
    bands=("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11"),
    dtype="uint16",
    unit="Level-1 digital number",
    ground_sample_distance=10.0,
    size=_SIDE,
    nodata=0.0,
    value_range=(1.0, 65535.0),
)
"""Images of Landsat 8, pan-sharpening band and 30 m bands alike at 10 m."""

CONTRACT_WITH_LANDSAT = dataclasses.replace(
    CONTRACT, modalities=immutabledict({**CONTRACT.modalities, "landsat": LANDSAT})
)
"""A third larger; published experiments leave Landsat out."""


@dataclasses.dataclass(frozen=True)
class Sensor:
    """How the images of one sensor are published.

    Attributes:
      folder: of the rasters and, with `.csv`, the table of scenes.
      dates_folder: below `dates/` in the stacked layout.
      read_dates: reads scene names.
      parts: file ending → bands of one image and pixels per side, as published.
      stacked: the same where all bands are in one file.
    """

    folder: str
    dates_folder: str
    read_dates: s2_naip_dates.Read
    parts: Mapping[str, tuple[tuple[str, ...], int]]
    stacked: Mapping[str, tuple[tuple[str, ...], int]]


_BANDS = {name: modality.bands for name, modality in CONTRACT_WITH_LANDSAT.modalities.items()}

NAIP = Sensor("naip", "naip", s2_naip_dates.naip, {".png": (_BANDS["aerial"], 512)}, {})

SENSORS: Mapping[str, Sensor] = {
    "s2": Sensor(
        folder="sentinel2",
        dates_folder="s2",
        read_dates=s2_naip_dates.sentinel,
        parts={
            "_8.tif": (("B02", "B03", "B04", "B08"), _SIDE),
            "_16.tif": (("B05", "B06", "B07", "B11", "B12", "B8A"), _SIDE // 2),
        },
        stacked={"_stacked.tif": (_BANDS["s2"], _SIDE)},
    ),
    "s1": Sensor(
        folder="sentinel1",
        dates_folder="s1",
        read_dates=s2_naip_dates.sentinel,
        parts={".tif": (_BANDS["s1"], _SIDE)},
        stacked={".tif": (_BANDS["s1"], _SIDE)},
    ),
    "landsat": Sensor(
        folder="landsat",
        dates_folder="landsat",
        read_dates=s2_naip_dates.landsat,
        parts={
            "_8.tif": (("B8",), _SIDE),
            "_16.tif": (("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B9", "B10", "B11"), _SIDE // 2),
        },
        stacked={"_stacked.tif": (_BANDS["landsat"], _SIDE)},
    ),
}
