"""Your own dataset: a table of satellite series of places, described by a short Python file, see `data_prep.series`."""
