"""The runs of a claim: arms × folds × seeds, each with a folder of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmae_jax.claims.claim import Claim
from mmae_jax.claims.run import Run, arguments


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmRun(Run):
    """A run of a claim.

    Attributes:
      arm: of which kind it is.
      fold: number of the shards that it reads.
      seed: its seed.
    """

    arm: str
    fold: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Base:
    """What all runs of a claim have in common.

    Attributes:
      config: file of the experiment, with its argument, as `--config` has it.
      fields: dotted name of a field → its value.
      folds: folders of shards.
      seeds: seeds of a fold's runs; each fold adds its number, so that no two runs draw alike.
      phases: those of the experiment, where an arm does not say its own.
      cache: folder of compiled programs.
    """

    config: str
    fields: Mapping[str, object]
    folds: Sequence[Path]
    seeds: int
    phases: Sequence[str]
    cache: Path


def runs(claim: Claim, base: Base, folder: Path) -> list[ArmRun]:
    """Returns the runs of a claim, each behind the one from whose weights it starts."""
    found: dict[tuple[str, int, int], ArmRun] = {}
    for name in claim.ordered():
        arm = claim.arms[name]
        for fold in range(len(base.folds)):
            for seed in range(base.seeds):
                after = None if arm.after is None else found[arm.after, fold, seed]
                found[name, fold, seed] = _run(claim, base, folder, name, fold, seed, after)
    return list(found.values())


def _run(claim: Claim, base: Base, folder: Path, arm: str, fold: int, seed: int, after: Run | None) -> ArmRun:
    fields = {**base.fields, **claim.arms[arm].fields}
    phases = fields.get("phases", base.phases)
    fields |= {"data.dir": base.folds[fold], "seed": base.seeds * fold + seed}
    if after is not None:
        fields["init_from"] = after.workdir
    return ArmRun(
        name=f"{arm}, fold {fold}, seed {seed}",
        folder=folder / arm.replace("/", "-") / f"{fold}-{seed}",
        phase=phases[-1] if isinstance(phases, (list, tuple)) else str(phases),
        arguments=arguments(base.config, fields, base.cache),
        after=after,
        arm=arm,
        fold=fold,
        seed=seed,
    )


def scores(table: Sequence[ArmRun], arm: str, metric: str) -> np.ndarray:
    """Returns the scores of an arm `[folds, seeds]`, NaN where a run is not finished or has none."""
    of_arm = [run for run in table if run.arm == arm]
    shape = 1 + max(run.fold for run in of_arm), 1 + max(run.seed for run in of_arm)
    found = np.full(shape, np.nan)
    for run in of_arm:
        score = run.score(metric)
        found[run.fold, run.seed] = np.nan if score is None else score
    return found
