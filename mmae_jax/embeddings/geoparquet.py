"""A table: one row for each vector, with the polygon that it stands for (GeoParquet 1.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio.warp
import shapely
from rasterio.crs import CRS

from mmae_jax.embeddings.output import UNITS, Part, Writer
from mmae_jax.formats import geo_metadata
from mmae_jax.scenes.job import Job

LONGITUDE_LATITUDE = "OGC:CRS84"
"""Of the geometry, where tiles lie in several coordinate systems."""


class GeoParquet(Writer):
    """Writes `FILE.parquet`."""

    def assemble(self, job: Job) -> str:
        """Writes the table, one unit after the other."""
        units = self._task.units
        systems = sorted({crs for unit in range(len(units)) for crs in job.array(UNITS, unit, "crs").tolist()} - {""})
        crs = systems[0] if len(systems) == 1 else LONGITUDE_LATITUDE if systems else None
        schema = self._schema(crs, several=len(systems) > 1)
        with pq.ParquetWriter(job.folder / self._out.name, schema, compression="zstd") as to:
            for unit, samples in enumerate(units):
                to.write_table(self._table(Part.read(job, unit, self._task.storage), samples, crs, schema))
        said = "" if systems else "; where tiles lie is not known, the geometry is empty"
        return f"geopandas.read_parquet({str(self._out)!r}){said}"

    def _schema(self, crs: str | None, several: bool) -> pa.Schema:
        task = self._task
        fields = [("tile", pa.string()), ("split", pa.string()), ("crop", pa.int32())]
        if task.pooling.per == "patch":
            fields += [("row", pa.int32()), ("column", pa.int32())]
        fields += [("first_date", pa.date32()), ("last_date", pa.date32())]
        if several:
            fields += [("crs", pa.string())]
        fields += [("embedding", pa.list_(pa.from_numpy_dtype(np.dtype(task.storage.dtype)), len(task.channels)))]
        if task.storage.quantization == "pixel":
            fields += [("scale", pa.float32())]
        fields += [("geometry", pa.binary())]
        system = None if crs is None else CRS.from_string(crs).to_dict(projjson=True)
        return pa.schema(fields, {"geo": geo_metadata(system), "mmae_jax": task.text()})

    def _table(self, part: Part, samples: range, crs: str | None, schema: pa.Schema) -> pa.Table:
        """Returns the rows of a unit, patches of a sample row by row; in a scene, those that are inside."""
        task, stored = self._task, part.stored
        assert stored is not None, "kept by the job"
        each = task.grid**2
        corners = np.concatenate([place.corners(task.grid).reshape(each, 4, 2) for place in part.places])
        rows, columns = (np.tile(index.ravel(), len(samples)) for index in np.indices((task.grid, task.grid)))
        inside = np.ones(len(rows), bool)
        if task.area is not None:
            squares = np.array([task.area.square(sample) for sample in samples]) * task.grid
            rows, columns = (index + np.repeat(at, each) for index, at in zip((rows, columns), squares.T, strict=True))
            height, width = task.area.shape(task.grid)
            inside = (rows < height) & (columns < width)
        systems = np.repeat([place.crs for place in part.places], each)
        vectors = stored.values.reshape(-1, len(task.channels))[inside]
        values: dict[str, Any] = {
            "tile": np.repeat(part.names, each)[inside],
            "split": [split or None for split in np.repeat(part.splits, each)[inside].tolist()],
            "crop": np.repeat(part.crops, each)[inside],
            "row": rows[inside],
            "column": columns[inside],
            "first_date": np.repeat(part.days[:, 0], each)[inside],
            "last_date": np.repeat(part.days[:, 1], each)[inside],
            "crs": systems[inside],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
            "geometry": _polygons(corners[inside], systems[inside], crs),
        }
        if stored.scale is not None:
            values["scale"] = stored.scale.reshape(-1)[inside]
        columns_of = {
            field.name: value if isinstance(value := values[field.name], pa.Array) else pa.array(value, field.type)
            for field in schema
        }
        return pa.table(columns_of, schema=schema)


def _polygons(corners: np.ndarray, systems: np.ndarray, crs: str | None) -> list[bytes | None]:
    """Returns the polygons of corners `[N, 4, 2]` in `systems` as WKB in `crs`; None where they are not known."""
    if crs == LONGITUDE_LATITUDE:
        corners = corners.copy()
        for system in set(systems.tolist()) - {""}:
            of = systems == system
            x, y = rasterio.warp.transform(CRS.from_string(system), CRS.from_string(crs), *corners[of].reshape(-1, 2).T)
            corners[of] = np.stack([x, y], axis=-1).reshape(-1, 4, 2)
    known = np.isfinite(corners).all(axis=(1, 2))
    found = iter(shapely.to_wkb(shapely.polygons(corners[known])).tolist())
    return [next(found) if is_known else None for is_known in known]
