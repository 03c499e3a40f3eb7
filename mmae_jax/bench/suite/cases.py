"""What a suite measures, the most important first."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

CONFIGS = Path("configs")


@dataclasses.dataclass(frozen=True)
class Case:
    """One bench in a process of its own.

    Attributes:
      name: name of its files.
      arguments: arguments of `python -m mmae_jax bench`, without where its record goes.
      seconds: the longest it may take.
    """

    name: str
    arguments: tuple[str, ...]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A phase of a config on one device.

    Attributes:
      name: beginning of the names of its cases.
      config: name of the config.
      phase: the phase whose step is measured.
      batch: samples at which other implementations were measured, too.
      larger: further batch sizes, of which the fastest counts.
    """

    name: str
    config: str
    phase: str
    batch: int
    larger: tuple[int, ...]


EXPERIMENTS = (
    Experiment("flair_hub_pretrain", "flair_hub", "pretrain", 64, (128, 256)),
    Experiment("treesatai_ts_pretrain", "treesatai_ts", "pretrain", 256, (512, 1024)),
    Experiment("pastis_hd_pretrain", "pastis_hd", "pretrain", 64, (128, 256)),
    Experiment("flair_hub_finetune", "flair_hub", "finetune", 16, (32, 64)),
)
STEP, START, KERNELS, BATCHES, CHOICES = 240.0, 120.0, 180.0, 360.0, 480.0
"""Seconds a case may take, of each kind."""


def cases(cache: Path, local: bool = False) -> list[Case]:
    """Returns the cases.

    Args:
      cache: folder of compiled programs, of which each experiment has its own, so that its first start is a cold one.
      local: whether to shrink all configs to a laptop, to try the suite.
    """
    kinds = (_steps, _starts, _kernels, _batches, _choices)
    return list(itertools.chain.from_iterable(kind(cache, local) for kind in kinds))


def _steps(cache: Path, local: bool) -> Iterator[Case]:
    """A cold start, and the step in full."""
    for one in EXPERIMENTS:
        yield Case(one.name, (*_step(one, cache, local), f"--batch={_size(one.batch, local)}"), STEP)


def _starts(cache: Path, local: bool) -> Iterator[Case]:
    """A start with everything in the cache."""
    for one in EXPERIMENTS:
        options = (f"--batch={_size(one.batch, local)}", "--steps=0")
        yield Case(f"{one.name}_start", (*_step(one, cache, local), *options), START)


def _kernels(cache: Path, local: bool) -> Iterator[Case]:
    """Attention kernels against XLA in float32, at the shapes of all these configs."""
    configs = dict.fromkeys(_config(one, local) for one in EXPERIMENTS)
    yield Case("attention", ("attention", "--config", *configs), KERNELS)


def _batches(cache: Path, local: bool) -> Iterator[Case]:
    """Larger batches, with what the config chooses for the rest."""
    for one in EXPERIMENTS:
        sizes = [str(_size(batch, local)) for batch in (one.batch, *one.larger)]
        options = ("--sweep", "--remat=same", "--attention=same", "--batch", *dict.fromkeys(sizes))
        yield Case(f"{one.name}_batches", (*_step(one, cache, local), *options), BATCHES)


def _choices(cache: Path, local: bool) -> Iterator[Case]:
    """Every remat policy and attention kernel at one batch size."""
    for one in EXPERIMENTS:
        options = ("--sweep", "--batch", str(_size(one.batch, local)))
        yield Case(f"{one.name}_choices", (*_step(one, cache, local), *options), CHOICES)


def _step(one: Experiment, cache: Path, local: bool) -> tuple[str, ...]:
    return (
        "train",
        f"--config={_config(one, local)}",
        f"--phase={one.phase}",
        f"--config.compilation_cache={cache / one.name}",
    )


def _config(one: Experiment, local: bool) -> str:
    return f"{CONFIGS / one.config}.py{':runlocal' if local else ''}"


def _size(batch: int, local: bool) -> int:
    return min(batch, 2) if local else batch
