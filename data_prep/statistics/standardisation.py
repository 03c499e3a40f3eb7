"""Lines for a config: by which numbers the bands of an input are standardised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Plain = Mapping[str, Any]


def lines(statistics: Plain) -> Iterator[str]:
    """Yields the fields `mean` and `std` of each modality of `statistics.json`, for all its bands in stored order.

    A second line is for the logarithm, where all values have one. A band without spread is divided by 1.
    """
    for name, modality in statistics["modalities"].items():
        bands = modality["bands"].values()
        if any(band["mean"] is None for band in bands):
            continue  # one without values has nothing to be standardised by
        yield f"inputs.{name}: {_fields(bands, 'mean', 'standard_deviation')}"
        if all(band["minimum"] > 0 for band in bands):
            yield f"inputs.{name}: log_scale=True, {_fields(bands, 'log_mean', 'log_standard_deviation')}"


def _fields(bands: Any, mean: str, deviation: str) -> str:
    means, deviations = ([band[key] for band in bands] for key in (mean, deviation))
    return f"mean={_listed(means)}, std={_listed([number or 1.0 for number in deviations])}"


def _listed(numbers: list[float]) -> str:
    return f"[{', '.join(f'{number:.6g}' for number in numbers)}]"
