"""A compiled step as text."""

from __future__ import annotations

from mmae_jax.bench.compile.measurement import Measurement

GB, MB, TERA, MILLI = 1e9, 1e6, 1e12, 1e-3


def describe(title: str, found: Measurement) -> str:
    """Returns what was measured on one chip and in one step, as lines to read."""
    return "\n".join([title, *_memory(found), *_work(found), *_traffic(found), *_bound(found)])


def _memory(found: Measurement) -> list[str]:
    arguments = {
        "parameters": found.params,
        "optimizer state": found.opt_state,
        "moving average": found.ema,
        "batch": found.batch,
        "padding": found.arguments - found.params - found.opt_state - found.ema - found.batch,
        "temporaries": found.temporaries,
    }
    share = found.total / found.capacity
    return [
        "memory of a chip",
        *(f"  {name:<24} {size / GB:9.3f} GB" for name, size in arguments.items()),
        f"  {'total':<24} {found.total / GB:9.3f} GB of {found.capacity / GB:.1f} GB ({share:.0%})",
    ]


def _work(found: Measurement) -> list[str]:
    return [
        "work of a chip and step",
        f"  {'model':<24} {found.model_flops / TERA:9.3f} TFLOP",
        f"  {'with recomputation':<24} {found.executed_flops / TERA:9.3f} TFLOP",
        f"  {'XLA, each loop once':<24} {found.xla_flops / TERA:9.3f} TFLOP",
        f"  {'memory read and written':<24} {found.memory_bytes / GB:9.3f} GB",
        f"  {'kernels':<24} {found.kernels:9.0f}",
    ]


def _traffic(found: Measurement) -> list[str]:
    lines = [
        f"  {one.kind:<24} {one.num_bytes / MB:9.3f} MB in {one.count:g} over {' × '.join(one.axes)}"
        for one in found.traffic
    ]
    return ["communication of a chip and step", *(lines or ["  none"])]


def _bound(found: Measurement) -> list[str]:
    bound = found.bound
    times = {
        "compute": bound.compute,
        "memory": bound.memory,
        "network": bound.network,
        "slow network": bound.slow_network,
    }
    peak = found.model_flops / found.executed_flops * bound.compute / bound.seconds
    return [
        "a step takes at least",
        *(f"  {name:<24} {seconds / MILLI:9.3f} ms" for name, seconds in times.items()),
        f"  {'bound':<24} {bound.seconds / MILLI:9.3f} ms, by {bound.by}; {peak:.0%} of peak at most",
        f"compiled in {found.compile_seconds:.0f} s",
    ]
