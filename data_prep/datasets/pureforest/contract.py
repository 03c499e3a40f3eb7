"""What is stored of PureForest: classes, species and the sensor contract."""

from __future__ import annotations

from immutabledict import immutabledict

from mmae_jax.spec import Dataset, Modality, Target

CLASSES = immutabledict(
    {
        "Deciduous oak": "#8db600",
        "Evergreen oak": "#556b2f",
        "Beech": "#f4a460",
        "Chestnut": "#a0522d",
        "Black locust": "#ffd700",
        "Maritime pine": "#00ced1",
        "Scotch pine": "#1e90ff",
        "Black pine": "#191970",
        "Aleppo pine": "#87ceeb",
        "Fir": "#800080",
        "Spruce": "#db7093",
        "Larch": "#ff7f50",
        "Douglas": "#dc143c",
    }
)
"""The 13 published classes, in index order, and a colour for each."""

SPECIES = immutabledict(
    {
        "Quercus_robur": "#8db600",
        "Quercus_pubescens": "#4f7942",
        "Quercus_petraea": "#b2ec5d",
        "Quercus_rubra": "#c1440e",
        "Quercus_ilex": "#556b2f",
        "Fagus_sylvatica": "#f4a460",
        "Castanea_sativa": "#a0522d",
        "Robinia_pseudoacacia": "#ffd700",
        "Pinus_pinaster": "#00ced1",
        "Pinus_sylvestris": "#1e90ff",
        "Pinus_nigra": "#191970",
        "Pinus_nigra_laricio": "#5d5db3",
        "Pinus_halepensis": "#87ceeb",
        "Abies_alba": "#800080",
        "Abies_nordmanniana": "#c88fd8",
        "Picea_abies": "#db7093",
        "Larix_decidua": "#ff7f50",
        "Pseudotsuga_menziesii": "#dc143c",
    }
)
"""The 18 species of the file names, in the order of their classes, and a colour for each."""

UNKNOWN_DATE = (2020, 183, 0)
_DATES = "not published: 1 July 2020 stands for all"

CONTRACT = Dataset(
    name="pureforest",
    version="1.0.0",
    tile_meters=50.0,
    modalities=immutabledict(
        aerial=Modality(
            bands=("NIR", "R", "G", "B"),
            dtype="uint8",
            unit="digital number",
            ground_sample_distance=0.2,
            size=250,
            value_range=(0.0, 255.0),
            date_convention=_DATES,
        ),
        height=Modality(
            bands=("DSM", "DTM"),
            dtype="uint16",
            unit="metre above the reference of altitudes",
            ground_sample_distance=0.5,
            size=100,
            quantum=0.01,
            value_range=(-100.0, 5000.0),
            date_convention=_DATES,
        ),
    ),
    targets=immutabledict(
        tree_class=Target(kind="classif", classes=tuple(CLASSES), field="tree_class", colours=tuple(CLASSES.values())),
        species=Target(kind="classif", classes=tuple(SPECIES), field="species", colours=tuple(SPECIES.values())),
    ),
)
