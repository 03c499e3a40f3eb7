"""The sensor contract of TreeSatAI-Time-Series."""

from __future__ import annotations

from immutabledict import immutabledict

from mmae_jax.spec import Dataset, Modality, Target

GENERA = (
    *("Betula", "Cleared", "Quercus", "Larix", "Fraxinus", "Alnus", "Pseudotsuga", "Prunus"),
    *("Fagus", "Acer", "Abies", "Pinus", "Tilia", "Picea", "Populus"),
)

_S1 = Modality(
    bands=("VV", "VH"),
    dtype="float32",
    unit="sigma0, linear power",
    ground_sample_distance=10.0,
    size=6,
    value_range=(0.0, 1000.0),
    typical_means=(0.1, 0.03),
)

# Typical means are rounded from a few published tiles; those of Sentinel-2 are of pixels without clouds and snow, which
# samples are made of. In many tiles of 2017, the second radar channel is a copy of the first.
CONTRACT = Dataset(
    name="treesatai_ts",
    version="1.0.0",
    tile_meters=60.0,
    modalities=immutabledict(
        aerial=Modality(
            bands=("NIR", "G", "B", "R"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=0.2,
            size=300,
            frame=2,
            value_range=(0.0, 255.0),
            typical_means=(140.0, 96.0, 86.0, 86.0),
            date_convention="1 July of the acquisition year; day and hour unknown",
        ),
        s2=Modality(
            bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
            dtype="uint16",
            unit="surface reflectance",
            ground_sample_distance=10.0,
            size=6,
            scale=1e-4,
            value_range=(0.0, 28000.0),
            typical_means=(480.0, 610.0, 530.0, 930.0, 1920.0, 2280.0, 2450.0, 2540.0, 1570.0, 930.0),
            mask_channels=("snow", "cloud"),
        ),
        s1_asc=_S1,
        s1_des=_S1,
    ),
    targets=immutabledict(
        treesat_mlc=Target(kind="multilabel", classes=GENERA, field="proportions", threshold=0.0),
        treesat_mlc_thresh=Target(kind="multilabel", classes=GENERA, field="proportions", threshold=0.07),
    ),
)
