"""What a run left in its folder, as far as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from mmae_jax.config import experiment_from_config
from mmae_jax.data.shards import Shards, open_shards
from mmae_jax.formats import format_version, read_json
from mmae_jax.report.html import Absent
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.train.monitor import goodput, log
from mmae_jax.train.monitor.lines import read_lines
from mmae_jax.weights import folder
from mmae_jax.weights.result import Result, read_result

EVALUATION_FOLDER = "evaluation"
RESULTS_FILE = "results.json"
RESULTS_VERSION = 1
PREDICT = ("finetune", "probe")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that was opened.

    Attributes:
      name: how it is called in the report.
      workdir: its folder.
      experiment: what its latest phase was of.
      versions: package → version.
      phases: those that have checkpoints.
      results: phase → its result, of the finished ones.
      entries, speed, goodput: lines of `metrics.jsonl`, `speed.jsonl`, `goodput.jsonl`.
      evaluations: name → what `evaluate` wrote.
    """

    name: str
    workdir: epath.Path
    experiment: Experiment
    versions: Mapping[str, str]
    phases: tuple[str, ...]
    results: Mapping[str, Result]
    entries: Sequence[Mapping[str, Any]]
    speed: Sequence[Mapping[str, Any]]
    goodput: Sequence[dict[str, Any]]
    evaluations: Mapping[str, Mapping[str, Any]]

    def measured(self, **wanted: Any) -> list[Mapping[str, Any]]:
        """Returns the results of all evaluations whose fields have the `wanted` values, absent ones being None.

        Where some are of the split `test`, those of others are left out.
        """
        rows = [row for evaluation in self.evaluations.values() for row in evaluation.get("results", ())]
        found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
        return [row for row in found if row.get("split") == "test"] or found

    def sees_all(self, row: Mapping[str, Any]) -> bool:
        """Returns whether a result is that of a model that saw every input."""
        return row.get("inputs") is None or set(row["inputs"]) == set(self.experiment.inputs)

    def whole(self) -> list[Mapping[str, Any]]:
        """Returns the results on all inputs, dates, skies and labels."""
        return [row for row in self.measured(dates=None, clouds=None, label_fraction=1.0) if self.sees_all(row)]

    def shards(self) -> Shards:
        """Opens the shards it was trained on.

        Raises:
          Absent: they are not there.
        """
        try:
            return open_shards(self.experiment)
        except SpecError as error:
            raise Absent(f"the shards are not there: {error}") from error


def open_run(workdir: epath.PathLike, name: str) -> Run:
    """Opens a run, finished or not.

    Raises:
      SpecError: there is no run in that folder, or a file of it is damaged.
    """
    workdir = epath.Path(workdir)
    if not workdir.is_dir():
        raise SpecError(f"{workdir}: no such folder; expected the workdir of a run")
    phases = tuple(phase for phase in PHASES if folder.steps(workdir / phase / "checkpoints"))
    if not phases:
        raise SpecError(
            f"{workdir}: no run: expected checkpoints in {PHASES[0]}/checkpoints or a later phase, found none"
        )
    described = folder.description(workdir / phases[-1] / "checkpoints")
    results = {phase: read_result(workdir, phase) for phase in PHASES}
    return Run(
        name=name,
        workdir=workdir,
        experiment=experiment_from_config(described["experiment"]),
        versions=described.get("versions", {}),
        phases=phases,
        results={phase: result for phase, result in results.items() if result is not None},
        entries=log.read_entries(workdir),
        speed=read_lines(workdir / log.SPEED_FILE, log.FIELDS),
        goodput=read_lines(workdir / goodput.GOODPUT_FILE, goodput.FIELDS),
        evaluations=_evaluations(workdir / EVALUATION_FOLDER),
    )


def _evaluations(where: epath.Path) -> dict[str, Mapping[str, Any]]:
    if not where.is_dir():
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for path in sorted(path.name for path in where.iterdir()):
        file = where / path / RESULTS_FILE
        if file.exists():
            found[path] = read_json(file)
            format_version(found[path], RESULTS_VERSION, file)
    return found
