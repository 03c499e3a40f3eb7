"""Tiny scenes: an experiment of two sensors, and rasters for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from immutabledict import immutabledict

from mmae_jax import spec

AERIAL = spec.Modality(("R", "G"), "uint8", "digital number", 1.0, 20)
S2 = spec.Modality(("B02", "B08"), "uint16", "surface reflectance", 10.0, 2, scale=1e-4, nodata=0)
S1 = spec.Modality(("VV", "VH"), "float32", "sigma0, linear power", 10.0, 2)
CRS = "EPSG:32632"
LEFT, TOP = 500_000.0, 5_700_000.0
PHASE = spec.Phase(epochs=1, batch_size=2, base_lr=1e-4)


def experiment(**modalities: spec.Modality) -> spec.Experiment:
    """Returns an experiment whose cells have 10 m, of aerial and Sentinel-2 images unless told otherwise."""
    found = modalities or {"aerial": AERIAL, "s2": S2}
    inputs = {
        name: spec.Input((each.bands,), image_size=each.size, patch_size=1, num_dates=2 if each.size == 2 else 1)
        for name, each in found.items()
    }
    return spec.Experiment(
        dataset=spec.Dataset("tiny", "1.0.0", 20.0, immutabledict(found), immutabledict()),
        inputs=immutabledict(inputs),
        model=spec.Model(architecture=spec.ARCHITECTURES["tiny"], ref_input=next(iter(found))),
        pretrain=PHASE,
        probe=PHASE,
        finetune=PHASE,
    )


def write(
    path: Path,
    pixels: np.ndarray,
    pixel: float,
    *,
    left: float = LEFT,
    top: float = TOP,
    crs: str | None = CRS,
    names: tuple[str, ...] = (),
    **profile: Any,
) -> Path:
    """Writes a GeoTIFF whose bands are not said to be colours; `profile` may hold `scales`, `offsets`, `units` too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {name: profile.pop(name) for name in ("scales", "offsets", "units") if name in profile}
    bands, height, width = pixels.shape
    place = {"crs": crs, "transform": rasterio.Affine(pixel, 0, left, 0, -pixel, top)} if crs else {}
    plain = {"photometric": "minisblack", "alpha": "no"} if path.suffix == ".tif" else {}
    with rasterio.open(
        path, "w", "GTiff", width, height, bands, dtype=pixels.dtype, **place, **(plain | profile)
    ) as file:
        file.write(pixels)
        for index, name in enumerate(names, 1):
            file.set_band_description(index, name)
        for name, values in said.items():
            setattr(file, name, values)
    return path


def values(*shape: int, seed: int = 0, dtype: str = "uint8", low: int = 1, high: int = 250) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def describe(folder: Path, text: str, header: str = "") -> Path:
    """Writes a description; `text` are the arguments of `Scene`."""
    path = folder / "scene.py"
    path.write_text(f"from data_prep.scenes import Images, Scene\n{header}\nSCENE = Scene({text})\n")
    return path
