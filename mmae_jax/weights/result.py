"""What a finished phase leaves: which checkpoint was chosen, and its scores."""

from __future__ import annotations

import dataclasses
import json
import math

from etils import epath

from mmae_jax.formats import VERSION_KEY, format_version

RESULT_FILE = "result.json"
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Result:
    """Result of a phase.

    Attributes:
      phase: its name.
      step: step of the chosen checkpoint: the best by the phase's monitor, else the last.
      averaged: whether the scores are those of the moving average of the parameters.
      scores: split → number by name.
    """

    phase: str
    step: int
    averaged: bool
    scores: dict[str, dict[str, float]]


def write_result(workdir: epath.PathLike, result: Result) -> None:
    """Writes the result of a phase, atomically: its file says that the phase is finished. NaN is written as null."""
    plain = {VERSION_KEY: FORMAT_VERSION} | dataclasses.asdict(result)
    for scores in plain["scores"].values():
        scores.update({name: None for name, value in scores.items() if not math.isfinite(value)})
    file = epath.Path(workdir) / result.phase / RESULT_FILE
    beside = file.with_name(f"{RESULT_FILE}.tmp")
    beside.write_text(json.dumps(plain, indent=2, allow_nan=False) + "\n")
    beside.replace(file)


def read_result(workdir: epath.PathLike, phase: str) -> Result | None:
    """Returns the result of a phase in `workdir`, None where it is not finished.

    Raises:
      SpecError: a newer version of this program wrote it.
    """
    file = epath.Path(workdir) / phase / RESULT_FILE
    if not file.exists():
        return None
    plain = json.loads(file.read_text())
    format_version(plain, FORMAT_VERSION, file)
    for scores in plain["scores"].values():
        scores.update({name: math.nan for name, value in scores.items() if value is None})
    return Result(**{name: value for name, value in plain.items() if name != VERSION_KEY})
