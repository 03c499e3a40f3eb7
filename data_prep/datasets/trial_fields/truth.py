"""What is set to be true of trial fields."""

from __future__ import annotations

import dataclasses
import typing
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Truth:
    """What tells crops apart, and what else varies.

    Attributes:
      told_by: what tells crops apart in Sentinel-2: the `order` in which a season goes, which no single date shows, as
        fields begin on any day of the year; or the `level` of reflectance on every date.
      radar: what tells them in Sentinel-1: the `difference` of the two orbits, each of which alone shows how wet the
        soil is; or `each` orbit for itself: the one how many seasons there are, the other which end is slow.
      bands: whether the season shows in all groups of bands (`alike`), or only `faint`, in visible light, beside strong
        changes of the infrared that tell nothing.
      haze: whether dates are often hazy: visible light is far brighter then, infrared as ever.
      texture: whether all pixels of a field go through the same season (`uniform`), or each begins its own (`mixed`).
      noise: of what sensors see, in parts of the usual.
    """

    told_by: Literal["order", "level"] = "order"
    radar: Literal["difference", "each"] = "each"
    bands: Literal["alike", "faint"] = "alike"
    haze: bool = False
    texture: Literal["uniform", "mixed"] = "uniform"
    noise: float = 1.0


def choices(field: str) -> tuple[str, ...]:
    """Returns the values of a field of `Truth` that is one of some words."""
    return typing.get_args(typing.get_type_hints(Truth)[field])
