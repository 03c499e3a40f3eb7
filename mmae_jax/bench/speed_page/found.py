"""Records of a folder, and what they say by experiment and device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmae_jax.bench import record

REFERENCE = "reference"
"""Kind of the records of another implementation, written by hand: `found` has `implementation`, `config`, `phase`,
`batch` and `speed` with `median` and `samples_per_second`, and, where known, `memory`, `start` and `speed.of_peak`, all
as in those of `bench train`."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One record, and its number on the page."""

    number: int
    name: str
    content: record.Record

    @property
    def what(self) -> str:
        """The bench."""
        return str(self.content["what"])

    @property
    def found(self) -> dict[str, Any]:
        """What it measured."""
        return dict(self.content["found"])

    @property
    def device(self) -> str:
        """Number and kind of the devices, or the cores of a CPU."""
        hardware = self.content["hardware"]
        if hardware["platform"] == "cpu":
            return f"{hardware['cores']} CPU cores"
        return f"{hardware['devices']} × {hardware['kind']}" if hardware["devices"] > 1 else str(hardware["kind"])

    @property
    def experiment(self) -> str:
        """Config and phase, with what the command line changed of the model."""
        found = self.found
        file, _, argument = found["config"].partition(":")
        changed = [text.removeprefix("--config.") for text in found.get("overrides", ())]
        shown = [text for text in changed if not text.startswith(("compilation_cache", "data."))]
        chosen = [f"{name}={found[name]}" for name in found if name.startswith("model.") and found[name] != "same"]
        return " ".join((":".join(filter(None, (Path(file).stem, argument))), found.get("phase", ""), *shown, *chosen))

    @property
    def rate(self) -> float | None:
        """Samples a second of the step; None where none was measured."""
        speed = self.found.get("speed")
        return None if speed is None else float(speed["samples_per_second"])

    @property
    def subject(self) -> tuple[str, str, str]:
        """Config, phase and device: what other implementations are compared on."""
        return Path(self.found["config"].partition(":")[0]).stem, self.found["phase"], self.device


def read_records(folder: Path) -> list[Entry]:
    """Returns the records in a folder by date and name.

    Raises:
      SpecError: a JSON file in it is no record.
    """
    files = {file.stem: record.read(file) for file in folder.glob("*.json")}
    ordered = sorted(files.items(), key=lambda item: (item[1]["date"], item[0]))
    return [Entry(number, name, content) for number, (name, content) in enumerate(ordered, start=1)]


def of_kind(entries: Iterable[Entry], *kinds: str) -> list[Entry]:
    """Returns the entries of some benches."""
    return [entry for entry in entries if entry.what in kinds]


def fastest(entries: Iterable[Entry]) -> list[Entry]:
    """Returns, for each experiment and device, the entry of the most samples a second."""
    best: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        if entry.rate is not None and entry.rate > (best[entry.subject].rate or 0 if entry.subject in best else 0):
            best[entry.subject] = entry
    return list(best.values())


def against(entry: Entry, references: Sequence[Entry]) -> dict[str, float]:
    """Returns, by other implementation of the same on the same device, how many times its samples/s these are."""
    same = [other for other in references if other.subject == entry.subject and other.rate]
    rates: dict[str, float] = {}
    for other in same:
        name = other.found["implementation"]
        rates[name] = max(rates.get(name, 0.0), other.rate or 0.0)
    return {name: (entry.rate or 0.0) / rate for name, rate in rates.items()}
