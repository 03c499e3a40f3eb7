"""What a description of your own dataset imports; see `data_prep.datasets.folder`."""

from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, InNames, Raster, Table

__all__ = ["Column", "Files", "Folder", "Fractions", "InNames", "Raster", "Table"]
