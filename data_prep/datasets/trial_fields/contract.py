"""What is stored of the trial fields: four sensors on 40 m × 40 m, and what grows there."""

from __future__ import annotations

from immutabledict import immutabledict

from mmae_jax.spec import Dataset, Modality, Target

CROPS = ("early spring crop", "late spring crop", "early double crop", "late double crop")
"""What grows: one season or two, that come up slowly and end at once, or the other way round."""

S2_BANDS = ("B02", "B03", "B04", "B06", "B07", "B08", "B11", "B12")
GROUPS = (3, 3, 2)
"""Bands of the visible, of the near infrared and of the short-wave infrared light."""

_RADAR = Modality(
    bands=("VV", "VH"),
    dtype="float32",
    unit="decibel",
    ground_sample_distance=10.0,
    size=4,
    decibel=True,
    value_range=(-60.0, 30.0),
)

CONTRACT = Dataset(
    name="trial_fields",
    version="1.0.0",
    tile_meters=40.0,
    modalities=immutabledict(
        s2=Modality(
            bands=S2_BANDS,
            dtype="int16",
            unit="reflectance",
            ground_sample_distance=10.0,
            size=4,
            scale=1e-4,
            value_range=(-5000.0, 30000.0),
        ),
        s1_asc=_RADAR,
        s1_des=_RADAR,
        aerial=Modality(
            bands=("NIR", "R", "G", "B"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=5.0,
            size=8,
            value_range=(0.0, 255.0),
        ),
    ),
    targets=immutabledict(crop=Target(kind="classif", classes=CROPS, field="crop")),
)
