"""The tables of the page about speed, each row with the number of its record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmae_jax.bench.speed_page.found import REFERENCE, Entry, against, fastest, of_kind

GB, TERA, MB, MILLI = 1e9, 1e12, 1e6, 1e-3
UNKNOWN = "–"
Row = Sequence[object]


def table(heading: Row, rows: Iterable[Row]) -> str:
    """Returns rows as Markdown; empty where there are none."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines) if len(lines) > 2 else ""


def ratios(entries: Sequence[Entry]) -> str:
    """Samples/s against other implementations on the same device, each at its fastest."""
    references = of_kind(entries, REFERENCE)
    names = list(dict.fromkeys(entry.found["implementation"] for entry in references))
    rows = []
    for entry in fastest(of_kind(entries, "train")):
        times = against(entry, references)
        if times:
            compared = (f"{times[name]:.2f}" if name in times else UNKNOWN for name in names)
            share = _percent(entry.found["speed"].get("of_peak"))
            rows.append((*_first(entry), f"{entry.rate:.0f}", share, *compared, _link(entry)))
    columns = (f"times {name}" for name in names)
    return table(("experiment", "device", "samples/s", "of peak", *columns, "record"), rows)


def steps(entries: Sequence[Entry]) -> str:
    """Every measured step, other implementations among them."""
    heading = ("experiment", "device", "batch", "ms", "samples/s", "of peak", "peak memory, GB", "padding", "record")
    rows = []
    for entry in sorted(of_kind(entries, "train", REFERENCE), key=lambda entry: entry.subject):
        speed, memory = entry.found.get("speed"), entry.found.get("memory") or {}
        if speed is None:
            continue
        name = f"*{entry.found['implementation']}*, " if entry.what == REFERENCE else ""
        rows.append(
            (
                f"{name}{entry.experiment}",
                entry.device,
                entry.found["batch"],
                f"{speed['median'] / MILLI:.1f}",
                f"{speed['samples_per_second']:.1f}",
                _percent(speed.get("of_peak")),
                _scaled(memory.get("peak") or memory.get("program"), GB, ".1f"),
                _percent(entry.found.get("padding")),
                _link(entry),
            )
        )
    return table(heading, rows)


STAGES = ("importing", "devices", "drawing", "tracing", "compiling", "first_step", "seconds")


def starts(entries: Sequence[Entry]) -> str:
    """Seconds until the first step."""
    stages = ("import", "devices", "draw", "trace", "compile", "first step", "together")
    heading = ("experiment", "device", *stages, "from the cache", "record")
    rows = []
    for entry in sorted(of_kind(entries, "train", REFERENCE), key=lambda entry: entry.subject):
        start = entry.found.get("start")
        if start is None:
            continue
        name = f"*{entry.found['implementation']}*, " if entry.what == REFERENCE else ""
        cached, compiled = start.get("cached", 0), start.get("compiled", 0)
        held = f"{cached} of {cached + compiled}" if cached + compiled else "no cache"
        seconds = (_scaled(start.get(stage), 1, ".1f") for stage in STAGES)
        rows.append((f"{name}{entry.experiment}", entry.device, *seconds, held, _link(entry)))
    return table(heading, rows)


def profiles(entries: Sequence[Entry]) -> str:
    """Shares of a step's time by part and by kind, of the fastest step of each experiment and device."""
    profiled = [entry for entry in of_kind(entries, "train") if entry.found.get("profile")]
    return "\n".join(_profile(entry) for entry in fastest(profiled))


def _profile(entry: Entry) -> str:
    found = entry.found["profile"]
    whole = found["seconds"]
    parts = [
        (part, _ms(sum(passes.values())), _percent(sum(passes.values()) / whole), *(_ms(passes[one]) for one in passes))
        for part, passes in found["parts"].items()
    ]
    kinds = [
        (kind, _ms(seconds), _percent(seconds / whole), f"{found['counts'][kind]:.0f}")
        for kind, seconds in found["kinds"].items()
    ]
    idle = f"Idle for {_percent(found['idle'])} of the time; {_percent(found['unattributed'])} belongs to no part."
    return "\n".join(
        (
            f"{entry.experiment}, batch {entry.found['batch']}, {entry.device} {_link(entry)}. {idle}\n",
            table(("part", "ms a step", "share", "forward", "backward", "computed again"), parts),
            table(("kind of work", "ms a step", "share", "operations"), kinds),
        )
    )


