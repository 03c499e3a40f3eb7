"""What an evaluation leaves: `results.json`, `scores.csv` and `predictions.npz`, with all that repeats it."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import io
import json
import math
import os
import platform
import shlex
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from etils import epath

from mmae_jax import tasks
from mmae_jax.config import to_plain
from mmae_jax.evaluate.bootstrap import Interval
from mmae_jax.evaluate.evaluation import CHECKPOINT, Difference, Plan, Scored
from mmae_jax.evaluate.samples import Reading
from mmae_jax.formats import VERSION_KEY, naming_folder
from mmae_jax.metrics import ClassScores
from mmae_jax.spec import Experiment, SpecError, Target

FORMAT_VERSION = 1
RESULTS_FILE, SCORES_FILE, PREDICTIONS_FILE = "results.json", "scores.csv", "predictions.npz"
COLUMNS = ("target", "protocol", "preset", "of", "inputs", "dates", "clouds", "label_fraction", "seed", "split")
SHOWN = 4
"""Metrics in the table on the terminal; all are in the files."""


@dataclasses.dataclass(frozen=True)
class About:
    """What an evaluation was made from.

    Attributes:
      experiment: that of the model, on the data that were evaluated.
      checkpoint: where the model is.
      phase: of the run; None where that is not known.
      weights: what tells its weights from others.
      against: the same of the other model; None without one.
      reading: how samples were read.
      identity: what tells the shards from others.
      splits: samples of each split.
      plan: what was asked for.
      group_by: as it was typed; None for tiles.
      seconds: how long it took.
    """

    experiment: Experiment
    checkpoint: str
    phase: str | None
    weights: str
    against: Mapping[str, Any] | None
    reading: Reading
    identity: str | None
    splits: Mapping[str, int]
    plan: Plan
    group_by: str | None
    seconds: float


def check_out(out: Path) -> None:
    """Raises a `SpecError` where there is an evaluation already."""
    if out.exists():
        raise SpecError(f"--out: {out} exists already; delete it, or choose another")


def write(out: Path, about: About, scored: Sequence[Scored], compared: Sequence[Difference]) -> None:
    """Writes the folder of an evaluation, which appears whole.

    Raises:
      SpecError: it is there already.
    """
    check_out(out)
    folder = out.with_name(f"{out.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    with naming_folder(epath.Path(folder)):
        folder.mkdir(parents=True)
        text = json.dumps(_plain(described(about, scored, compared)), indent=1, allow_nan=False, ensure_ascii=False)
        (folder / RESULTS_FILE).write_text(text + "\n", encoding="utf-8")
        (folder / SCORES_FILE).write_text(_table(about.plan, scored), encoding="utf-8")
        _write_predictions(folder / PREDICTIONS_FILE, scored)
        os.replace(folder, out)


def described(about: About, scored: Sequence[Scored], compared: Sequence[Difference]) -> dict[str, Any]:
    """Returns the contents of `results.json`."""
    targets, device = about.experiment.dataset.targets, jax.devices()[0]
    return {
        VERSION_KEY: FORMAT_VERSION,
        "command": shlex.join(["python", "-m", "mmae_jax", *sys.argv[1:]]),
        "model": {"checkpoint": about.checkpoint, "phase": about.phase, "weights": about.weights},
        "against": about.against,
        "data": {
            "shards": about.reading.shards,
            "identity": about.identity,
            "splits": dict(about.splits),
            "group_by": about.group_by,
        },
        "versions": {
            "mmae_jax": importlib.metadata.version("mmae_jax"),
            "jax": jax.__version__,
            "python": platform.python_version(),
        },
        "device": f"{jax.local_device_count()} × {device.device_kind}",
        "seconds": about.seconds,
        "bootstrap": about.plan.draws,
        "experiment": to_plain(about.experiment),
        "results": [_result(targets[one.target], about.plan, one) for one in scored],
        "differences": [
            {
                "target": each.scored.target,
                "protocol": each.scored.protocol,
                "label_fraction": each.scored.fraction,
                "seed": each.scored.seed,
                "of": each.scored.of,
                "against": each.against.of,
                "metric": metric,
                **dataclasses.asdict(interval),
            }
            for each in compared
            for metric, interval in each.metrics.items()
        ],
    }


def _result(target: Target, plan: Plan, one: Scored) -> dict[str, Any]:
    task = tasks.of(target)
    scores = task.scores(task.total(target, one.tested.samples))
    by_class: dict[str, Any] = {}
    if isinstance(scores, ClassScores):
        by_class = {
            "classes": list(target.classes),
            "per_class": {name: values.tolist() for name, values in scores.per_class.items()}
            | {"support": scores.support.tolist()},
            "confusion": scores.confusion.tolist(),
        }
    return {
        "target": one.target,
        "kind": target.kind,
        "protocol": one.protocol,
        "preset": plan.preset,
        "of": one.of,
        "inputs": list(one.inputs),
        "dates": one.dates,
        "clouds": one.clouds,
        "label_fraction": one.fraction,
        "seed": one.seed,
        "split": plan.split,
        "samples": len(next(iter(one.tested.samples.values()))),
        "groups": one.groups,
        "chosen": dict(one.chosen),
        "scores": {name: dataclasses.asdict(interval) for name, interval in one.resampled.intervals().items()},
        **by_class,
        "calibration": one.calibration,
    }


def _table(plan: Plan, scored: Sequence[Scored]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*COLUMNS, "metric", "value", "low", "high"))
    for one in scored:
        known = (one.target, one.protocol, plan.preset, one.of, " ".join(one.inputs), one.dates or "", one.clouds or "")
        for metric, interval in one.resampled.intervals().items():
            numbers = (f"{number:.6g}" for number in (interval.value, interval.low, interval.high))
            rows.writerow((*known, one.fraction, one.seed, plan.split, metric, *numbers))
    return text.getvalue()


def _write_predictions(file: Path, scored: Sequence[Scored]) -> None:
    """Writes what scores need of each sample: `<number of the result>/<name>`, in the order of the samples."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, one in enumerate(scored):
            for name, values in one.tested.samples.items():
                array = io.BytesIO()
                np.save(array, values, allow_pickle=False)
                archive.writestr(f"{number}/{name}.npy", array.getvalue())


