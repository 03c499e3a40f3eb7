"""A trial on disk: its run, its lines, and how it ended."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

from etils import epath

from mmae_jax.config import from_plain
from mmae_jax.formats import read_json, written_whole
from mmae_jax.spec import SpecError
from mmae_jax.train.monitor.log import read_entries

FINISHED, STOPPED, FAILED = "finished", "stopped early", "failed"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
      state: `FINISHED`; `STOPPED`, as others were better after as many epochs; or `FAILED`.
      score: its monitor on the validation split: of the chosen checkpoint where it is finished, else the best so far;
        None where there is none.
      test: the same of the test split, where there is one and it is finished.
      epoch: epochs of the last phase that were trained.
      seconds: time that it took, all starts together.
      why: of what failed, its last line.
    """

    state: str
    score: float | None
    test: float | None
    epoch: int
    seconds: float
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Attributes:
      number: from 0 on.
      values: field → text of its value.
      folder: of the trial.
    """

    number: int
    values: Mapping[str, str]
    folder: Path

    @property
    def run(self) -> Path:
        """Workdir of its run."""
        return self.folder / "run"

    @property
    def lines(self) -> Path:
        """File of the lines that its run wrote."""
        return self.folder / "log.txt"

    @property
    def overrides(self) -> list[str]:
        """Its values as arguments of `train`."""
        return [f"--config.{name}={value}" for name, value in self.values.items()]

    def outcome(self) -> Outcome | None:
        """Returns how it ended; None while it is not done.

        Raises:
          SpecError: the file that says so is damaged.
        """
        file = self.folder / "trial.json"
        if not file.exists():
            return None
        try:
            outcome: Outcome = from_plain(Outcome, read_json(epath.Path(file)), "")
        except SpecError as error:
            raise SpecError(f"{file}: {error}; delete it to train that trial again") from error
        return outcome

    def end(self, outcome: Outcome) -> None:
        """Keeps how it ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with written_whole(epath.Path(self.folder / "trial.json")) as beside:
            beside.write_text(json.dumps(dataclasses.asdict(outcome), indent=1) + "\n", encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Monitor:
    """By which number trials are compared.

    Attributes:
      phase: the last one of the experiment.
      name: of the number among those of the validation split, such as `trees/weighted_f1` or `loss`.
    """

    phase: str
    name: str

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is: of losses."""
        return -1 if self.name.split("/")[0] == "loss" else 1

    def best(self, scores: list[float]) -> float | None:
        """Returns the best of some scores; None of none."""
        known = [score for score in scores if math.isfinite(score)]
        return max(known, key=lambda score: self.sign * score) if known else None

    def curve(self, run: Path) -> dict[int, float]:
        """Returns epoch → score of the validation split in a run, so far."""
        scores = {}
        for entry in read_entries(run):
            value = entry.get(self.name)
            if entry["phase"] == self.phase and entry["split"] == "val" and value is not None:
                scores[int(entry["epoch"])] = float(value)
        return scores
