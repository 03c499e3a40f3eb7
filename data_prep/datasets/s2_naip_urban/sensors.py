"""The sensors of S2-NAIP: how their images are published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from data_prep.datasets.s2_naip_urban import scene_dates
from data_prep.datasets.s2_naip_urban.contract import CONTRACT_WITH_LANDSAT, SIDE


@dataclasses.dataclass(frozen=True)
class Sensor:
    """How the images of one sensor are published.

    Attributes:
      folder: name of the folder of the rasters and, with `.csv`, the table of scenes.
      dates_folder: name of the folder of its dates, below `dates/` in the stacked layout.
      read_dates: reads scene names.
      parts: file ending → bands of one image and pixels per side, as published.
      stacked: the same where all bands are in one file.
    """

    folder: str
    dates_folder: str
    read_dates: scene_dates.Read
    parts: Mapping[str, tuple[tuple[str, ...], int]]
    stacked: Mapping[str, tuple[tuple[str, ...], int]]


_BANDS = {name: modality.bands for name, modality in CONTRACT_WITH_LANDSAT.modalities.items()}

NAIP = Sensor("naip", "naip", scene_dates.naip, {".png": (_BANDS["aerial"], 512)}, {})

SENSORS: Mapping[str, Sensor] = {
    "s2": Sensor(
        folder="sentinel2",
        dates_folder="s2",
        read_dates=scene_dates.sentinel,
        parts={
            "_8.tif": (("B02", "B03", "B04", "B08"), SIDE),
            "_16.tif": (("B05", "B06", "B07", "B11", "B12", "B8A"), SIDE // 2),
        },
        stacked={"_stacked.tif": (_BANDS["s2"], SIDE)},
    ),
    "s1": Sensor(
        folder="sentinel1",
        dates_folder="s1",
        read_dates=scene_dates.sentinel,
        parts={".tif": (_BANDS["s1"], SIDE)},
        stacked={".tif": (_BANDS["s1"], SIDE)},
    ),
    "landsat": Sensor(
        folder="landsat",
        dates_folder="landsat",
        read_dates=scene_dates.landsat,
        parts={
            "_8.tif": (("B8",), SIDE),
            "_16.tif": (("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B9", "B10", "B11"), SIDE // 2),
        },
        stacked={"_stacked.tif": (_BANDS["landsat"], SIDE)},
    ),
}
