"""Reads the Sentinel series of a TreeSatAI-TS tile; imports little, to be called through `isolated`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from data_prep.datasets.treesatai_ts.contract import CONTRACT
from data_prep.errors import TileError, expect
from data_prep.readers import dates
from data_prep.readers.hdf5 import get_array, has_array, open_hdf5, read_array
from data_prep.readers.values import are_percents, whole_percents
from mmae_jax.spec import Modality

Fields = dict[str, np.ndarray]
"""What a record holds of a modality."""


def read_sentinel(path: Path) -> tuple[dict[str, Fields], int]:
    """Returns what a file holds of each modality, and the number of Sentinel-2 acquisitions dropped as damaged.

    Raises:
      TileError: the file is absent, damaged or not as published; names it, key, expected and found.
    """
    with open_hdf5(path) as file:
        s2, dropped = _read_s2(file, path)
        s1 = {name: _read_s1(file, key, path) for name, key in (("s1_asc", "sen-1-asc"), ("s1_des", "sen-1-des"))}
        return {"s2": s2, **s1}, dropped


def _read_s1(file: h5py.File, key: str, path: Path) -> Fields:
    pixels, days = _read_series(file, key, path, CONTRACT.modalities["s1_asc"])
    expect(path, f"{key}-data: dtype", "float32", pixels.dtype.name)
    return {"pixels": pixels.astype(np.float32, copy=False), "dates": days}


def _read_s2(file: h5py.File, path: Path) -> tuple[Fields, int]:
    pixels, days = _read_series(file, "sen-2", path, CONTRACT.modalities["s2"])
    if not len(days):
        return {
            "pixels": pixels.astype(np.uint16),
            "dates": days,
            "mask": np.empty((0, 2, *pixels.shape[2:]), np.uint8),
        }, 0
    mask = read_array(file, "sen-2-masks", path, (len(pixels), None, *pixels.shape[2:]))
    # comparisons are false for NaN
    usable = (pixels >= 0) & (pixels <= np.iinfo(np.uint16).max) & (pixels == np.rint(pixels))
    keep = usable.all((1, 2, 3)) & are_percents(mask).all((1, 2, 3))
    if not keep.any():
        raise TileError(
            f"{path}: sen-2-data: expected dates with whole numbers 0 to 65535, and sen-2-masks from 0 to 100 %, "
            f"found {len(pixels)} dates of which none is so"
        )
    return {
        "pixels": pixels[keep].astype(np.uint16),
        "dates": days[keep],
        "mask": whole_percents(mask[keep]),
    }, int((~keep).sum())


def _read_series(file: h5py.File, key: str, path: Path, modality: Modality) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels `[T, bands, side, side]` and dates `[T, 3]`; T = 0 if the file has neither."""
    side = CONTRACT.stored_side(modality)
    shape = (len(modality.bands), side, side)
    if not has_array(file, f"{key}-data", path) and not has_array(file, f"{key}-products", path):
        return np.empty((0, *shape), np.float32), np.empty((0, 3), np.int16)
    names = get_array(file, f"{key}-products", path)
    pixels = read_array(file, f"{key}-data", path, (None, *shape))
    expect(path, f"{key}-products: dates", len(pixels), names.size)
    try:
        days = dates.from_products(names.asstr()[()], dates.SENTINEL_TOKEN)
    except (ValueError, TypeError) as error:
        raise TileError(f"{path}: {key}-products: {error}") from error
    return pixels, days
