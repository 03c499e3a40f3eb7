"""What a record holds: `tfds` features built from the sensor contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mmae_jax.contract.codec import Record as Record
from mmae_jax.spec import Dataset, Modality

Field = tuple[tuple[int | None, ...], str]
"""Shape (None: any length) and numpy dtype name of a target field."""

NUM_DATE_PARTS = 3
NUM_AFFINE = 6


def features(contract: Dataset, target_fields: Mapping[str, Field]) -> tfds.features.FeaturesDict:
    """Returns the features of a record.

    The fields are
      name, crs: text; crs is what `rasterio.crs.CRS.from_string` reads, an EPSG code or WKT; empty if unknown.
      transform: float64 `[6]`, the affine a b c d e f from column, row to map coordinates.
      ref_date: int16 `[3]`, year, day of year, hour.
      <modality>: T acquisitions, none if the modality is missing, as
        pixels: `[T, bands, side, side]` in the contract's dtype,
        dates: int16 `[T, 3]`,
        base: float32, if the contract has a quantum: values are `base + quantum · pixels`,
        mask: uint8 percent `[T, M, side, side]`, if the contract has mask channels; M may differ between records.
      the target fields.
    Where the contract has blocks, rasters are one block's, and `transform` is that of the block.

    Args:
      contract: names, bands, dtypes and sizes of the modalities.
      target_fields: record field → shape and dtype, for everything `contract.targets` is derived from.
    """
    fields: dict[str, Any] = {
        "name": tfds.features.Text(),
        "crs": tfds.features.Text(),
        "transform": _tensor((NUM_AFFINE,), "float64"),
        "ref_date": _tensor((NUM_DATE_PARTS,), "int16"),
    }
    fields |= {
        name: _modality(modality, contract.stored_side(modality)) for name, modality in contract.modalities.items()
    }
    rasters = {target.field: target for target in contract.targets.values() if target.is_raster}
    for name, (shape, dtype) in target_fields.items():
        fields[name] = _tensor((contract.stored_side(rasters[name]),) * 2 if name in rasters else shape, dtype)
    return tfds.features.FeaturesDict(fields)


def _modality(modality: Modality, side: int) -> dict[str, tfds.features.Tensor]:
    fields = {
        "pixels": _tensor((None, len(modality.bands), side, side), modality.dtype),
        "dates": _tensor((None, NUM_DATE_PARTS), "int16"),
    }
    if modality.quantum is not None:
        fields["base"] = _tensor((), "float32")
    if modality.mask_channels:
        # raw bytes of an array with two unknown lengths cannot be read back when it is empty; compressed ones can
        fields["mask"] = _tensor((None, None, side, side), "uint8", "zlib")
    return fields


def _tensor(shape: tuple[int | None, ...], dtype: str, encoding: str = "bytes") -> tfds.features.Tensor:
    # without an encoding, integers would become int64 and float64 float32: large records, coordinates off by metres
    return tfds.features.Tensor(shape=shape, dtype=np.dtype(dtype), encoding=encoding)
