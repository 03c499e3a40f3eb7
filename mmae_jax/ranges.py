"""Which numbers the fields of an experiment may have: one table, in which every number of the specification stands."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.spec import SpecError


class Range(NamedTuple):
    """Finite numbers from `least` to `most`.

    Attributes:
      text: what they are, for people.
      least: the smallest.
      most: the largest.
      without: those between that are left out, which may be the ends.
    """

    text: str
    least: float = -math.inf
    most: float = math.inf
    without: tuple[float, ...] = ()

    def holds(self, number: float) -> bool:
        """Returns whether a number is one of them."""
        return math.isfinite(number) and self.least <= number <= self.most and number not in self.without


ANY = Range("a finite number")
COUNT = Range("a positive number", least=1)
POSITIVE = Range("a positive number", least=0, without=(0,))
NOT_NEGATIVE = Range("0 or a positive number", least=0)
SHARE = Range("a number in [0, 1)", least=0, most=1, without=(1,))
PERCENT = Range("a number of percent, 0 or more", least=0)
DEVICES = Range("a positive number, or -1 for what is left", least=-1, without=(0,))
SEED = Range("a whole number from 0 to 4294967295", least=0, most=2**32 - 1)

RANGES: Mapping[type, Mapping[str, Range]] = immutabledict(
    {
        spec.Experiment: {"seed": SEED, "profile": COUNT},
        spec.Dataset: {"tile_meters": POSITIVE, "blocks": COUNT},
        spec.Modality: {
            "ground_sample_distance": POSITIVE,
            "size": COUNT,
            "frame": NOT_NEGATIVE,
            "scale": POSITIVE,
            "offset": ANY,
            "quantum": POSITIVE,
            "value_range": ANY,
            "typical_means": ANY,
        },
        spec.Target: {
            "missing_value": ANY,
            "ignored": ANY,
            "threshold": SHARE,
            "pixel_values": ANY,
            "size": COUNT,
        },
        spec.Data: {"workers": NOT_NEGATIVE, "prefetch": COUNT, "crop_meters": POSITIVE, "repeats": COUNT},
        spec.Input: {
            "image_size": COUNT,
            "patch_size": COUNT,
            "num_dates": COUNT,
            "norm_bands": COUNT,
            "norm_fac": POSITIVE,
            "mask_threshold": PERCENT,
        },
        spec.Model: {"inter_depth": NOT_NEGATIVE, "grid_pos_enc": COUNT},
        spec.Architecture: {
            "embed_dim": COUNT,
            "depth": COUNT,
            "heads": COUNT,
            "dim_head": COUNT,
            "mlp_ratio": POSITIVE,
            "decoder_dim": COUNT,
            "decoder_depth": COUNT,
            "decoder_heads": COUNT,
            "decoder_dim_head": COUNT,
            "decoder_mlp_ratio": POSITIVE,
        },
        spec.Mask: {
            "ratio": SHARE,
            "scale": NOT_NEGATIVE,
            "mod": SHARE,
            "bands": SHARE,
            "dates": SHARE,
            "loc": SHARE,
        },
        spec.Phase: {
            "epochs": COUNT,
            "batch_size": COUNT,
            "base_lr": POSITIVE,
            "final_factor": Range("a number of 1 or more", least=1),
            "patience": COUNT,
            "b1": SHARE,
            "b2": SHARE,
            "weight_decay": NOT_NEGATIVE,
        },
        spec.Mesh: {"data": DEVICES, "fsdp": DEVICES, "tensor": DEVICES},
        spec.Logging: {
            "every_steps": COUNT,
            "checkpoint_every_steps": COUNT,
            "checkpoint_every_minutes": POSITIVE,
            "keep_checkpoints": COUNT,
            "images": NOT_NEGATIVE,
            "peak_tflops": POSITIVE,
        },
    }
)
"""Part of the specification → field → its range; of a tuple, that of each number. `nodata` may be NaN and has none."""


def check_ranges(part: Any, path: str = "") -> None:
    """Raises a `SpecError` at the first number of an experiment, or a part of it, that is out of its range.

    Args:
      part: a dataclass of `spec`.
      path: its dotted name, for the message.
    """
    for name, value in ((field.name, getattr(part, field.name)) for field in dataclasses.fields(part)):
        where = f"{path}.{name}" if path else name
        if dataclasses.is_dataclass(value):
            check_ranges(value, where)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                check_ranges(item, f"{where}.{key}")
        elif (allowed := RANGES[type(part)].get(name)) is not None and value is not None:
            for number in value if isinstance(value, tuple) else (value,):
                if not allowed.holds(number):
                    raise SpecError(f"{where}: expected {allowed.text}, found {value}")
