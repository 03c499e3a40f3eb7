"""What the data pipeline hands to a training or evaluation step."""

from __future__ import annotations

from typing import Any, TypedDict


class Batch(TypedDict):
    """A batch of samples; a single sample has the same fields without the leading axis B.

    Axes: B samples, D date bins, C bands in the order of `spec.Input.band_names`, h × w native pixels of the crop.

    Attributes:
      inputs: input → `[B, D, C, h, w]`, native dtype (no cast, logarithm or scaling yet).
      base: input → float32 `[B]`, for those whose contract has a `quantum`: values are `base + quantum · inputs`.
      valid: input → bool `[B, D, h, w]`, or `[B, D, 1, 1]` where the contract says that single pixels are never
        missing (`spec.Modality.pixels_can_be_missing`). A missing modality or date is False everywhere.
      dates: input → int16 `[B, D, 3]`, `[year, day_of_year, hour]`; the reference date where the date is missing.
      ref_date: reference date of each sample, int16 `[B, 3]`.
      targets: target → int32 `[B, classes]` (multilabel), `[B]` (classif), or stored dtype `[B, h, w]` (segment).
      weight: float32 `[B]`; 1 for a sample, 0 for the padding that completes an evaluation batch.
    """

    inputs: dict[str, Any]
    base: dict[str, Any]
    valid: dict[str, Any]
    dates: dict[str, Any]
    ref_date: Any
    targets: dict[str, Any]
    weight: Any
