"""A cloud-optimised GeoTIFF of a scene, one band for each number of a vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from mmae_jax.embeddings.output import UNITS, Task, Writer
from mmae_jax.scenes.cog import as_cog
from mmae_jax.scenes.job import Job

BLOCK = 128
"""Side of a tile of the file; a tile holds all bands, so that a vector is read at once [pixels]."""


class GeoTiff(Writer):
    """Writes `FILE.tif`, and `FILE_scale.tif` where each vector has a scale."""

    def __init__(self, task: Task, out: Path) -> None:
        assert task.area is not None, "checked with the command line"
        super().__init__(task, out)
        self._area = task.area

    @property
    def files(self) -> tuple[Path, ...]:
        """The rasters."""
        scale = self._out.with_name(f"{self._out.stem}_scale{self._out.suffix}")
        return (self._out, scale) if self._task.storage.quantization == "pixel" else (self._out,)

    def assemble(self, job: Job) -> str:
        """Writes the rasters."""
        storage = self._task.storage
        if len(self.files) > 1:
            self._write(job, "scale", self.files[1], ("scale",), "float32", float("nan"))
        self._write(job, "values", self._out, self._task.channels, storage.dtype, storage.nodata)
        return f"rasterio.open({str(self._out)!r})"

    def _write(self, job: Job, what: str, out: Path, bands: tuple[str, ...], dtype: str, nodata: float) -> None:
        height, width = self._area.shape(self._task.grid)
        # half floats are float32 of 16 bits in a TIFF, and become so with the copy
        raster_dtype = "float32" if dtype == "float16" else dtype
        plain = job.folder / f"{what}_plain.tif"
        with rasterio.open(
            plain,
            "w",
            driver="GTiff",
            width=width,
            height=height,
            count=len(bands),
            dtype=raster_dtype,
            nodata=nodata,
            crs=self._area.crs,
            transform=rasterio.Affine(*self._area.affine(self._task.grid)),
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            interleave="pixel",
            bigtiff="IF_SAFER",
        ) as file:
            for unit, samples in enumerate(self._task.units):
                values = job.array(UNITS, unit, what).astype(raster_dtype)
                for sample, square in zip(samples, values, strict=True):
                    self._write_square(file, sample, square)
            file.descriptions = bands
            file.update_tags(MMAE_JAX=self._task.text())
        half = {"nbits": 16} if dtype == "float16" else {}
        # nearest: a mean of bytes would be that of no vector
        as_cog(plain, job.folder / out.name, BLOCK, "nearest", predictor="YES", **half)

    def _write_square(self, file: rasterio.io.DatasetWriter, sample: int, square: np.ndarray) -> None:
        """Writes a square `[g, g]` or `[g, g, C]`, as far as it lies inside."""
        grid = self._task.grid
        row, column = (at * grid for at in self._area.square(sample))
        height, width = min(grid, file.height - row), min(grid, file.width - column)
        bands = square.reshape(grid, grid, -1)[:height, :width].transpose(2, 0, 1)
        file.write(bands, window=Window(column, row, width, height))
