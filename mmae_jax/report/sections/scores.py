"""The scores: of each phase as training wrote them, and of evaluations with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmae_jax.report.html import Absent, Html, drawing, interval, joined, paragraph, table, tag
from mmae_jax.report.intervals import intervals, is_control, point
from mmae_jax.report.look import Look
from mmae_jax.report.style import readable
from mmae_jax.report.workdir import Run
from mmae_jax.spec import Experiment

CONTROLS = {"untrained": "untrained", "band_statistics": "band statistics", "majority": "majority class"}
PRESET = ("knn", "linear")
"""Protocols of which each preset has its own."""
HINT = "python -m mmae_jax evaluate --checkpoint=RUN"


def content(run: Run, look: Look) -> Html:
    """Returns tables and figures of the scores."""
    parts: list[object] = []
    if run.results:
        parts.append(_phases(run))
    rows = run.whole()
    for target in dict.fromkeys(row["target"] for row in rows):
        parts += _evaluated(run, target, [row for row in rows if row["target"] == target])
    if not run.evaluations:
        parts.append(
            tag("p", "No evaluation with intervals and controls yet; it is written by ", tag("code", HINT), ".")
        )
    if not parts or not (run.results or rows):
        raise Absent(f"no phase is finished and nothing was evaluated; after training, {HINT}")
    return joined(parts)


def _phases(run: Run) -> Html:
    columns = [(phase, split) for phase, result in run.results.items() for split in result.scores]
    names = dict.fromkeys(name for result in run.results.values() for of in result.scores.values() for name in of)
    rows = [
        (readable(name), *(run.results[phase].scores[split].get(name) for phase, split in columns))
        for name in names
        if not name.startswith("loss/")
    ]
    head = ("", *(f"{phase}, {split}" for phase, split in columns))
    chosen = ", ".join(
        f"{phase} at step {result.step}{' (average of the weights)' if result.averaged else ''}"
        for phase, result in run.results.items()
    )
    return table(head, rows, f"As each phase was scored when it ended: {chosen}.")


def label_of(row: Mapping[str, Any]) -> str:
    """Returns what is scored by a result of `evaluate`: its protocol, and what it is of where that is a control."""
    protocol = row["protocol"] + (f" ({row['preset']})" if row.get("preset") and row["protocol"] in PRESET else "")
    if not is_control(row):
        return protocol
    name = CONTROLS.get(row["of"], row["of"])
    return name if row["protocol"] == row["of"] else f"{name}, {protocol}"


def main_metric(experiment: Experiment, target: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the score of a target that is shown where one is: that by which training chooses, else the first."""
    names = list(dict.fromkeys(name for row in rows for name in row["scores"]))
    monitored = (experiment.finetune.monitor or experiment.probe.monitor or "").removeprefix(f"{target}/")
    return monitored if monitored in names else names[0]


def mean_seed(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the result of the first seed of each label: others of the same are in the files."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        found.setdefault(label_of(row), row)
    return list(found.values())


def _evaluated(run: Run, target: str, rows: list[Mapping[str, Any]]) -> list[Html]:
    rows = sorted(mean_seed(rows), key=is_control)
    metric = main_metric(run.experiment, target, rows)
    having = [row for row in rows if metric in row["scores"]]
    first = rows[0]
    groups = f" in {first['groups']} groups" if first.get("groups") not in (None, first.get("samples")) else ""
    caption = (
        f"{readable(metric)} on {first.get('samples', '?')} samples{groups} of {first.get('split', '?')}, with 95 % "
        "intervals. Hollow: controls, which a good model must beat."
    )
    names = dict.fromkeys(name for row in rows for name in row["scores"])
    lines = [(label_of(row), *(_score(row["scores"].get(name)) for name in names), row.get("samples")) for row in rows]
    return [
        tag("h3", target),
        drawing(intervals([point(row, metric, label_of(row)) for row in having], metric), caption, alt=caption),
        table(("", *(readable(name) for name in names), "samples"), lines),
        *differences([run], {target: metric}),
        _chosen(rows),
    ]


def differences(runs: Sequence[Run], metrics: Mapping[str, str]) -> list[Html]:
    """Returns a table of paired differences on all labels, in the given metric of each target; nothing without any."""
    found = [one for run in runs for of in run.evaluations.values() for one in of.get("differences", ())]
    rows = [
        (
            f"{one['target']}, {one['protocol']}",
            readable(one["metric"]),
            f"{CONTROLS.get(one['of'], one['of'])} − {CONTROLS.get(one['against'], one['against'])}",
            interval(one["value"], one.get("low"), one.get("high")),
            "told apart" if one.get("low") is not None and one["low"] * one["high"] > 0 else "not told apart",
        )
        for one in found
        if one.get("label_fraction") in (None, 1.0) and one["metric"] == metrics.get(one["target"])
    ]
    caption = "Paired differences: both scored on the same samples, drawn together."
    return [table(("", "score", "difference", "95 % interval", ""), dict.fromkeys(rows), caption)] if rows else []


def _score(score: Mapping[str, Any] | None) -> Html:
    return interval(None) if score is None else interval(score["value"], score.get("low"), score.get("high"))


def _chosen(rows: list[Mapping[str, Any]]) -> Html:
    chosen = {label_of(row): row["chosen"] for row in rows if row.get("chosen") and not is_control(row)}
    said = [f"{label}: {', '.join(_setting(*one) for one in of.items())}" for label, of in chosen.items()]
    return paragraph(tag("small", f"Chosen on val: {'; '.join(said)}.")) if said else Html("")


def _setting(name: str, value: object) -> str:
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
