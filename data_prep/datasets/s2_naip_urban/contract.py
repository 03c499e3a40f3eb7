"""The sensor contract of S2-NAIP, without and with Landsat."""

from __future__ import annotations

import dataclasses

from immutabledict import immutabledict

from mmae_jax.spec import Dataset, Modality

TILE_METERS = 640.0

SIDE = 64
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
            size=SIDE,
            scale=1e-4,
            nodata=0.0,
            value_range=(1.0, 65535.0),
        ),
        s1=Modality(
            bands=("VV", "VH"),
            dtype="float32",
            unit="dB",
            ground_sample_distance=10.0,
            size=SIDE,
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
    size=SIDE,
    nodata=0.0,
    value_range=(1.0, 65535.0),
)
"""Images of Landsat 8, pan-sharpening band and 30 m bands alike at 10 m."""

CONTRACT_WITH_LANDSAT = dataclasses.replace(
    CONTRACT, modalities=immutabledict({**CONTRACT.modalities, "landsat": LANDSAT})
)
"""A third larger; published experiments leave Landsat out."""
