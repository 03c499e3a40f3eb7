"""A measured step as text and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from mmae_jax.bench.profile.profile import describe as describe_profile
from mmae_jax.bench.train.measurement import Measurement

GB, TERA, MILLI = 1e9, 1e12, 1e-3
STAGES = {
    "importing": "import",
    "devices": "devices",
    "drawing": "draw parameters",
    "tracing": "trace",
    "compiling": "compile",
    "first_step": "first step",
}


def describe(title: str, found: Measurement) -> str:
    """Returns what was measured as lines to read."""
    profile = [] if found.profile is None else describe_profile(found.profile)
    return "\n".join([title, *_start(found), *_speed(found), *_memory(found), *profile])


def _start(found: Measurement) -> list[str]:
    start = found.start
    if start is None:
        return []
    seconds = {text: getattr(start, name) for name, text in STAGES.items()}
    held = f", {start.cached} of {start.cached + start.compiled} programs from the cache"
    return [
        "seconds until the first step is done",
        *(f"  {text:<32}{_number(value, '.2f')}" for text, value in seconds.items()),
        f"  {'together':<32}{start.seconds:10.2f}{held if start.cached + start.compiled else ''}",
    ]


def _speed(found: Measurement) -> list[str]:
    speed = found.speed
    if speed is None:
        return []
    share = (
        "unknown" if speed.of_peak is None else f"{speed.of_peak:.1%} of {(speed.peak_flops or 0) / TERA:.0f} TFLOP/s"
    )
    rate = found.batch_size / speed.median
    return [
        "a step",
        f"  {'median, ms':<32}{speed.median / MILLI:10.2f}   runs differ by {speed.spread:.1%}",
        f"  {'samples/s':<32}{rate:10.1f}   batch {found.batch_size} on {found.devices}",
        f"  {'model TFLOP/s of a device':<32}{speed.flops / speed.median / TERA:10.3f}   of peak: {share}",
        f"  {'padding':<32}{found.padding:10.1%}",
    ]


def _memory(found: Measurement) -> list[str]:
    peak = None if found.memory.peak is None else found.memory.peak / GB
    return [
        "memory of a device, GB",
        f"  {'peak':<32}{_number(peak, '.3f')}",
        f"  {'the step, by the compiler':<32}{found.memory.program / GB:10.3f}",
    ]


def _number(value: float | None, form: str) -> str:
    return f"{'unknown':>10}" if value is None else f"{value:10{form}}"


def plain(found: Measurement) -> dict[str, Any]:
    """Returns what was measured as JSON types, with what follows from it."""
    content = dataclasses.asdict(found)
    if found.start is not None:
        content["start"]["seconds"] = found.start.seconds
    if found.speed is not None:
        content["speed"] |= {
            "median": found.speed.median,
            "spread": found.speed.spread,
            "of_peak": found.speed.of_peak,
            "samples_per_second": found.samples_per_second,
        }
    return content
