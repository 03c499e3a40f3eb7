"""The sensor contract of the FLAIR#2 release of 2023."""

from __future__ import annotations

import dataclasses

from immutabledict import immutabledict

from data_prep.datasets.flair_hub.contract import AERIAL, FINE_SIDE, FLAIR2_TARGET, PATCH_METERS, S2
from mmae_jax.spec import Dataset, Modality

CONTRACT = Dataset(
    name="flair2",
    version="1.0.0",
    tile_meters=PATCH_METERS,
    modalities=immutabledict(
        aerial=dataclasses.replace(AERIAL, date_convention="acquisition day and hour"),
        ndsm=Modality(
            bands=("nDSM",),
            dtype="uint8",
            unit="m above ground, 51 and more as 51",
            ground_sample_distance=0.2,
            size=FINE_SIDE,
            scale=0.2,
            value_range=(0.0, 255.0),
            date_convention="that of the aerial image",
        ),
        s2=dataclasses.replace(S2, ground_sample_distance=10.0),
    ),
    targets=immutabledict(cosia=FLAIR2_TARGET),
)
