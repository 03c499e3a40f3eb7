"""One training run by `python -m mmae_jax train`, in a folder of its own: what is said to it, and its scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mmae_jax.data.shards import Shards
from mmae_jax.spec import SpecError
from mmae_jax.weights.result import read_result

SPLIT = "test"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Attributes:
      name: in messages.
      folder: of the run.
      phase: the last one, whose scores count.
      arguments: of `python -m mmae_jax train`.
      after: the run from whose weights it starts.
    """

    name: str
    folder: Path
    phase: str
    arguments: tuple[str, ...]
    after: Run | None = None

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


def check_tested(shards: Shards) -> None:
    """Raises a `SpecError` where shards have nothing by which runs are scored."""
    if not shards.has_samples(SPLIT):
        raise SpecError(f"{shards.directory}: expected a split {SPLIT} with records, found none")


def arguments(config: str, fields: Mapping[str, object], cache: Path) -> tuple[str, ...]:
    """Returns arguments of `train`: of many runs, only scores are kept.

    Args:
      config: file of the experiment, with its argument, as `--config` has it.
      fields: dotted name of a field → its value.
      cache: folder of compiled programs.
    """
    kept = {"compilation_cache": cache, "logging.keep_checkpoints": 1, "logging.images": 0}
    return (f"--config={config}", *(f"--config.{name}={shown(value)}" for name, value in {**fields, **kept}.items()))


def shown(value: object) -> str:
    """Returns a value as the command line takes it."""
    if isinstance(value, (list, tuple)):
        return repr(list(value)) if value and not isinstance(value[0], str) else ",".join(map(str, value))
    return str(value)
