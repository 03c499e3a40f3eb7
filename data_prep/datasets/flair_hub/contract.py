"""The sensor contract of FLAIR-HUB, whole and as its FLAIR#2 version."""

from __future__ import annotations

import dataclasses

from immutabledict import immutabledict

from data_prep.datasets.flair_hub.classes import COSIA, COSIA_IGNORED, FLAIR2_IGNORED, LPIS, NO_LPIS
from mmae_jax.spec import Dataset, Modality, Target

PATCH_METERS = 102.4
FINE_SIDE = 512
"""Pixels per side of the finest rasters, 0.2 m each."""

_MONTH_KNOWN = "acquisition day, the first of the month where only the month is known; hour unknown (0)"

AERIAL = Modality(
    bands=("R", "G", "B", "NIR"),
    dtype="uint8",
    unit="digital number",
    ground_sample_distance=0.2,
    size=FINE_SIDE,
    value_range=(0.0, 255.0),
    date_convention="acquisition day, hour unknown (0)",
)

S2_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

S2 = Modality(
    bands=S2_BANDS,
    dtype="uint16",
    unit="surface reflectance",
    ground_sample_distance=10.24,
    size=10,
    scale=1e-4,
    value_range=(0.0, 32767.0),
    mask_channels=("snow", "cloud"),
)

_S1 = Modality(
    bands=("VV", "VH"),
    dtype="float32",
    unit="sigma0, linear power",
    ground_sample_distance=10.24,
    size=10,
    value_range=(0.0, 10_000.0),  # 40 dB; the brightest targets in cities reach 35
)

COSIA_TARGET = Target(
    kind="segment",
    classes=tuple(COSIA),
    field="cosia",
    ignored=COSIA_IGNORED,
    colours=tuple(COSIA.values()),
    size=FINE_SIDE,
)

FLAIR2_TARGET = dataclasses.replace(COSIA_TARGET, ignored=FLAIR2_IGNORED)

CONTRACT = Dataset(
    name="flair_hub",
    version="1.0.0",
    tile_meters=PATCH_METERS,
    modalities=immutabledict(
        aerial=AERIAL,
        aerial_rlt=Modality(
            bands=("PAN",),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=0.4,
            size=256,
            value_range=(0.0, 255.0),
            typical_means=(125.92,),
            date_convention=_MONTH_KNOWN,
        ),
        dem=Modality(
            bands=("DSM", "DTM"),
            dtype="uint16",
            unit="m above sea level",
            ground_sample_distance=0.2,
            size=FINE_SIDE,
            quantum=0.01,
            value_range=(-100.0, 5000.0),
            date_convention="that of the aerial image",
        ),
        spot=Modality(
            bands=("R", "G", "B", "NIR"),
            dtype="uint16",
            unit="digital number",
            ground_sample_distance=1.6,
            size=64,
            value_range=(0.0, 65535.0),
            typical_means=(433.26, 508.75, 467.77, 1137.03),
            date_convention=_MONTH_KNOWN,
        ),
        s2=S2,
        s1_asc=_S1,
        s1_des=_S1,
    ),
    targets=immutabledict(
        cosia=COSIA_TARGET,
        lpis=Target(
            kind="segment",
            classes=tuple(LPIS),
            field="lpis",
            ignored=(NO_LPIS,),
            colours=tuple(LPIS.values()),
            size=FINE_SIDE,
        ),
    ),
)

CONTRACT_FLAIR2 = dataclasses.replace(
    CONTRACT, name="flair_hub_flair2", targets=CONTRACT.targets.set("cosia", FLAIR2_TARGET)
)
"""The patches of FLAIR#2 in the files of FLAIR-HUB: other classes are ignored, everything else is the same."""
