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

SPECIES = (
    *("Quercus_robur", "Quercus_pubescens", "Quercus_petraea", "Quercus_rubra", "Quercus_ilex", "Fagus_sylvatica"),
    *("Castanea_sativa", "Robinia_pseudoacacia", "Pinus_pinaster", "Pinus_sylvestris", "Pinus_nigra"),
    *("Pinus_nigra_laricio", "Pinus_halepensis", "Abies_alba", "Abies_nordmanniana", "Picea_abies"),
    *("Larix_decidua", "Pseudotsuga_menziesii"),
)
"""The 18 species of the file names, in the order of their classes."""

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
        species=Target(kind="classif", classes=SPECIES, field="species"),
    ),
)
