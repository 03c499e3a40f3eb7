"""From sums to what a person reads: plain values for `statistics.json`."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from data_prep.statistics.collect import Collected
from data_prep.statistics.moments import Bins
from data_prep.statistics.sums import MaskSums, ModalitySums
from mmae_jax import tasks
from mmae_jax.spec import Modality, Target

Plain = dict[str, Any]


def summarise(collected: Collected) -> Plain:
    """Returns the statistics of shards as JSON types; a number that does not exist (mean of nothing) is None.

    Keys: `dataset`, `version`, `splits` (tiles of each), `modalities` (see `_modality`), `targets` (see `_target`).
    """
    dataset, sums = collected.dataset, collected.sums
    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "splits": dict(collected.splits),
        "modalities": {
            name: _modality(dataset.modalities[name], of_modality, collected.bins[name])
            for name, of_modality in sums.modalities.items()
        },
        "targets": {name: _target(dataset.targets[name], found, sums.tiles) for name, found in sums.targets.items()},
    }


def _modality(modality: Modality, sums: ModalitySums, bins: Bins) -> Plain:
    """Values are the stored ones with `base` and `quantum` applied, before `scale`; frames are left out.

    `log_…` are of `ln(max(x, 1e-10))`. `correlation`, and the means with it, are over pixels free of what masks tell.
    """
    moments, of_logarithms = sums.moments, sums.log_moments
    bands: Plain = {}
    for index, band in enumerate(modality.bands):
        count, absent = int(moments.count[index]), int(sums.absent[index])
        bands[band] = {
            "values": count,
            "missing_fraction": _number(absent / (count + absent)) if count + absent else None,
            "mean": _number(moments.mean[index]) if count else None,
            "standard_deviation": _number(moments.deviation[index]),
            "log_mean": _number(of_logarithms.mean[index]) if count else None,
            "log_standard_deviation": _number(of_logarithms.deviation[index]),
            "minimum": _number(moments.low[index]),
            "maximum": _number(moments.high[index]),
            "histogram": _histogram(bins, sums.histogram[index]),
        }
    return {
        "unit": modality.unit,
        "tiles_without": sums.per_tile[0],
        "acquisitions": sum(sums.months.values()),
        "acquisitions_per_tile": _spread(sums.per_tile),
        "acquisitions_per_month": dict(sorted(sums.months.items())),
        "masks": _masks(sums.masks) if modality.mask_channels else None,
        "bands": bands,
        "correlation": {
            "pixels": int(sums.clear.count),
            "means": [_number(value) for value in sums.clear.mean] if sums.clear.count else None,
            "matrix": [[_number(value) for value in row] for row in sums.clear.correlation],
        },
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _histogram(bins: Bins, counts: np.ndarray) -> Plain:
    """Counts of consecutive bins from the first to the last one with a value."""
    inside = counts[1:-1]
    filled = np.flatnonzero(inside)
    first, last = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0)
    return {
        "first_edge": bins.low + bins.width * first,
        "bin_width": bins.width,
        "counts": inside[first:last].tolist(),
        "below": int(counts[0]),
        "above": int(counts[-1]),
    }


def _spread(per_tile: Counter[int]) -> Plain:
    """Smallest, middle and largest number of acquisitions, over the tiles that have any."""
    present = {number: tiles for number, tiles in sorted(per_tile.items()) if number}
    if not present:
        return {"minimum": None, "median": None, "maximum": None}
    up_to = np.cumsum(list(present.values()))
    median = list(present)[int(np.searchsorted(up_to, up_to[-1] / 2))]
    return {"minimum": min(present), "median": median, "maximum": max(present)}


def _masks(sums: MaskSums) -> Plain:
    """Fractions of pixels over all dates; `clear_dates` is the fraction of dates without any masked pixel."""
    channels = {
        name: {
            "mean_percent": _number(sums.percent[name] / sums.pixels) if sums.pixels else None,
            "pixels_above_0": _number(sums.above[name] / sums.pixels) if sums.pixels else None,
        }
        for name in sums.percent
    }
    return {"channels": channels, "clear_dates": sums.clear_dates / sums.dates if sums.dates else None}


def _target(target: Target, tally: Any, tiles: int) -> Plain:
    """Counts of `total` pixels or tiles; the other keys are those of the `described` of the kind of target."""
    return {
        "kind": target.kind,
        "counted": "pixels" if target.is_raster else "tiles",
        "total": tiles if target.size is None else tiles * target.size**2,
        **tasks.of(target).described(target, tally),
    }
