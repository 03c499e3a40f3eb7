"""How fast it trained, and where its time went."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mmae_jax.report.html import Absent, Html, drawing, joined, table
from mmae_jax.report.look import Look
from mmae_jax.report.style import BLUE, ORANGE, PALE, new_figure, plain, rows_of_classes
from mmae_jax.report.workdir import Run
from mmae_jax.train.monitor.goodput import share

SHOWN = {
    "samples/s": "samples / s",
    "model_tflops/s/chip": "TFLOP/s a device",
    "of_peak_%": "% of peak",
    "data_wait_%": "% waiting for data",
    "device_memory_GiB": "GiB of a device",
}


def content(run: Run, look: Look) -> Html:
    """Returns figures of the speed and of the shares of time."""
    measured = [entry for entry in run.speed if entry.get("samples/s")]
    if not measured and not run.goodput:
        raise Absent("there is neither speed.jsonl nor goodput.jsonl")
    parts: list[object] = []
    if measured:
        parts += [drawing(_over_steps(run), "Samples a second, between lines of the log.", alt="speed"), _medians(run)]
    if run.goodput:
        caption = (
            "Time of each phase from its first session to its last line. Other work: compiling, evaluating, saving; "
            "and steps that were repeated after an interruption."
        )
        parts.append(drawing(_shares(run), caption, alt="shares of time"))
    return joined(parts)


def _phases(run: Run) -> list[str]:
    return list(dict.fromkeys(entry["phase"] for entry in (*run.speed, *run.goodput)))


def _over_steps(run: Run) -> Figure:
    phases = [phase for phase in _phases(run) if any(e["phase"] == phase and e.get("samples/s") for e in run.speed)]
    figure = new_figure(1.0 + 3.4 * len(phases), 2.9)
    for axes, phase in zip(figure.subplots(1, len(phases), squeeze=False)[0], phases, strict=True):
        plain(axes, grid="y")
        points = [(e["step"], e["samples/s"]) for e in run.speed if e["phase"] == phase and e.get("samples/s")]
        axes.plot(*zip(*points, strict=True), "o-", color=BLUE, markersize=3.5, linewidth=1.4)
        axes.set_ylim(0, 1.1 * max(rate for _, rate in points))
        axes.set_title(phase, fontsize=10)
        axes.set_xlabel("step", fontsize=9)
    return figure


def _medians(run: Run) -> Html:
    rows = []
    for phase in _phases(run):
        ours = [entry for entry in run.speed if entry["phase"] == phase]
        known = {name: [entry[name] for entry in ours if entry.get(name) is not None] for name in SHOWN}
        rows.append((phase, *(float(np.median(values)) if values else None for values in known.values())))
    used = [place for place in range(len(SHOWN)) if any(row[place + 1] is not None for row in rows)]
    head = ("", *(list(SHOWN.values())[place] for place in used))
    return table(head, [(row[0], *(row[place + 1] for place in used)) for row in rows], "Medians")


def _shares(run: Run) -> Figure:
    phases = [phase for phase in _phases(run) if any(entry["phase"] == phase for entry in run.goodput)]
    figure = new_figure(8.6, 1.2 + 0.42 * len(phases))
    axes = figure.subplots()
    plain(axes, grid="x")
    spent = []
    for phase in phases:
        ours = [entry for entry in run.goodput if entry["phase"] == phase]
        found = share(ours, ours[-1]["time"])
        spent.append((found.stepping, found.running - found.stepping, found.elapsed - found.running))
    start = np.zeros(len(phases))
    kinds = (("steps that were kept", BLUE, ""), ("other work", ORANGE, "//"), ("not running", PALE, ".."))
    for (name, colour, hatch), seconds in zip(kinds, np.array(spent).T / 60, strict=True):
        axes.barh(range(len(phases)), seconds, left=start, color=colour, hatch=hatch, edgecolor="white", label=name)
        start += seconds
    rows_of_classes(axes, phases)
    axes.set_xlabel("minutes")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure
