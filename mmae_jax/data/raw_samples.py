"""From raw values of sensors to a batch, without shards: for notebooks and other programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.batch import Batch
from mmae_jax.data.dates import missing_values, select_dates
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices, shown

PARTS = ("inputs", "dates", "ref_date", "valid", "base")
EARLIEST, LATEST = (1, 1, 0), (9999, 366, 24)
"""Year, day of the year, hour."""


def batch_of(samples: Mapping[str, Any], experiment: Experiment) -> Batch:
    """Returns raw samples as a batch.

    A missing sensor is left out, and a missing date is not `valid`. Missing pixels are NaN, infinite or `nodata`.

    Args:
      samples: `inputs`: input → `[B, D, C, h, w]`, values as the contract says, bands in the order of the experiment's
        input, D dates at most as many as it has; `dates`: input → int `[B, D, 3]` (year, day of year, hour) or
        `datetime64` `[B, D]`; `ref_date`: `[B, 3]` or `datetime64` `[B]`, from which distances in time are measured;
        `valid`: input → bool `[B, D]` or `[B, D, h, w]`, optional; `base`: input → `[B]`, if there is a `quantum`.
      experiment: what they are samples of.

    Raises:
      SpecError: a part is absent, unknown, or of another shape; the message names it.
    """
    for part in samples:
        if part not in PARTS:
            raise SpecError(f"samples: no part {shown(part)}; expected some of {choices(PARTS)}")
    for part in ("inputs", "dates", "ref_date"):
        if part not in samples:
            raise SpecError(f"samples: expected {part}, found {choices(list(samples))}")
    for part in ("inputs", "dates", "valid", "base"):
        for name in samples.get(part, ()):
            if name not in experiment.inputs:
                raise SpecError(
                    f"samples: {part}: no input {shown(name)}; expected some of {choices(experiment.inputs)}"
                )
    ref_date = _days("ref_date", samples["ref_date"], 1)
    _check_days("ref_date", ref_date)
    if not len(ref_date):
        raise SpecError("samples: ref_date: expected at least one sample, found none")
    batch = _nothing(ref_date.astype(np.int16), experiment)
    for name in experiment.inputs:
        if name in samples["inputs"]:
            _add(batch, name, samples, experiment)
    return batch


def _nothing(ref_date: np.ndarray, experiment: Experiment) -> Batch:
    """Returns a batch of samples in which every input is missing."""
    shapes = abstract_batch(experiment, len(ref_date))
    empty: Batch = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    for dates in empty["dates"].values():
        dates[:] = ref_date[:, None]
    empty["ref_date"], empty["targets"], empty["weight"] = ref_date, {}, np.ones(len(ref_date), np.float32)
    return empty


def _add(batch: Batch, name: str, samples: Mapping[str, Any], experiment: Experiment) -> None:
    """Fills in an input."""
    modality, model_input = experiment.modality(name), experiment.inputs[name]
    number, num_dates, bands, side, _ = batch["inputs"][name].shape
    pixels = np.asarray(samples["inputs"][name])
    found = pixels.shape[1] if pixels.ndim == 5 else 0
    if pixels.shape != (number, found, bands, side, side) or not 0 < found <= num_dates:
        names = choices(model_input.band_names)
        wanted = f"[{number}, 1 to {num_dates}, {bands}, {side}, {side}]"
        raise SpecError(
            f"samples: inputs: {name}: expected shape {wanted} (samples, dates, bands {names}, rows, columns), "
            f"found {list(pixels.shape)}"
        )
    dates = _days(f"dates: {name}", _part(samples, "dates", name), 2)
    if dates.shape[:2] != (number, found):
        raise SpecError(f"samples: dates: {name}: expected {number} × {found} dates, found {list(dates.shape[:2])}")
    valid = np.asarray(samples.get("valid", {}).get(name, np.ones((number, found), bool)), bool)
    valid = valid[..., None, None] if valid.ndim == 2 else valid
    if valid.shape[:2] != (number, found) or valid.shape[2:] not in ((1, 1), (side, side)):
        raise SpecError(
            f"samples: valid: {name}: expected shape [{number}, {found}] or [{number}, {found}, {side}, {side}], "
            f"found {list(valid.shape)}"
        )
    if modality.quantum is not None:
        batch["base"][name] = np.asarray(_part(samples, "base", name), np.float32).reshape(number)
    for row in range(number):
        missing = missing_values(pixels[row], modality.nodata)
        chosen = select_dates(
            pixels[row], np.clip(dates[row], 0, LATEST).astype(np.int16), found, offset=0, missing=missing
        )
        stored = chosen.pixels.astype(modality.dtype)
        if np.issubdtype(stored.dtype, np.integer) and not np.array_equal(stored, chosen.pixels):
            raise SpecError(
                f"samples: inputs: {name}: expected values of {modality.dtype}, found others in sample {row}"
            )
        batch["inputs"][name][row, :found] = stored
        present = np.ones((found, 1, 1), bool) if chosen.valid is None else chosen.valid
        present = present & valid[row]
        if not modality.pixels_can_be_missing:
            present = present.any(axis=(1, 2), keepdims=True)
        batch["valid"][name][row, :found] = present
    observed = batch["valid"][name][:, :found].any(axis=(2, 3))[..., None]
    _check_days(f"dates: {name}", dates[observed[..., 0]])
    batch["dates"][name][:, :found] = np.where(observed, dates, batch["ref_date"][:, None])


def _part(samples: Mapping[str, Any], part: str, name: str) -> Any:
    if name not in samples.get(part, {}):
        raise SpecError(f"samples: {part}: expected those of input {name}, found none")
    return samples[part][name]


def _days(what: str, dates: Any, axes: int) -> np.ndarray:
    """Returns dates as int `[…, 3]`: year, day of year, hour; NaT as zeros."""
    array = np.asarray(dates)
    if np.issubdtype(array.dtype, np.datetime64) and array.ndim == axes:
        years = array.astype("datetime64[Y]")
        days = (array.astype("datetime64[D]") - years).astype(int) + 1
        hours = (array.astype("datetime64[h]") - array.astype("datetime64[D]")).astype(int)
        return np.where(np.isnat(array)[..., None], 0, np.stack([years.astype(int) + 1970, days, hours], axis=-1))
    if array.ndim != axes + 1 or array.shape[-1] != 3 or not np.issubdtype(array.dtype, np.integer):
        raise SpecError(
            f"samples: {what}: expected datetime64 of {axes} axes, or whole numbers (year, day of year, hour) on a "
            f"further one, found {array.dtype} {list(array.shape)}"
        )
    return array.astype(np.int64)


def _check_days(what: str, dates: np.ndarray) -> None:
    """Stops at dates `[…, 3]` that are none, of what is not missing."""
    none = ((dates < EARLIEST) | (dates > LATEST)).any(axis=-1)
    if none.any():
        raise SpecError(
            f"samples: {what}: expected years up to {LATEST[0]}, days of the year (1 to {LATEST[1]}) and hours "
            f"(0 to {LATEST[2]}) of what is valid, found {dates[none][0].tolist()} (zeros: NaT)"
        )
