"""What was found about a claim on some data: `finding.json`, and how it reads."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from immutabledict import immutabledict

from mmae_jax.claims.claim import Claim
from mmae_jax.claims.table import ArmRun, scores
from mmae_jax.claims.verdict import FAILS, HOLDS, verdict
from mmae_jax.config import from_plain
from mmae_jax.formats import VERSION_KEY, format_version, read_json, write_json
from mmae_jax.spec import SpecError

FORMAT_VERSION = 1
FILE = "finding.json"


@dataclasses.dataclass(frozen=True)
class ArmScores:
    """Scores of an arm.

    Attributes:
      mean: over folds and seeds.
      deviation: standard deviation of the means of folds; None of one fold.
      scores: `[folds][seeds]`.
    """

    mean: float
    deviation: float | None
    scores: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Compared:
    """What was found about one comparison; fields as of `Comparison` and `Verdict`.

    Attributes:
      low, high: ends of the 95 % interval; None of one fold.
      expected: the verdict that the data were made for; None of data whose truth is not known.
    """

    says: str
    better: str
    worse: str
    least: float
    margin: float
    difference: float
    low: float | None
    high: float | None
    verdict: str
    expected: str | None = None

    @property
    def as_set(self) -> bool:
        """Whether the verdict is the one that the data were made for, if they were."""
        return self.expected in (None, self.verdict)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found about a claim on some data.

    Attributes:
      claim: its name.
      question: what was asked.
      published: what others found.
      data: name of the data.
      about: what they are, or how they were made.
      metric: score of the test split.
      folds, seeds: how many there are.
      arms: name → scores.
      compared: the comparisons.
      seconds: time of all runs, one after the other [s].
      device: on what.
      command: what repeats it.
    """

    claim: str
    question: str
    published: str
    data: str
    about: str
    metric: str
    folds: int
    seeds: int
    arms: immutabledict[str, ArmScores]
    compared: tuple[Compared, ...]
    seconds: float
    device: str
    command: str

    @property
    def as_set(self) -> bool:
        """Whether all verdicts are those that the data were made for, if they were."""
        return all(one.as_set for one in self.compared)


def compare(
    claim: Claim, table: Sequence[ArmRun], metric: str, tested: float | None, expected: Mapping[str, bool] | None
) -> tuple[immutabledict[str, ArmScores], tuple[Compared, ...]]:
    """Returns the scores of the arms that are compared, and what their differences tell.

    Args:
      claim: the claim.
      table: its runs, all finished.
      metric: score that is compared.
      tested: see `verdict`.
      expected: comparison → whether it holds on these data; None where that is not known.

    Raises:
      SpecError: a run has no such score.
    """
    wanted = dict.fromkeys(name for one in claim.comparisons.values() for name in (one.better, one.worse))
    found = {name: scores(table, name, metric) for name in claim.arms if name in wanted}
    compared = []
    for key, one in claim.comparisons.items():
        told = verdict(one, found[one.better], found[one.worse], tested=tested)
        compared.append(
            Compared(
                **dataclasses.asdict(one),
                difference=told.difference,
                low=told.low if math.isfinite(told.low) else None,
                high=told.high if math.isfinite(told.high) else None,
                verdict=told.verdict,
                expected=None if expected is None else (HOLDS if expected[key] else FAILS),
            )
        )
    return immutabledict({name: _arm(of_arm) for name, of_arm in found.items()}), tuple(compared)


def _arm(found: np.ndarray) -> ArmScores:
    of_folds = found.mean(axis=1)
    deviation = float(of_folds.std(ddof=1)) if len(of_folds) > 1 else None
    return ArmScores(float(found.mean()), deviation, tuple(tuple(map(float, row)) for row in found))


def write(folder: Path, finding: Finding) -> None:
    """Writes `finding.json`."""
    write_json(folder / FILE, {VERSION_KEY: FORMAT_VERSION, **_plain(finding)})


def read(folder: Path) -> Finding:
    """Returns the finding in a folder.

    Raises:
      SpecError: it is damaged or of a newer version.
    """
    file = folder / FILE
    plain = read_json(file)
    format_version(plain, FORMAT_VERSION, file)
    try:
        finding: Finding = from_plain(Finding, {name: plain[name] for name in plain if name != VERSION_KEY}, "")
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from error
    return finding


def _plain(finding: Finding) -> Mapping[str, object]:
    plain = dataclasses.asdict(dataclasses.replace(finding, arms=immutabledict()))
    plain["arms"] = {name: dataclasses.asdict(arm) for name, arm in finding.arms.items()}
    return plain
