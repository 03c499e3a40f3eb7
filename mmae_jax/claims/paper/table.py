"""What a published table is: models by datasets, the experiment of each cell, and its published score."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path

from immutabledict import immutabledict

from mmae_jax.claims.claim import FOLDER as CLAIMS
from mmae_jax.command_line.config_file import naming_lines
from mmae_jax.config import from_plain, to_plain

FOLDER = CLAIMS / "paper"
PREFIX = "paper_"
_NOTHING: immutabledict[str, object] = immutabledict()


@dataclasses.dataclass(frozen=True)
class PaperDataset:
    """A dataset of the table.

    Attributes:
      title: name, for people.
      prepare: the command of `python -m data_prep` that makes its shards.
      metric: score of the test split; None where it is only pretrained on.
    """

    title: str
    prepare: str
    metric: str | None = None


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights that cells start from.

    Attributes:
      about: where they are published, and under which licence.
      config: the experiment that makes them, as `--config` has it; None where only their publisher can.
      dataset: what that pretrains on.
    """

    about: str
    config: str | None = None
    dataset: str | None = None


@dataclasses.dataclass(frozen=True)
class Cell:
    """A model on a dataset.

    Attributes:
      config: experiment, as `--config` has it.
      fields: dotted name of a field → its value, where it differs from that.
      published: score [%]; None where it is not known.
      weights: name of those that it starts from.
    """

    config: str
    fields: immutabledict[str, object] = _NOTHING
    published: float | None = None
    weights: str | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A model: its title, for people, and dataset → cell."""

    title: str
    cells: immutabledict[str, Cell]


_NO_WEIGHTS: immutabledict[str, Weights] = immutabledict()


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """A table.

    Attributes:
      title: for people.
      source: where the published scores are from; empty where there are none.
      datasets: name, which is that of the folder of shards, too → dataset.
      rows: name → row.
      weights: name → weights that cells start from.
    """

    title: str
    source: str
    datasets: immutabledict[str, PaperDataset]
    rows: immutabledict[str, Row]
    weights: immutabledict[str, Weights] = _NO_WEIGHTS


def names() -> list[str]:
    """Returns the names of the tables, as the command line has them."""
    return sorted(PREFIX + file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))


def open_table(name: str) -> PaperTable:
    """Returns one of `names`."""
    file: Path = FOLDER / f"{name.removeprefix(PREFIX)}.py"
    with naming_lines(str(file), "claim"):
        plain = to_plain(runpy.run_path(str(file))["get_table"]())
    table: PaperTable = from_plain(PaperTable, plain, name)
    return table