def summary(plan: Plan, targets: Mapping[str, Target], scored: Sequence[Scored]) -> str:
    """Returns the scores as lines of text, each with its interval; means over seeds."""
    lines: list[str] = []
    every = max((len(one.inputs) for one in scored), default=0)
    for name, target in targets.items():
        metrics = tasks.of(target).metrics[:SHOWN]
        lines += ["", f"{name}, {plan.split}: score [95 % interval]"]
        rows = [["", *metrics]]
        for key in dict.fromkeys(_key(one) for one in scored if one.target == name):
            alike = [one.resampled.intervals() for one in scored if one.target == name and _key(one) == key]
            rows.append([_label(key, every), *(_text([each[metric] for each in alike]) for metric in metrics)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for label, *cells in rows:
            texts = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            lines.append("  ".join([label.ljust(widths[0]), *texts]))
    return "\n".join(lines)


def compared_summary(compared: Sequence[Difference], targets: Mapping[str, Target]) -> str:
    """Returns differences of the first metric as lines of text; means over seeds."""
    lines = ["", "this model is better by: difference [95 % interval]"]
    rows: dict[str, list[Interval]] = {}
    for each in compared:
        metric = tasks.of(targets[each.scored.target]).metrics[:SHOWN][-1]
        one = each.scored
        labels = "" if one.fraction == 1 else f", {100 * one.fraction:g} % of labels"
        label = f"{one.target}/{metric}, {one.protocol}{labels}, than {each.against.of}"
        rows.setdefault(label, []).append(each.metrics[metric])
    width = max(map(len, rows))
    return "\n".join([*lines, *(f"{label.ljust(width)}  {_text(found, sign='+')}" for label, found in rows.items())])


def _key(one: Scored) -> tuple[Any, ...]:
    return one.of, one.protocol, one.fraction, one.inputs, one.dates, one.clouds


def _label(key: tuple[Any, ...], every: int) -> str:
    """Returns what a row of the table is called, where a model may see so many inputs."""
    of, by, fraction, inputs, dates, clouds = key
    label = of if of == by else f"{of if of != CHECKPOINT else 'this model'}, {by}"
    label += "" if fraction == 1 else f", {100 * fraction:g} % of labels"
    label += "" if len(inputs) == every else f", {' '.join(inputs)}"
    label += "" if dates is None else f", {dates} {'date' if dates == 1 else 'dates'}"
    return label + ("" if clouds is None else f", {clouds}")


def _text(intervals: Sequence[Interval], sign: str = "") -> str:
    value, low, high = (
        float(np.mean([getattr(each, field) for each in intervals])) for field in ("value", "low", "high")
    )
    if math.isnan(value):
        return "-"
    # of a single group of samples there is no interval
    return f"{value:{sign}.3f}" + (f" [{low:{sign}.3f}, {high:{sign}.3f}]" if math.isfinite(low + high) else "")


def _plain(value: Any) -> Any:
    """Returns JSON values, in which what is no number is None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
