"""Your own dataset: a table of satellite series of places, described by a short Python file.

from data_prep.series import Columns, Decibels, Folds, InUnit, Label, Points, Series
from mmae_jax.spec import Modality, Target

dataset = Series(name=…, table=…, place=…, modalities={…}, targets={…}, splits=…)
"""

from data_prep.datasets.folder.description import Fractions
from data_prep.datasets.series.conversions import Decibels, InUnit
from data_prep.datasets.series.description import Columns, Geometry, InColumn, Label, Points, Series, Steps
from data_prep.datasets.series.folds import Folds

__all__ = [
    "Columns",
    "Decibels",
    "Folds",
    "Fractions",
    "Geometry",
    "InColumn",
    "InUnit",
    "Label",
    "Points",
    "Series",
    "Steps",
]
