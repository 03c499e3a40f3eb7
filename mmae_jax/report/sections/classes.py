"""Class by class: scores, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmae_jax.metrics import ClassScores
from mmae_jax.report.classes import class_scores, confusion
from mmae_jax.report.html import Absent, Html, drawing, joined, stored, tag
from mmae_jax.report.intervals import is_control
from mmae_jax.report.look import Look
from mmae_jax.report.sections.scores import label_of
from mmae_jax.report.workdir import PREDICT, Run


def content(run: Run, look: Look) -> Html:
    """Returns figures of each target: of the best evaluated protocol, else those that training drew."""
    parts: list[object] = []
    rows = [row for row in run.whole() if row.get("per_class") and not is_control(row)]
    for target in dict.fromkeys(row["target"] for row in rows):
        parts += _of(target, _best([row for row in rows if row["target"] == target]))
    return joined(parts or _drawn_in_training(run))


def _best(rows: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    def first(row: Mapping[str, Any]) -> float:
        value = next(iter(row["per_class"].values()))
        return float(np.mean([one or 0 for one in value]))

    return max(rows, key=lambda row: (row["protocol"] == "finetuned", first(row)))


def _of(target: str, row: Mapping[str, Any]) -> list[Html]:
    metrics = {name: np.array(values, float) for name, values in row["per_class"].items() if name != "support"}
    scores = ClassScores(
        {}, metrics, np.array(row["per_class"]["support"], int), np.array(row.get("confusion", []), int)
    )
    name = "f1" if "f1" in metrics else next(iter(metrics))
    parts = [tag("h3", f"{target}, {label_of(row)}"), drawing(class_scores("", scores, row["classes"], name), alt=name)]
    if scores.confusion.size:
        parts.append(drawing(confusion("", scores, row["classes"]), alt=f"confusion of {target}"))
    return parts


def _drawn_in_training(run: Run) -> list[Html]:
    for phase in PREDICT:
        folder = run.workdir / "figures" / phase
        files = sorted(path for path in folder.glob("*.png") if path.name != "curves.png") if folder.is_dir() else []
        if files:
            return [tag("h3", phase), *(stored(file.read_bytes(), alt=file.stem) for file in files)]
    raise Absent("no phase that predicts is finished, and nothing was evaluated")
