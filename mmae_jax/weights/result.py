"""What a finished phase leaves: which checkpoint was chosen, and its scores."""

from __future__ import annotations

import dataclasses
import json
import math

from etils import epath

from mmae_jax.config import from_plain
from mmae_jax.formats import VERSION_KEY, format_version, read_json, sealed, unsealed, written_whole
from mmae_jax.spec import SpecError

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
    with written_whole(file) as beside:
        beside.write_text(json.dumps(sealed(plain), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_result(workdir: epath.PathLike, phase: str) -> Result | None:
    """Returns the result of a phase in `workdir`, None where it is not finished.

    Raises:
      SpecError: it is damaged, or a newer version of this program wrote it.
    """
    file = epath.Path(workdir) / phase / RESULT_FILE
    if not file.exists():
        return None
    plain = read_json(file)
    format_version(plain, FORMAT_VERSION, file)
    fields = {name: value for name, value in unsealed(plain, file).items() if name != VERSION_KEY}
    try:
        scores = from_plain(dict[str, dict[str, float | None]], fields.get("scores"), "scores")
        for numbers in scores.values():
            numbers.update({name: math.nan for name, value in numbers.items() if value is None})
        result: Result = from_plain(Result, fields | {"scores": scores}, "")
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from error
    return result
