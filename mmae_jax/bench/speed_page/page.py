"""One page about speed, from the records in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmae_jax.bench.speed_page import tables
from mmae_jax.bench.speed_page.found import Entry, read_records

NOTES = "notes.md"
INTRODUCTION = """# Speed

Written by `python -m mmae_jax bench report`, from what benches wrote; [sizing.md](sizing.md) says how to measure. Every
row names the record it comes from: date, hardware, versions and command are [below](#how-each-was-measured).
"""
RATIOS = """Samples per second against other implementations of the same step on the same device, each at its fastest.
Shares of peak count the operations that the model asks for, without recomputation, against what the maker publishes.
"""
MEASURE = """On a machine with an accelerator, in its order of importance; cut off, the same command goes on where it
stopped:

<!-- run elsewhere: tests/bench/test_suite.py -->
```sh
python -m mmae_jax bench suite --out=RESULTS --minutes=14
```

Copy the records to `docs/speed` and write this page again:

<!-- run elsewhere: tests/bench/test_speed_page.py -->
```sh
python -m mmae_jax bench report docs/speed --page=docs/speed.md
```
"""


def page(folder: Path) -> str:
    """Returns the page of the records in `folder`, with its `notes.md`, where it has one, at the end.

    Raises:
      SpecError: a JSON file in it is no record.
    """
    entries = read_records(folder)
    notes = folder / NOTES
    return "\n".join(
        (
            INTRODUCTION,
            *sections(entries),
            *_section("Compiled ahead of time", tables.compiled(folder)),
            *_section("What was tried and dropped", notes.read_text(encoding="utf-8") if notes.exists() else ""),
            *_section("Measure again", MEASURE),
            *_section("How each was measured", tables.commands(entries)),
        )
    )


def sections(entries: Sequence[Entry]) -> list[str]:
    """Returns headings and tables of what was measured."""
    ratios = tables.ratios(entries)
    return [
        *_section("Ratios", f"{RATIOS}\n{ratios}" if ratios else ""),
        *_section("Steps", tables.steps(entries)),
        *_section("Seconds until the first step", tables.starts(entries)),
        *_section("Where the time goes", tables.profiles(entries)),
        *_section("Choices", tables.trials(entries)),
        *_section("Attention kernels", tables.kernels(entries)),
        *_section("From shards to checkpoints", tables.loops(entries)),
        *_section("Input pipeline", tables.feeds(entries)),
    ]


def _section(heading: str, text: str) -> list[str]:
    return [f"## {heading}\n", text] if text else []
