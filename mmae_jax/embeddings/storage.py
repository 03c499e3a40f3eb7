"""Vectors as they are stored: floating point, or one byte a number (docs/scenes.md)."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

NODATA = -128
LARGEST = 127
POWER_SCALE = 127.5
"""Of AlphaEarth's power quantisation: `value = sign(q) · (|q| / 127.5)²`."""


class Stored(NamedTuple):
    """Stored vectors.

    Attributes:
      values: `[…, P · E]`, part after part.
      scale: float32 `[…]` by which values are multiplied, NaN where nothing is there; None where there is none.
    """

    values: np.ndarray
    scale: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Storage:
    """How vectors are stored.

    Attributes:
      dtype: numpy dtype name. In floating point, NaN is what is missing, in `int8` -128.
      quantization: of `int8`. `power` as AlphaEarth: each part is divided by its length, `q = sign(v) · √|v| · 127.5`.
        `pixel` as TESSERA: one scale a vector, its largest number becomes 127. None in floating point.
    """

    dtype: str = "float16"
    quantization: str | None = None

    @property
    def nodata(self) -> float:
        """What is stored where nothing is there."""
        return NODATA if self.dtype == "int8" else float("nan")

    def encode(self, vectors: np.ndarray) -> Stored:
        """Returns float32 vectors `[…, P, E]`, NaN where a part is missing, as they are stored."""
        flat = vectors.reshape(*vectors.shape[:-2], -1)
        if self.dtype != "int8":
            limit = float(np.finfo(self.dtype).max)
            return Stored(np.clip(flat, -limit, limit).astype(self.dtype), None)
        if self.quantization == "power":
            unit = unit_length(vectors).reshape(flat.shape)
            return Stored(_bytes(np.sign(unit) * np.sqrt(np.abs(unit)) * POWER_SCALE), None)
        there = np.isfinite(flat)
        scale = np.where(there, np.abs(flat), 0).max(axis=-1) / np.float32(LARGEST)
        quantized = _bytes(flat / np.where(scale > 0, scale, 1)[..., None])
        return Stored(quantized, np.where(there.any(axis=-1), scale, np.nan).astype(np.float32))

    def decode(self, stored: Stored) -> np.ndarray:
        """Returns float32 `[…, P · E]`, NaN where a part is missing; with `power`, parts of length 1."""
        values = stored.values.astype(np.float32)
        if self.dtype != "int8":
            return values
        values[stored.values == NODATA] = np.nan
        if stored.scale is None:
            return np.sign(values) * (values / np.float32(POWER_SCALE)) ** 2
        return values * stored.scale[..., None]

    def described(self) -> dict[str, Any]:
        """Returns what files say of it."""
        described: dict[str, Any] = {"dtype": self.dtype, "nodata": "NaN" if self.dtype != "int8" else NODATA}
        if self.quantization == "power":
            described |= {"quantization": "power", "formula": "sign(q) * (abs(q) / 127.5) ** 2"}
        elif self.quantization == "pixel":
            described |= {"quantization": "pixel", "formula": "q * scale"}
        return described


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors `[…, E]` divided by their length; zeros stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _bytes(values: np.ndarray) -> np.ndarray:
    whole = np.clip(np.rint(values), -LARGEST, LARGEST)
    return np.where(np.isnan(whole), NODATA, whole).astype(np.int8)
