"""Your own dataset: co-registered rasters described by a short Python file.

from data_prep.folder import Column, Files, Folder, Fractions, InNames, Raster, Table
from mmae_jax.spec import Modality, Target

dataset = Folder(name=…, tile_meters=…, modalities={…}, targets={…}, splits=…)
"""

from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, InNames, Raster, Table

__all__ = ["Column", "Files", "Folder", "Fractions", "InNames", "Raster", "Table"]
