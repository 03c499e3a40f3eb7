"""Your own dataset: co-registered rasters described by a short Python file, see `data_prep.folder`."""
