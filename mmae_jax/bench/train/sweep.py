"""The training step at several batch sizes, remat policies and attention kernels: which is the fastest that fits."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mmae_jax import spec
from mmae_jax.bench.compile.measurement import DoesNotFitError
from mmae_jax.bench.train.measurement import Measurement
from mmae_jax.spec.error import first_line

ATTENTIONS = {"cpu": ("xla",), "gpu": ("xla", "cudnn"), "tpu": ("xla", "pallas")}
"""Platform → attention kernels that it has."""
SAME = "same"
"""Stands for the config's own value of a field."""
OUT_OF_MEMORY = "out of memory"
GB, MILLI = 1e9, 1e-3
REFUSALS = (RuntimeError, ValueError)
"""What compilers and kernels raise where they cannot; a `SpecError`, the user's mistake, is a `ValueError`, too."""

Trial = dict[str, Any]
"""Fields: `batch`, fields of the model that were tried, and `seconds`, `samples_per_second`, `of_peak` and `program`
(bytes), or `refused`: why there are none."""


def fields_of(platform: str) -> dict[str, tuple[str, ...]]:
    """Returns the fields of the model that a sweep tries, with their values on a platform."""
    return {
        "remat": typing.get_args(typing.get_type_hints(spec.Model)["remat"]),
        "attention": ATTENTIONS.get(platform, ()),
    }


def doublings(first: int) -> Iterator[int]:
    """Yields `first` times 1, 2, 4, …, without end: a sweep stops at the first that does not fit."""
    return (first << power for power in itertools.count())


def sweep(
    fields: dict[str, Sequence[str]],
    batches: Callable[[], Iterable[int]],
    measure: Callable[[int, dict[str, str]], Measurement],
    known: Sequence[Trial] = (),
) -> Iterator[Trial]:
    """Yields each trial, those of larger batches until one does not fit.

    Args:
      fields: fields of the model, each with the values to try.
      batches: returns the batch sizes to try, ascending.
      measure: measures a step of a batch size, with these fields of the model.
      known: trials made before, which are not made again.
    """
    for values in itertools.product(*fields.values()):
        chosen = dict(zip(fields, values, strict=True))
        for batch in batches():
            case = {"batch": batch} | chosen
            trial = next((one for one in known if case.items() <= one.items()), None) or case | _outcome(
                measure, batch, chosen
            )
            yield trial
            if "refused" in trial:
                break


def _outcome(measure: Callable[[int, dict[str, str]], Measurement], batch: int, chosen: dict[str, str]) -> Trial:
    try:
        found = measure(batch, chosen)
    except spec.SpecError:
        raise
    except DoesNotFitError as error:
        return {"refused": f"{OUT_OF_MEMORY}: {error}"}
    except REFUSALS as error:
        message = first_line(error) or type(error).__name__
        return {"refused": OUT_OF_MEMORY if message.startswith("RESOURCE_EXHAUSTED") else message}
    assert found.speed is not None
    rates = {"samples_per_second": found.samples_per_second, "of_peak": found.speed.of_peak}
    return {"seconds": found.speed.median, "program": found.memory.program} | rates


def best(trials: Iterable[Trial]) -> Trial | None:
    """Returns the trial of the most samples a second; None where none fits."""
    fitting = [trial for trial in trials if "refused" not in trial]
    return max(fitting, key=lambda trial: trial["samples_per_second"], default=None)


def heading(fields: Iterable[str]) -> str:
    """Returns the line above those of `line`."""
    names = "".join(f"{name:>11}" for name in fields)
    return f"{'batch':>8}{names}{'ms':>11}{'samples/s':>12}{'of peak':>9}{'GB':>8}"


def line(trial: Trial, fields: Iterable[str]) -> str:
    """Returns a trial as a line of a table."""
    first = f"{trial['batch']:8}" + "".join(f"{trial[name]:>11}" for name in fields)
    if "refused" in trial:
        return f"{first}   {trial['refused']}"
    share = "unknown" if trial["of_peak"] is None else f"{trial['of_peak']:.1%}"
    speed = f"{trial['seconds'] / MILLI:11.2f}{trial['samples_per_second']:12.1f}"
    return f"{first}{speed}{share:>9}{trial['program'] / GB:8.2f}"
