"""What became of every tensor when weights were taken over: nothing is random unknown."""

from __future__ import annotations

import collections
import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etils import epath

from mmae_jax.formats import written_whole

LOAD_REPORT_FILE = "load_report.csv"
LOADED, ADAPTED, DRAWN, UNUSED = "loaded", "adapted", "new", "unused"
ACTIONS = (LOADED, ADAPTED, DRAWN, UNUSED)
COLUMNS = ("parameter", "action", "source", "source_shape", "shape", "how")


class Row(NamedTuple):
    """What became of one tensor.

    Attributes:
      parameter: its PyTorch name in the model; empty where the model does not use it.
      action: `loaded` as it is, `adapted`, `new` (drawn), or `unused`.
      source: its PyTorch name where it was taken from; empty if new.
      source_shape: its shape there.
      shape: its shape in the model.
      how: what was changed, or why it is new.
    """

    parameter: str
    action: str
    source: str
    source_shape: tuple[int, ...] | None
    shape: tuple[int, ...] | None
    how: str = ""

    @property
    def module(self) -> str:
        """The module of the model it is in, else of the source."""
        return module_of(self.parameter or self.source)


class LoadReport(NamedTuple):
    """The table of all tensors.

    Attributes:
      where: the folder or file that the weights came from.
      rows: a row per tensor, those of the model first.
    """

    where: str
    rows: tuple[Row, ...]

    def summary(self) -> str:
        """Returns a line for each module and action, for people."""
        counts = collections.Counter(row.action for row in self.rows)
        head = f"{self.where}: " + ", ".join(f"{counts[action]} {action}" for action in ACTIONS) + " tensors"
        return "\n  ".join([head, *self._lines()])

    def _lines(self) -> Iterator[str]:
        modules: dict[tuple[str, str, str], list[Row]] = collections.defaultdict(list)
        for row in self.rows:
            source = module_of(row.source)
            modules[ACTIONS.index(row.action), row.module, source].append(row)  # type: ignore[index]
        width = max((len(module) for _, module, _ in modules), default=0)
        for (action, module, source), rows in sorted(modules.items()):
            numbers = sum(math.prod(row.shape or row.source_shape or ()) for row in rows)
            changes = "; ".join(dict.fromkeys(row.how for row in rows if row.how))
            renamed = f"from {source}" if source not in ("", module) else ""
            told = "  ".join(part for part in (renamed, changes) if part)
            yield f"{ACTIONS[int(action)]:8}{module:{width}}  {numbers:>12,} numbers  {told}".rstrip()

    def write(self, folder: epath.PathLike) -> None:
        """Writes `load_report.csv` into a folder, which is made where absent."""
        folder = epath.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in self.rows:
            shapes = (_shape(row.source_shape), _shape(row.shape))
            table.writerow([row.parameter, row.action, row.source, *shapes, row.how])
        with written_whole(folder / LOAD_REPORT_FILE) as beside:
            beside.write_text(text.getvalue())


def module_of(name: str) -> str:
    """Returns the first two parts of a PyTorch name, such as `encoder.s2`; the joint encoder is one module."""
    parts = name.split(".")
    return parts[0] if parts[0] == "encoder_inter" else ".".join(parts[:2])


def _shape(shape: Sequence[int] | None) -> str:
    return "" if shape is None else "×".join(map(str, shape)) or "1"
