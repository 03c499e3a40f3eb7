"""What PASTIS-HD's sensors and classes are: its sensor contract.

Sentinel-2 reflectances and Sentinel-1 backscatter as published, with the statistics of the dataset's release; names of
classes as in its label file, colours as in its demonstration.
"""

from __future__ import annotations

from immutabledict import immutabledict

from mmae_jax.spec import Dataset, Modality, Target

CLASSES = (
    *("Background", "Meadow", "Soft winter wheat", "Corn", "Winter barley", "Winter rapeseed", "Spring barley"),
    *("Sunflower", "Grapevine", "Beet", "Winter triticale", "Winter durum wheat", "Fruits, vegetables, flowers"),
    *("Potatoes", "Leguminous fodder", "Soybeans", "Orchard", "Mixed cereal", "Sorghum"),
)
VOID = 19

COLOURS = (
    *("#000000", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd", "#c5b0d5"),
    *("#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7", "#bcbd22", "#dbdb8d", "#17becf"),
)

_S1 = Modality(
    bands=("VV", "VH", "VV-VH"),
    dtype="float16",
    unit="backscatter, dB",
    ground_sample_distance=10.0,
    size=128,
    decibel=True,
    value_range=(-45.0, 55.0),
    typical_means=(-10.94, -17.36, 6.42),
)

CONTRACT = Dataset(
    name="pastis_hd",
    version="1.0.0",
    tile_meters=1280.0,
    modalities=immutabledict(
        spot=Modality(
            bands=("R", "G", "B"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=1.0,
            size=1280,
            date_convention="1 July 2019; month and day unknown",
        ),
        s2=Modality(
            bands=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
            dtype="int16",
            unit="surface reflectance",
            ground_sample_distance=10.0,
            size=128,
            scale=1e-4,
            # The published experiments read it as reflectance -1. Here it is what it says: a missing pixel.
            nodata=-10_000.0,
            value_range=(-9_999.0, 22_626.0),
            typical_means=(1161.7, 1371.4, 1423.4, 1759.7, 2714.5, 3055.8, 3197.9, 3313.4, 2416.0, 1626.8),
        ),
        s1_asc=_S1,
        s1_des=_S1,
    ),
    targets=immutabledict(
        pastis_seg=Target(
            kind="segment", classes=CLASSES, field="pastis_seg", missing_value=VOID, colours=COLOURS, size=128
        ),
        pastis_mlc=Target(
            kind="multilabel",
            classes=CLASSES[1:],
            field="pastis_seg",
            colours=COLOURS[1:],
            pixel_values=tuple(range(1, VOID)),
        ),
    ),
    blocks=8,
)
