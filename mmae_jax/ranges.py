"""Which numbers the fields of an experiment may have: one table, in which every number of the specification stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown


class Range(NamedTuple):
    """Numbers from `least` to `most`, of which NaN is none.

    Attributes:
      text: what they are, for people.
      least: the smallest.
      most: the largest.
      without: those between that are left out, which may be the ends.
    """

    text: str
    least: float
    most: float
    without: tuple[float, ...] = ()

    def holds(self, number: float) -> bool:
        """Returns whether a number is one of them."""
        return self.least <= number <= self.most and number not in self.without


LARGEST = 1e30
"""Of float32, in which values are computed, there is little more; squares of differences have to fit."""


def count(most: int) -> Range:
    """Returns the whole numbers from 1 to `most`."""
    return Range(f"a positive number, at most {most}", 1, most)


def up_to(most: int) -> Range:
    """Returns the numbers from 0 to `most`."""
    return Range(f"a number from 0 to {most}", 0, most)


ANY = Range("a finite number", -LARGEST, LARGEST)
INTEGER = Range("a number of 32 bits", -(2**31), 2**31 - 1)
POSITIVE = Range(f"a positive number from {1 / LARGEST:g} to {LARGEST:g}", 1 / LARGEST, LARGEST)
METERS = Range("a positive number of metres, 1e-3 to 1e7", 1e-3, 1e7)
PIXELS = count(2**15)
SHARE = Range("a number in [0, 1)", least=0, most=1, without=(1,))
PROBABILITY = Range("a probability from 0 to 0.99", 0, 0.99)
RATIO = Range("a positive number, 0.001 to 64", 1e-3, 64)
DEVICES = Range("a positive number, or -1 for what is left", least=-1, most=2**20, without=(0,))
SEED = Range("a whole number from 0 to 4294967295", least=0, most=2**32 - 1)

RANGES: Mapping[type, Mapping[str, Range]] = immutabledict(
    {
        spec.Experiment: {"seed": SEED, "profile": count(10**9)},
        spec.Dataset: {"tile_meters": METERS, "blocks": count(2**10)},
        spec.Modality: {
            "ground_sample_distance": METERS,
            "size": PIXELS,
            "frame": up_to(2**15),
            "scale": POSITIVE,
            "offset": ANY,
            "quantum": POSITIVE,
            "value_range": ANY,
            "typical_means": ANY,
        },
        spec.Target: {
            "missing_value": INTEGER,
            "ignored": INTEGER,
            "threshold": SHARE,
            "pixel_values": INTEGER,
            "size": PIXELS,
        },
        spec.Data: {"workers": up_to(2**10), "prefetch": count(2**16), "crop_meters": METERS, "repeats": count(2**10)},
        spec.Input: {
            "image_size": PIXELS,
            "patch_size": PIXELS,
            "num_dates": count(2**12),
            "norm_bands": count(2**12),
            "norm_fac": Range("a positive number, 1e-6 to 1e12", 1e-6, 1e12),
            "mean": ANY,
            "std": Range("positive numbers, 1e-12 to 1e12", 1e-12, 1e12),
            "mask_threshold": Range("a number of percent, 0 or more", 0, LARGEST),
        },
        spec.Foundation: {},
        spec.Model: {"inter_depth": up_to(2**10), "grid_pos_enc": count(2**12)},
        spec.Architecture: {
            "embed_dim": count(2**15),
            "depth": count(2**10),
            "heads": count(2**10),
            "dim_head": count(2**10),
            "mlp_ratio": RATIO,
            "decoder_dim": count(2**15),
            "decoder_depth": count(2**10),
            "decoder_heads": count(2**10),
            "decoder_dim_head": count(2**10),
            "decoder_mlp_ratio": RATIO,
        },
        spec.Mask: {
            "ratio": SHARE,
            "scale": up_to(16),
            "mod": PROBABILITY,
            "bands": PROBABILITY,
            "dates": PROBABILITY,
            "loc": PROBABILITY,
        },
        spec.Phase: {
            "epochs": count(10**5),
            "batch_size": count(2**20),
            "base_lr": Range("a positive number, 1e-12 to 1", 1e-12, 1),
            "final_factor": Range("a number from 1 to 1e12", 1, 1e12),
            "evaluate_every": count(10**5),
            "patience": count(10**9),
            "b1": SHARE,
            "b2": SHARE,
            "weight_decay": up_to(100),
            "label_fraction": Range("a share from 1e-6 to 1", 1e-6, 1),
            "layer_decay": Range("a number from 0.01 to 1", 0.01, 1),
        },
        spec.Mesh: {"data": DEVICES, "fsdp": DEVICES, "tensor": DEVICES},
        spec.Transfer: {},
        spec.Logging: {
            "every_steps": count(10**9),
            "checkpoint_every_steps": count(10**9),
            "checkpoint_every_minutes": POSITIVE,
            "keep_checkpoints": count(10**9),
            "images": up_to(1000),
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
                if dataclasses.is_dataclass(item):  # else names that stand for others
                    check_ranges(item, f"{where}.{key}")
        elif (allowed := RANGES[type(part)].get(name)) is not None and value is not None:
            for number in value if isinstance(value, tuple) else (value,):
                if not allowed.holds(number):
                    raise SpecError(f"{where}: expected {allowed.text}, found {shown(value)}")
