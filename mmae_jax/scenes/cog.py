"""Cloud-optimised GeoTIFFs, written part by part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.windows import Window

from mmae_jax.scenes.layers import Layer
from mmae_jax.scenes.scene import Frame

BLOCK = 512
SIDECAR = ".aux.xml"
"""Where GDAL looks for names of classes, which a GeoTIFF has no place for."""


def write_cog(
    path: Path,
    frame: Frame,
    pixel: float,
    size: tuple[int, int],
    layer: Layer,
    rows: Iterable[np.ndarray],
    metadata: Mapping[str, Any],
) -> None:
    """Writes a cloud-optimised GeoTIFF with overviews.

    Args:
      path: ends in `.tif`; names of classes are written beside it.
      frame: where its north-west corner is.
      pixel: side of a pixel [m].
      size: rows and columns.
      layer: what it holds.
      rows: its pixels `[bands, rows, columns]`, strip by strip from the north.
      metadata: JSON values by name, written as tags.
    """
    plain = path.with_name(f"{path.stem}_plain.tif")
    height, width = size
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(layer.bands),
        "dtype": layer.dtype,
        "crs": rasterio.CRS.from_wkt(frame.crs),
        "transform": from_origin(frame.left, frame.top, pixel, pixel),
        "nodata": layer.nodata,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "zlevel": 1,
        "interleave": "band",
        "bigtiff": "if_safer",
    }
    with rasterio.open(plain, "w", **profile) as file:
        if layer.colours:
            table = {index: _rgba(colour) for index, colour in enumerate(layer.colours)}
            file.write_colormap(1, table | {int(layer.nodata): (0, 0, 0, 0)})
        elif len(layer.bands) > 1:
            file.colorinterp = (ColorInterp.gray, *(ColorInterp.undefined for _ in layer.bands[1:]))
        file.descriptions = layer.bands
        if layer.scale != 1:
            file.scales = (layer.scale,) * len(layer.bands)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
        file.update_tags(**texts)
        top = 0
        for pixels in rows:
            file.write(pixels, window=Window(0, top, width, pixels.shape[1]))
            top += pixels.shape[1]
    as_cog(plain, path, BLOCK, layer.resampling, predictor="YES" if layer.dtype == "float32" else "NO")
    if layer.classes:
        _write_names(path, layer)


def as_cog(plain: Path, path: Path, block: int, resampling: str, **options: Any) -> None:
    """Replaces a GeoTIFF by a cloud-optimised one.

    Args:
      plain: the GeoTIFF, which is deleted.
      path: what it becomes.
      block: side of a tile of the file [pixels].
      resampling: of overviews.
      options: further creation options of GDAL's driver.
    """
    rasterio.shutil.copy(
        plain,
        path,
        driver="COG",
        blocksize=block,
        compress="DEFLATE",
        overview_resampling=resampling,
        bigtiff="IF_SAFER",
        **options,
    )
    plain.unlink()


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue, 255


def _write_names(path: Path, layer: Layer) -> None:
    """Writes the names of classes as GDAL and QGIS read them."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    ElementTree.SubElement(band, "Description").text = layer.bands[0]
    names = ElementTree.SubElement(band, "CategoryNames")
    for name in layer.classes:
        ElementTree.SubElement(names, "Category").text = name
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path.with_name(path.name + SIDECAR), encoding="unicode")