def trials(entries: Sequence[Entry]) -> str:
    """What sweeps tried."""
    rows = []
    for entry in of_kind(entries, "train", "sweep"):
        for trial in entry.found.get("trials", ()):
            fits = "refused" not in trial
            rows.append(
                (
                    f"{Path(entry.found['config']).stem} {entry.found['phase']}",
                    entry.device,
                    trial["batch"],
                    trial.get("remat", UNKNOWN),
                    trial.get("attention", UNKNOWN),
                    f"{trial['seconds'] / MILLI:.1f}" if fits else trial["refused"],
                    f"{trial['samples_per_second']:.1f}" if fits else "",
                    _percent(trial["of_peak"]) if fits else "",
                    _scaled(trial.get("program"), GB, ".1f"),
                    _link(entry),
                )
            )
    heading = ("experiment", "device", "batch", "remat", "attention", "ms", "samples/s", "of peak")
    return table((*heading, "program, GB", "record"), rows)


def kernels(entries: Sequence[Entry]) -> str:
    """Attention kernels at the shapes of configs, forward and backward."""
    rows = []
    for entry in of_kind(entries, "attention"):
        for one in entry.found["rows"]:
            shape = one["shape"]
            rows.append(
                (
                    entry.device,
                    f"{entry.found['batch']} × {shape['length']} × {shape['heads']} × {shape['width']}",
                    one["kernel"],
                    one["refused"] or f"{one['seconds'] / MILLI:.3f}",
                    "" if one["refused"] else "yes" if one["agrees"] else "**no**",
                    ", ".join(shape["uses"]),
                    _link(entry),
                )
            )
    heading = (
        "device",
        "samples × tokens × heads × width",
        "kernel",
        "ms",
        "as exact as rounding lets it be",
        "used by",
    )
    return table((*heading, "record"), rows)


def loops(entries: Sequence[Entry]) -> str:
    """The loop from shards to checkpoints."""
    heading = (
        *("experiment", "device", "samples/s", "step alone", "devices waited", "limited by"),
        *("records, MB/s", "ms of a core a sample", "cores for the step's rate", "record"),
    )
    rows = []
    for entry in of_kind(entries, "loop"):
        found = entry.found
        rows.append(
            (
                *_first(entry),
                f"{found['samples_per_second']:.1f}",
                f"{found['device_rate']:.1f}",
                _percent(found["device_waited"]),
                found["limit"],
                f"{found['samples_per_second'] * found['read'] / MB:.1f}",
                f"{found['stages']['whole pipeline']:.2f}",
                f"{found['device_rate'] * found['stages']['whole pipeline'] * MILLI:.1f}",
                _link(entry),
            )
        )
    return table(heading, rows)


def feeds(entries: Sequence[Entry]) -> str:
    """The input pipeline alone."""
    rows = [
        (
            Path(entry.found["config"].partition(":")[0]).stem,
            entry.device,
            f"{1 / (entry.found['pipeline'] * MILLI):.1f}",
            *(f"{entry.found['stages'][stage]:.2f}" for stage in ("read", "decode", "crop, dates, augment", "batch")),
            f"{entry.found['stored'] / MB:.2f}",
            _scaled(entry.found.get("ratio"), 1, ".1f"),
            _link(entry),
        )
        for entry in of_kind(entries, "data")
    ]
    heading = ("experiment", "device", "samples/s a core", "read, ms", "decode, ms", "crop, dates, augment, ms")
    return table((*heading, "batch, ms", "record, MB", "times raw files", "record"), rows)


def compiled(folder: Path) -> str:
    """Steps compiled ahead of time by `bench compile --sweep`, in any folder below."""
    stored = sorted(folder.rglob("sweep.jsonl"))
    rows = [json.loads(line) for file in stored for line in file.read_text(encoding="utf-8").splitlines()]
    if not rows:
        return ""
    from mmae_jax.bench.compile import sweep  # only here: it draws, too

    versions = sorted({f"{row['date']}: {_versions(row['versions'])}" for row in rows})
    return f"{sweep.table(rows)}\n({'; '.join(versions)})\n"


def commands(entries: Sequence[Entry]) -> str:
    """How each record was measured."""
    lines = []
    for entry in entries:
        hardware = entry.content["hardware"]
        cores = "" if hardware["platform"] == "cpu" else f", {hardware['cores']} CPU cores"
        command = entry.content["command"]
        quoted = f"`{command}`" if command.startswith("python") else command
        versions = _versions(entry.content["versions"])
        lines.append(f"{entry.number}. {entry.content['date']}, {entry.device}{cores}, {versions}: {quoted}\n")
    return "".join(lines)


def _first(entry: Entry) -> tuple[str, str]:
    return entry.experiment, entry.device


def _link(entry: Entry) -> str:
    return f"[{entry.number}](#how-each-was-measured)"


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%}"


def _ms(seconds: float) -> str:
    return f"{seconds / MILLI:.2f}"


def _scaled(value: float | None, unit: float, form: str) -> str:
    return UNKNOWN if value is None else f"{value / unit:{form}}"
