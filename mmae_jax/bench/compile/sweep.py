"""Training steps compiled for many slices and meshes: a table and a figure. What was compiled before is not again."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mmae_jax.bench.compile.case import Case
from mmae_jax.bench.compile.measurement import DoesNotFitError, Measurement
from mmae_jax.report.output import save_png
from mmae_jax.report.style import GREY, PALETTE, new_figure, plain
from mmae_jax.spec import SpecError

TOPOLOGIES = ("v5e:2x4", "v5e:4x4", "v5e:8x8", "v5e:16x16")
MESHES = ("data=-1,fsdp=1", "data=-1,fsdp=8")
PACKAGES = ("mmae_jax", "jax", "libtpu")
GB, MB, TERA, MILLI = 1e9, 1e6, 1e12, 1e-3

Row = dict[str, Any]


def run(cases: Sequence[Case], directory: Path) -> None:
    """Compiles each case, printing its line, and writes `sweep.jsonl`, `sweep.md` and `sweep.png` into `directory`.

    Raises:
      SpecError: a case is no valid configuration.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stored = directory / "sweep.jsonl"
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)}
    rows = [json.loads(line) for line in stored.read_text(encoding="utf-8").splitlines()] if stored.exists() else []
    for case in cases:
        key = json.loads(json.dumps({"case": dataclasses.asdict(case), "versions": versions}))
        if any(key.items() <= row.items() for row in rows):
            continue
        row = key | {"date": datetime.date.today().isoformat()} | _outcome(case)
        rows.append(row)
        print(" | ".join(_cells(row)), flush=True)
        with stored.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    (directory / "sweep.md").write_text(table(rows), encoding="utf-8")
    save_png(figure(rows), directory / "sweep.png")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _outcome(case: Case) -> Row:
    devices, _ = case.devices()
    try:
        found = case.measure()
    except DoesNotFitError as error:
        return {"chips": len(devices), "error": str(error)}
    return {"chips": len(devices), "found": _plain(found)}


def _plain(found: Measurement) -> Row:
    return dataclasses.asdict(found) | {"total": found.total, "seconds": found.bound.seconds, "by": found.bound.by}


HEADINGS = (
    "experiment",
    "samples a chip",
    "slices",
    "chips",
    "mesh",
    "state, GB",
    "temporaries, GB",
    "total, GB",
    "TFLOP",
    "memory traffic, GB",
    "collectives (MB)",
    "bound, ms",
    "by",
)


def _cells(row: Row) -> list[str]:
    case, found = row["case"], row.get("found")
    slices = f"{case['slices']} × " if case["slices"] > 1 else ""
    first = [
        _experiment(case),
        str(case["batch_per_chip"]),
        f"{slices}{case['topology']}",
        str(row["chips"]),
        case["mesh"] or "–",
    ]
    if found is None:
        return [*first, row["error"], *[""] * (len(HEADINGS) - len(first) - 1)]
    return [
        *first,
        f"{(found['params'] + found['opt_state'] + found['ema']) / GB:.3f}",
        f"{found['temporaries'] / GB:.2f}",
        f"{found['total'] / GB:.2f}",
        f"{found['executed_flops'] / TERA:.2f}",
        f"{found['memory_bytes'] / GB:.0f}",
        ", ".join(_traffic(one) for one in found["traffic"]) or "none",
        f"{found['seconds'] / MILLI:.1f}",
        found["by"],
    ]


def _experiment(case: Row) -> str:
    file, _, argument = case["config"].partition(":")
    overrides = (override.removeprefix("--config.") for override in case["overrides"])
    return " ".join((":".join(filter(None, (Path(file).stem, argument))), case["phase"], *overrides))


def _traffic(one: Row) -> str:
    return f"{one['kind']} {'×'.join(one['axes'])} {one['num_bytes'] / MB:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Returns the rows as a Markdown table; all figures are of one chip and step."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def figure(rows: Sequence[Row]) -> Figure:
    """Draws memory and step bound over the number of chips, a line for each mesh."""
    fitting = [row for row in rows if "found" in row]
    if not fitting:
        raise SpecError("--sweep: expected a step that fits, found none")
    drawn = new_figure(10, 4, "Compiled training step, per chip")
    memory, bound = drawn.subplots(1, 2)
    series: dict[str, list[Row]] = {}
    for row in fitting:
        case = row["case"]
        family = case["topology"].partition(":")[0]
        name = f"{_experiment(case)}, {case['batch_per_chip']} a {family}, {case['mesh']}"
        series.setdefault(name, []).append(row)
    for colour, (name, members) in zip(PALETTE * len(series), series.items(), strict=False):
        members = sorted(members, key=lambda row: row["chips"])
        chips = [row["chips"] for row in members]
        memory.plot(chips, [row["found"]["total"] / GB for row in members], "o-", color=colour, label=name)
        bound.plot(chips, [row["found"]["seconds"] / MILLI for row in members], "o-", color=colour)
    capacity = min(row["found"]["capacity"] for row in fitting) / GB
    memory.axhline(capacity, color=GREY, linestyle="--", linewidth=1)
    place = memory.get_yaxis_transform()
    memory.text(0.01, capacity, "memory of the smallest chip", transform=place, va="top", fontsize=8, color=GREY)
    for axes, label in ((memory, "memory, GB"), (bound, "least time of a step, ms")):
        plain(axes, grid="y")
        axes.set(xlabel="chips", ylabel=label, xscale="log", ylim=(0, None))
        ticks = sorted({row["chips"] for row in fitting})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    drawn.legend(loc="outside lower center", fontsize=8, frameon=False)
    return drawn
