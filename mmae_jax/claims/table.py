"""The runs of a claim: arms × folds × seeds, each with a folder of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmae_jax.claims.claim import Claim
from mmae_jax.spec import SpecError
from mmae_jax.weights.result import read_result

SPLIT = "test"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
      arm: of which kind it is.
      fold: number of the shards that it reads.
      seed: its seed.
      folder: of the run.
      phase: the last one, whose scores count.
      arguments: of `python -m mmae_jax train`.
      after: the run from whose weights it starts.
    """

    arm: str
    fold: int
    seed: int
    folder: Path
    phase: str
    arguments: tuple[str, ...]
    after: Run | None = None

    @property
    def name(self) -> str:
        """Names it in messages."""
        return f"{self.arm}, fold {self.fold}, seed {self.seed}"

    @property
    def workdir(self) -> Path:
        """Workdir of `train`."""
        return self.folder / "run"

    @property
    def lines(self) -> Path:
        """File of the lines that it wrote."""
        return self.folder / "log.txt"

    def score(self, metric: str) -> float | None:
        """Returns its score on the test split; None while it is not finished.

        Raises:
          SpecError: there is no such score.
        """
        result = read_result(self.workdir, self.phase)
        if result is None:
            return None
        scores = result.scores.get(SPLIT, {})
        if metric not in scores and self.phase != "pretrain":
            raise SpecError(f"{self.workdir}: expected {metric} of the split {SPLIT}, found {', '.join(scores)}")
        return scores.get(metric)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return read_result(self.workdir, self.phase) is not None


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


def runs(claim: Claim, base: Base, folder: Path) -> list[Run]:
    """Returns the runs of a claim, each behind the one from whose weights it starts."""
    found: dict[tuple[str, int, int], Run] = {}
    for name in claim.ordered():
        arm = claim.arms[name]
        for fold in range(len(base.folds)):
            for seed in range(base.seeds):
                after = None if arm.after is None else found[arm.after, fold, seed]
                found[name, fold, seed] = _run(claim, base, folder, name, fold, seed, after)
    return list(found.values())


def _run(claim: Claim, base: Base, folder: Path, name: str, fold: int, seed: int, after: Run | None) -> Run:
    fields = {**base.fields, **claim.arms[name].fields}
    phases = fields.get("phases", base.phases)
    fields |= {
        "data.dir": base.folds[fold],
        "seed": base.seeds * fold + seed,
        "compilation_cache": base.cache,
        "logging.keep_checkpoints": 1,
        "logging.images": 0,
    }
    if after is not None:
        fields["init_from"] = after.workdir
    arguments = (f"--config={base.config}", *(f"--config.{field}={shown(value)}" for field, value in fields.items()))
    last = phases[-1] if isinstance(phases, (list, tuple)) else str(phases)
    return Run(name, fold, seed, folder / name.replace("/", "-") / f"{fold}-{seed}", last, arguments, after)


def shown(value: object) -> str:
    """Returns a value as the command line takes it."""
    if isinstance(value, (list, tuple)):
        return repr(list(value)) if value and not isinstance(value[0], str) else ",".join(map(str, value))
    return str(value)


def scores(table: Sequence[Run], arm: str, metric: str) -> np.ndarray:
    """Returns the scores of an arm `[folds, seeds]`, NaN where a run is not finished or has none."""
    of_arm = [run for run in table if run.arm == arm]
    shape = 1 + max(run.fold for run in of_arm), 1 + max(run.seed for run in of_arm)
    found = np.full(shape, np.nan)
    for run in of_arm:
        score = run.score(metric)
        found[run.fold, run.seed] = np.nan if score is None else score
    return found
