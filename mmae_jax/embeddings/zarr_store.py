"""A Zarr v3 store by the conventions `geoemb:`, `proj:` and `spatial:`; units write regions that share no chunk."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from rasterio.crs import CRS

from mmae_jax.embeddings.output import Part, Writer
from mmae_jax.embeddings.pooling import reference
from mmae_jax.embeddings.storage import Stored
from mmae_jax.scenes.job import Job

CHUNK_BYTES = 1 << 20
GEOEMB = {
    "schema_url": "https://raw.githubusercontent.com/geo-embeddings/embeddings-zarr-convention/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/geo-embeddings/embeddings-zarr-convention/blob/v1/README.md",
    "uuid": "61c12cc5-0e28-4056-999a-480cf3fb7e4c",
    "name": "geoemb:",
    "description": "Geoembeddings convention for geospatial embedding arrays with model provenance",
}
PROJ = {
    "schema_url": "https://raw.githubusercontent.com/zarr-experimental/geo-proj/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-experimental/geo-proj/blob/v1/README.md",
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj:",
    "description": "Coordinate reference system information for geospatial data",
}
SPATIAL = {
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v0.1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/spatial/blob/v0.1/README.md",
    "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "name": "spatial",
    "description": "Spatial coordinate information",
}


class ZarrStore(Writer):
    """Writes `FILE.zarr`.

    `embeddings` is `[band, y, x]` of a scene, `[tile, band]` of tiles, or `[tile, band, y, x]` of their patches.
    """

    def prepare(self, folder: Path) -> None:
        """Makes the store with all of its arrays, empty; of several processes that begin, one makes it."""
        store = folder / self._out.name
        if store.exists():
            return
        beside = folder / f"{uuid.uuid4().hex}.zarr"
        try:
            self._make(zarr.open_group(beside, mode="w", zarr_format=3))
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(beside, store)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _make(self, root: zarr.Group) -> None:
        task = self._task
        bands, grid = len(task.channels), task.grid
        several = self._samples_in_a_chunk()
        if task.area is None:
            patches = {"y": (grid, grid), "x": (grid, grid)} if task.pooling.per == "patch" else {}
            axes = {"tile": (task.samples, several), "band": (bands, bands), **patches}
        else:
            height, width = task.area.shape(grid)
            axes = {"band": (bands, bands), "y": (height, grid), "x": (width, grid * several)}
        _array(root, "embeddings", axes, task.storage.dtype, task.storage.nodata)
        if task.storage.quantization == "pixel":
            of_scale = {name: sizes for name, sizes in axes.items() if name != "band"}
            _array(root, "scale", of_scale, "float32", float("nan"))
        _put(root, "band", np.array(task.channels, object), str)
        if task.area is not None:
            a, _, left, _, e, top = task.area.affine(grid)
            _put(root, "x", left + a * (np.arange(axes["x"][0]) + 0.5), "float64")
            _put(root, "y", top + e * (np.arange(axes["y"][0]) + 0.5), "float64")
        root.attrs.update(self._attributes())

    def _samples_in_a_chunk(self) -> int:
        """Returns a power of two, at most a unit: a chunk lies in one unit."""
        task, number = self._task, 1
        each = task.grid**2 * len(task.channels) * np.dtype(task.storage.dtype).itemsize
        while 2 * number <= task.unit and 2 * number * each <= CHUNK_BYTES:
            number *= 2
        if task.area is None:
            return number
        columns = task.area.squares[1]
        return number if columns >= task.unit else min(number, columns)

    def keep(self, folder: Path, samples: range, stored: Stored) -> None:
        """Writes the region of a unit."""
        root: Any = zarr.open_group(folder / self._out.name, mode="r+")
        values = np.moveaxis(stored.values, -1, 1)
        if self._task.area is None:
            grid = slice(None) if self._task.pooling.per == "patch" else 0
            rows = slice(samples.start, samples.stop)
            root["embeddings"][rows] = values[:, :, grid, grid]
            if stored.scale is not None:
                root["scale"][rows] = stored.scale[:, grid, grid]
            return
        for (first, last), (rows, columns) in _strips(samples, self._task.area.squares[1], self._task.grid):
            _fill(root["embeddings"], rows, columns, _side_by_side(values[first:last]))
            if stored.scale is not None:
                _fill(root["scale"], rows, columns, _side_by_side(stored.scale[first:last]))

    def assemble(self, job: Job) -> str:
        """Adds what is known of the tiles."""
        root = zarr.open_group(job.folder / self._out.name, mode="r+")
        parts = [Part.read(job, unit, None) for unit in range(len(self._task.units))]
        days = np.concatenate([part.days for part in parts])
        if self._task.area is None:
            self._put_tiles(root, parts, days)
        seen = days[~np.isnat(days).any(axis=1)]
        dates = [str(seen[:, 0].min()), str(seen[:, 1].max())] if len(seen) else None
        root.attrs.update({"mmae_jax": self._task.described() | {"dates": dates}})
        return f"xarray.open_zarr({str(self._out)!r}, consolidated=False)"

    def _put_tiles(self, root: zarr.Group, parts: Sequence[Part], days: np.ndarray) -> None:
        places = [place for part in parts for place in part.places]
        for name in ("name", "split"):
            texts = np.concatenate([getattr(part, f"{name}s") for part in parts])
            _put(root, name, texts.astype(object), str, "tile")
        _put(root, "crop", np.concatenate([part.crops for part in parts]), "int32", "tile")
        for name, of in zip(("first_date", "last_date"), days.T, strict=True):
            missing = np.isnat(of)
            attributes = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "missing_value": -1}
            _put(root, name, np.where(missing, -1, of.astype(np.int64)), "int64", "tile", attributes=attributes)
        corners = np.stack([place.corners()[0, 0] for place in places])
        if np.isfinite(corners).any():
            _put(root, "corners", corners, "float64", "tile", "corner", "xy")
        systems = {place.crs for place in places} - {""}
        if len(systems) == 1:
            root.attrs.update({"zarr_conventions": [GEOEMB, PROJ], **_crs(systems.pop())})
        elif systems:
            _put(root, "crs", np.array([place.crs for place in places], object), str, "tile")

    def _attributes(self) -> dict[str, Any]:
        """Returns the attributes of the conventions."""
        task, area = self._task, self._task.area
        name = reference(task.experiment)
        side = task.experiment.raw_side(name) // task.grid
        attributes = {
            "zarr_conventions": [GEOEMB],
            "geoemb:type": "chip",
            "geoemb:dimensions": len(task.channels),
            "geoemb:model": _uri(task.model),
            "geoemb:source_data": [_uri(origin) for origin in task.origins],
            "geoemb:data_type": task.storage.dtype,
            "geoemb:gsd": float(task.experiment.modality(name).ground_sample_distance),
            "geoemb:chip_layout": {
                "layout_type": "irregular" if area is None else "regular_grid",
                "chip_size": [side, side],
            },
            "mmae_jax": task.described(),
        }
        if task.storage.dtype == "int8":
            quantization: dict[str, Any] = {"original_dtype": "float32", "quantized_dtype": "int8"}
            if task.storage.quantization == "pixel":
                scale = {"type": "array", "array_name": "scale", "nodata": "NaN"}
                quantization |= {"method": "per_pixel_scale", "scale": scale}
            else:
                quantization |= {"method": "signed_power"}
            attributes["geoemb:quantization"] = quantization
        if area is not None:
            affine, (height, width) = area.affine(task.grid), area.shape(task.grid)
            attributes |= {
                "zarr_conventions": [GEOEMB, PROJ, SPATIAL],
                **_crs(area.crs),
                "spatial:dimensions": ["y", "x"],
                "spatial:transform": list(affine),
                "spatial:shape": [height, width],
                "spatial:bbox": [area.left, area.top + height * affine[4], area.left + width * affine[0], area.top],
                "spatial:registration": "pixel",
            }
        return attributes


def _strips(samples: range, columns: int, grid: int) -> list[tuple[tuple[int, int], tuple[slice, slice]]]:
    """Returns, for each row of squares of a unit: first and last sample in the unit, and rows and columns of parts."""
    strips, at = [], samples.start
    while at < samples.stop:
        row, column = divmod(at, columns)
        stop = min(samples.stop, (row + 1) * columns)
        end = column + stop - at
        place = slice(row * grid, (row + 1) * grid), slice(column * grid, end * grid)
        strips.append(((at - samples.start, stop - samples.start), place))
        at = stop
    return strips


def _side_by_side(squares: np.ndarray) -> np.ndarray:
    """Returns squares `[N, …, g, g]` in one row, `[…, g, N · g]`."""
    *leading, grid, _ = squares.shape[1:]
    return np.moveaxis(squares, 0, -2).reshape(*leading, grid, -1)


def _fill(array: Any, rows: slice, columns: slice, values: np.ndarray) -> None:
    """Writes what of `values` `[…, h, w]` lies inside the array."""
    height, width = (
        min(part.stop, size) - part.start for part, size in zip((rows, columns), array.shape[-2:], strict=True)
    )
    array[..., rows.start : rows.start + height, columns.start : columns.start + width] = values[..., :height, :width]


def _array(root: zarr.Group, name: str, axes: Mapping[str, tuple[int, int]], dtype: str, nodata: float) -> None:
    """Makes an array whose axes have names, sizes, and lengths of chunks."""
    root.create_array(
        name,
        shape=tuple(size for size, _ in axes.values()),
        chunks=tuple(map(min, axes.values())),
        dtype=dtype,
        fill_value=nodata,
        dimension_names=tuple(axes),
    )


def _put(
    root: zarr.Group, name: str, values: np.ndarray, dtype: Any, *names: str, attributes: dict[str, Any] | None = None
) -> None:
    """Writes a small array whole."""
    array = root.create_array(
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=dtype,
        dimension_names=names or (name,),
        attributes=attributes,
        overwrite=True,
    )
    array[...] = values


def _crs(text: str) -> dict[str, str]:
    crs = CRS.from_string(text)
    code = crs.to_epsg(100)
    return {"proj:wkt2": crs.to_wkt(version="WKT2_2019")} if code is None else {"proj:code": f"EPSG:{code}"}


def _uri(place: str) -> str:
    return place if "://" in place else Path(place).absolute().as_uri()
