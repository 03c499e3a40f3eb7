"""Which acquisitions a sample holds: one per date bin, docs/method.md §2.2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Selection(NamedTuple):
    """The chosen dates of one modality.

    Attributes:
      pixels: `[D, C, h, w]`, native dtype, without NaN or nodata.
      dates: their dates, int16 `[D, 3]`.
      valid: bool `[D, h, w]`, True where every band was observed; None where the caller said that no pixel is missing.
    """

    pixels: np.ndarray
    dates: np.ndarray
    valid: np.ndarray | None


def num_offsets(num_acquisitions: int, num_dates: int) -> int:
    """Returns how many offsets `o` there are: `T mod D + 1`, or 1 where there are fewer acquisitions than bins."""
    return num_acquisitions % num_dates + 1 if num_acquisitions > num_dates else 1


def evaluation_offset(num_acquisitions: int, num_dates: int) -> int:
    """Returns the one offset that evaluation uses, the middle one."""
    return (num_offsets(num_acquisitions, num_dates) - 1) // 2


def bin_members(num_acquisitions: int, num_dates: int, offset: int) -> np.ndarray:
    """Returns the acquisition indices of every bin, int `[D, k]`; bins repeat the nearest acquisition where T < D."""
    per_bin = num_acquisitions // num_dates
    if per_bin:
        return offset + np.arange(num_dates * per_bin).reshape(num_dates, per_bin)
    centres = (2 * np.arange(num_dates) + 1) * num_acquisitions // (2 * num_dates)
    return centres[:, None]


def missing_values(pixels: np.ndarray, nodata: float | None) -> np.ndarray | None:
    """Returns where values are absent, bool of the shape of `pixels`, or None where the dtype and contract exclude it.

    NaN, infinities and `nodata` are absent.
    """
    floating = np.issubdtype(pixels.dtype, np.floating)
    missing = ~np.isfinite(pixels) if floating else None
    if nodata is None or np.isnan(nodata):
        return missing
    is_nodata = pixels == (nodata if floating else int(nodata))
    return is_nodata if missing is None else missing | is_nodata


def select_dates(
    pixels: np.ndarray,
    dates: np.ndarray,
    num_dates: int,
    *,
    offset: int,
    missing: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    mask_threshold: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Selection:
    """Takes one acquisition per date bin (docs/method.md §2.2).

    A bin without an eligible acquisition takes the one with the fewest unusable (missing or masked) pixels; missing
    values are replaced by the median of their band in the bin, masked ones stay.

    Args:
      pixels: `[T, C, h, w]`, T ≥ 1; the crop, in native dtype.
      dates: dates of the acquisitions, int16 `[T, 3]`.
      num_dates: D, the number of bins.
      offset: first acquisition of the first bin, below `num_offsets(T, D)`.
      missing: bool `[T, C, h, w]`, see `missing_values`; None where none can be.
      masks: uint8 percent `[T, M, h, w]`; None where there are none or they are switched off.
      mask_threshold: a pixel is masked where any of its M values exceeds this.
      rng: draws uniformly among the eligible acquisitions; None takes the one closest to the bin's median.
    """
    members = bin_members(len(pixels), num_dates, offset)
    chosen = members[:, 0]
    if members.shape[1] > 1:
        chosen = _choose(pixels, members, missing, masks, mask_threshold, rng)
    taken = pixels if len(pixels) == num_dates else pixels[chosen]
    if missing is None:
        return Selection(taken, dates[chosen], None)
    missing_taken = missing[chosen]
    if missing_taken.any():
        taken = _fill(taken, missing_taken, pixels, missing, members)
    return Selection(taken, dates[chosen], ~missing_taken.any(axis=1))


def _choose(
    pixels: np.ndarray,
    members: np.ndarray,
    missing: np.ndarray | None,
    masks: np.ndarray | None,
    mask_threshold: float,
    rng: np.random.Generator | None,
) -> np.ndarray:
    """Returns the chosen acquisition of every bin, int `[D]`."""
    shape = (*members.shape, *pixels.shape[2:])
    masked = np.zeros(shape, bool) if masks is None else _masked(masks[members], mask_threshold)
    unusable = masked if missing is None else masked | missing[members].any(axis=2)
    num_unusable = np.count_nonzero(unusable, axis=(2, 3))
    eligible = num_unusable == 0
    if rng is not None:
        score = rng.random(members.shape)
    else:
        absent = masked[:, :, None] if missing is None else masked[:, :, None] | missing[members]
        score = _distance_to_median(pixels[members], absent)
    best = np.where(eligible, score, np.inf).argmin(axis=1)
    position = np.where(eligible.any(axis=1), best, num_unusable.argmin(axis=1))
    return np.take_along_axis(members, position[:, None], axis=1)[:, 0]


def _masked(masks: np.ndarray, threshold: float) -> np.ndarray:
    """Returns masked pixels, bool `[D, k, h, w]`, of masks `[D, k, M, h, w]`; none in bins masked on every date."""
    masked: np.ndarray = np.any(masks > threshold, axis=2)
    every_date = np.all(np.any(masked, axis=(2, 3), keepdims=True), axis=1, keepdims=True)
    return masked & ~every_date


def _distance_to_median(values: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Returns mean |value − per-pixel median over the bin's present values|, `[D, k]`; ≥ 0 where all are present.

    Args:
      values: `[D, k, C, h, w]`.
      absent: bool, broadcasts to `values`.
    """
    present_values = np.where(absent, np.nan, values.astype(np.result_type(values, np.float32), copy=False))
    ordered = np.sort(present_values, axis=1)  # absent last
    num_present = ordered.shape[1] - np.count_nonzero(np.isnan(ordered), axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(num_present - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, num_present // 2 * (num_present > 0), axis=1)
    median = low / 2 + high / 2
    return np.abs(present_values - median).mean(axis=(2, 3, 4), dtype=np.float64)


def _fill(
    taken: np.ndarray, missing_taken: np.ndarray, pixels: np.ndarray, missing: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """Returns a copy of `taken` in which missing values are their band's median in the bin, 0 where there is none."""
    filled = taken.copy()
    for index in np.flatnonzero(missing_taken.any(axis=(1, 2, 3))):
        in_bin = members[index]
        for band in np.flatnonzero(missing_taken[index].any(axis=(1, 2))):
            present = pixels[in_bin, band][~missing[in_bin, band]]
            value = np.median(present.astype(np.float64)) if present.size else 0
            filled[index, band][missing_taken[index, band]] = np.asarray(value).astype(filled.dtype)
    return filled
