"""The runs of a published table, and which of them are asked for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmae_jax.claims.paper.table import Cell, PaperTable
from mmae_jax.claims.run import Run, arguments
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import split_overrides
from mmae_jax.exit_codes import UsageError, meant
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices

OWN_FIELDS = ("phases", "data.dir", "seed", "init_from", "compilation_cache")
"""Fields by which runs of a table differ: they are not the user's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperRun(Run):
    """A run of a published table.

    Attributes:
      dataset: name of its dataset.
      config: experiment, as `--config` has it.
    """

    dataset: str
    config: str

    @functools.cached_property
    def experiment(self) -> Experiment:
        """What it trains.

        Raises:
          UsageError, SpecError: a field that is set otherwise is none of this experiment, or does not fit the others.
        """
        return load_experiment(self.config, split_overrides(self.arguments)[0])


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs of a table.

    Attributes:
      table: the table.
      data: holds a folder of shards for each dataset, by its name.
      weights: holds publishers' files and pretrained runs, by name; None where there is none.
      folder: of the table's runs.
      cache: folder of compiled programs.
      seeds: runs of each cell.
      overrides: fields that are set otherwise in all runs.
    """

    table: PaperTable
    data: Path
    weights: Path | None
    folder: Path
    cache: Path
    seeds: int = 1
    overrides: Sequence[Override] = ()

    def cells(self, only: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Returns row and dataset of each cell that is asked for; `only` names rows, datasets, or both.

        Raises:
          UsageError: a name is neither, or there is no such cell.
        """
        datasets = [name for name, one in self.table.datasets.items() if one.metric is not None]
        known = [*datasets, *self.table.rows]
        for name in only:
            if name not in known:
                raise UsageError(f"--only: expected some of {choices(known)}, found {name!r}{meant(name, known)}")
        rows = [name for name in self.table.rows if name in only] or list(self.table.rows)
        columns = [name for name in datasets if name in only] or datasets
        found = [(row, name) for row in rows for name in columns if name in self.table.rows[row].cells]
        if not found:
            raise UsageError(f"--only: the table has no figure of {', '.join(rows)} on {', '.join(columns)}")
        return found

    def runs(self, row: str, dataset: str) -> list[PaperRun]:
        """Returns the runs of a cell, one a seed; each knows the run from whose weights it starts, if any."""
        cell = self.table.rows[row].cells[dataset]
        return [self._run(row, dataset, cell, seed) for seed in range(self.seeds)]

    def given(self, weights: str) -> Path | None:
        """Returns the file or folder that the user has for weights: of this name, whatever its ending.

        Raises:
          SpecError: there are several, or no folder of weights.
        """
        if self.weights is None:
            return None
        if not self.weights.is_dir():
            raise SpecError(f"--weights: expected a folder, found none at {self.weights}")
        found = sorted(file for file in self.weights.iterdir() if file.name.split(".")[0] == weights)
        if len(found) > 1:
            raise SpecError(f"{self.weights}: expected one {weights}.*, found {', '.join(one.name for one in found)}")
        return found[0] if found else None

    def _run(self, row: str, dataset: str, cell: Cell, seed: int) -> PaperRun:
        fields, after = dict(cell.fields), None
        if cell.weights is not None:
            given = self.given(cell.weights)
            after = None if given is not None else self._pretraining(cell.weights, seed)
            fields["init_from"] = given if after is None else after.workdir
        return self._planned(self.folder / row / dataset, cell.config, fields, dataset, seed, "finetune", after)

    def _pretraining(self, weights: str, seed: int) -> PaperRun | None:
        made = self.table.weights[weights]
        if made.config is None or made.dataset is None:
            return None
        folder, phase = self.folder / "weights" / weights, "pretrain"
        return self._planned(folder, made.config, {"phases": [phase]}, made.dataset, seed, phase)

    def _planned(
        self,
        folder: Path,
        config: str,
        fields: Mapping[str, object],
        dataset: str,
        seed: int,
        phase: str,
        after: PaperRun | None = None,
    ) -> PaperRun:
        changed = {one.field: one.value for one in self.overrides}
        said = {**fields, **changed, "data.dir": self.data / dataset, "seed": seed}
        return PaperRun(
            name=f"{folder.parent.name}, {dataset}" + (f", seed {seed}" if self.seeds > 1 else ""),
            folder=folder / str(seed),
            phase=phase,
            arguments=arguments(config, said, self.cache),
            after=after,
            dataset=dataset,
            config=config,
        )
