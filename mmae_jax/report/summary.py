"""A run in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from mmae_jax.report.html import Html, interval, tag
from mmae_jax.report.intervals import is_control
from mmae_jax.report.sections.scores import label_of, main_metric
from mmae_jax.report.style import readable
from mmae_jax.report.workdir import PREDICT, Run
from mmae_jax.spec import PHASES


def summary(run: Run) -> Html:
    """Returns what a run was of, how far it is, and how good."""
    lines = [(name, *content) for name, *content in _lines(run)]
    return tag("dl", *(part for name, *content in lines for part in (tag("dt", name), tag("dd", *content))))


def _lines(run: Run) -> Iterator[tuple[object, ...]]:
    experiment = run.experiment
    yield "folder", tag("code", run.workdir)
    inputs = ", ".join(
        f"{name} ({one.num_dates} dates)" if one.num_dates > 1 else name for name, one in experiment.inputs.items()
    )
    yield "data", f"{experiment.dataset.name}: {inputs}"
    if experiment.targets:
        yield "targets", ", ".join(experiment.targets)
    yield "phases", ", ".join(f"{phase} {_state(run, phase)}" for phase in PHASES if phase in run.phases)
    for target in experiment.targets:
        if score := _score(run, target):
            yield target, *score


def _state(run: Run, phase: str) -> str:
    epochs = max((entry["epoch"] for entry in run.entries if entry["phase"] == phase), default=0)
    done = phase in run.results
    return f"({epochs} epochs)" if done else f"(not finished: {epochs} of {run.experiment.phase(phase).epochs} epochs)"


def _score(run: Run, target: str) -> tuple[object, ...]:
    """Returns the best evaluated score of a target, else that of the last phase that predicts; nothing without any."""
    rows = [row for row in run.whole() if row["target"] == target and not is_control(row)]
    if rows:
        metric = main_metric(run.experiment, target, rows)
        rows = [row for row in rows if row["scores"].get(metric, {}).get("value") is not None]
        ordered = sorted(rows, key=lambda row: row["protocol"] != "finetuned")
        if ordered:
            score = ordered[0]["scores"][metric]
            shown = interval(score["value"], score.get("low"), score.get("high"))
            return f"{readable(metric)} ", shown, f", {label_of(ordered[0])}, on {ordered[0].get('split')}"
    for phase in PREDICT:
        for split, scores in reversed((run.results[phase].scores if phase in run.results else {}).items()):
            names = [name for name in scores if name.startswith(f"{target}/")]
            if names:
                monitor = run.experiment.phase(phase).monitor
                name = monitor if monitor in names else names[0]
                return (
                    f"{readable(name.removeprefix(f'{target}/'))} ",
                    interval(scores[name]),
                    f", {phase}, on {split}",
                )
    return ()
