"""What a sweep found: a table, a file of it, and a figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmae_jax.formats import written_whole
from mmae_jax.report.output import save_png
from mmae_jax.report.style import BLUE, GREY, ORANGE, PALE, new_figure, plain, readable
from mmae_jax.sweep.space import Field
from mmae_jax.sweep.sweep import Sweep
from mmae_jax.sweep.trial import FAILED, FINISHED, STOPPED, Monitor, Outcome, Trial

TABLE_ROWS = 20
MARKERS = {FINISHED: ("o", BLUE), STOPPED: ("x", GREY)}
Done = tuple[Trial, Outcome]


def ended(sweep: Sweep) -> list[Done]:
    """Returns the trials that have ended, the best first; those that failed last."""
    done = [(trial, outcome) for trial in sweep.trials if (outcome := trial.outcome()) is not None]
    order = {FINISHED: 0, STOPPED: 1, FAILED: 2}
    return sorted(done, key=lambda each: (order[each[1].state], _rank(each[1], sweep.monitor), each[0].number))


def _rank(outcome: Outcome, monitor: Monitor) -> float:
    known = outcome.score is not None and math.isfinite(outcome.score)
    return -monitor.sign * outcome.score if known and outcome.score is not None else math.inf


def write(sweep: Sweep, fields: Sequence[Field], done: Sequence[Done]) -> None:
    """Writes `trials.csv` and `sweep.png` into the folder of the sweep."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("trial", *(one.name for one in fields), "state", "epochs", "val", "test", "seconds", "why"))
    for trial, outcome in sorted(done, key=lambda each: each[0].number):
        scores = ("" if score is None else f"{score:.6g}" for score in (outcome.score, outcome.test))
        values = (trial.values[one.name] for one in fields)
        rows.writerow(
            (trial.number, *values, outcome.state, outcome.epoch, *scores, f"{outcome.seconds:.1f}", outcome.why)
        )
    with written_whole(epath.Path(sweep.folder / "trials.csv")) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
    save_png(figure(sweep, fields, done), sweep.folder / "sweep.png")


def table(fields: Sequence[Field], done: Sequence[Done], monitor: Monitor) -> str:
    """Returns the best trials as lines of text."""
    head = ["trial", *(one.name for one in fields), f"val {monitor.name}", "test", "epochs", "state"]
    rows = [head]
    for trial, outcome in done[:TABLE_ROWS]:
        scores = ["-" if score is None else f"{score:.4g}" for score in (outcome.score, outcome.test)]
        values = [trial.values[one.name] for one in fields]
        rows.append([str(trial.number), *values, *scores, str(outcome.epoch), outcome.state])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    if len(done) > TABLE_ROWS:
        lines.append(f"… and {len(done) - TABLE_ROWS} more, in trials.csv")
    return "\n".join(lines)


def figure(sweep: Sweep, fields: Sequence[Field], done: Sequence[Done]) -> Figure:
    """Draws the score over each field, and how the scores of all trials came about; the best trial is marked."""
    scored = [each for each in done if each[1].state in MARKERS and each[1].score is not None]
    best = scored[0][0].number if scored and scored[0][1].state == FINISHED else None
    name = readable(sweep.monitor.name)
    columns = min(len(fields) + 1, 3)
    rows = -(-(len(fields) + 1) // columns)
    drawn = new_figure(0.6 + 3.6 * columns, 0.9 + 2.9 * rows, f"{name}, validation split  ·  {len(done)} trials")
    panels = drawn.subplots(rows, columns, squeeze=False).flatten()
    for axes, one in zip(panels, fields, strict=False):
        _over_field(axes, one, scored, best)
        axes.set_ylabel(name, fontsize=9)
    _curves(panels[len(fields)], sweep, done, best)
    for axes in panels[len(fields) + 1 :]:
        axes.remove()
    return drawn


def _over_field(axes: Axes, field: Field, scored: Sequence[Done], best: int | None) -> None:
    plain(axes, grid="both")
    places = _places(field, [trial.values[field.name] for trial, _ in scored])
    for (trial, outcome), place in zip(scored, places, strict=True):
        assert outcome.score is not None, "those without are left out"
        marker, colour = MARKERS[outcome.state]
        chosen = trial.number == best
        axes.plot(place, outcome.score, marker, color=ORANGE if chosen else colour, markersize=9 if chosen else 6)
    if field.kind == "log":
        axes.set_xscale("log")
    elif field.kind == "list":
        axes.set_xticks(range(len(field.values)), field.values)
        axes.margins(x=0.1)
    axes.set_title(field.name, fontsize=10)


def _places(field: Field, values: Sequence[str]) -> Sequence[float]:
    return [float(field.values.index(value)) if field.kind == "list" else float(value) for value in values]


def _curves(axes: Axes, sweep: Sweep, done: Sequence[Done], best: int | None) -> None:
    plain(axes, grid="both")
    for trial, _ in done:
        curve = sweep.monitor.curve(trial.run)
        if curve and trial.number != best:
            axes.plot(list(curve), list(curve.values()), color=GREY, linewidth=1.0, alpha=0.6)
    chosen = next((trial for trial, _ in done if trial.number == best), None)
    if chosen is not None:
        curve = sweep.monitor.curve(chosen.run)
        label = f"trial {chosen.number}, the best"
        axes.plot(list(curve), np.array(list(curve.values())), color=ORANGE, linewidth=2.2, label=label)
        axes.legend(fontsize=8, frameon=False)
    else:
        axes.set_facecolor(PALE)
    axes.set_title(f"{sweep.monitor.phase}: as it came about", fontsize=10)
    axes.set_xlabel("epoch", fontsize=9)
