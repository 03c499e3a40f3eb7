"""What differs from the defaults, with which versions and on which machine it ran, and what it cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmae_jax.fields import REQUIRED, walk
from mmae_jax.report.html import Html, joined, marked, paragraph, table
from mmae_jax.report.look import Look
from mmae_jax.report.workdir import Run
from mmae_jax.spec import ARCHITECTURES
from mmae_jax.train.monitor.goodput import share

LEFT_OUT = ("dataset.", "inputs.", "model.architecture.")


def content(run: Run, look: Look) -> Html:
    """Returns tables of settings, cost and versions."""
    architecture = run.experiment.model.architecture
    size = next((name for name, known in ARCHITECTURES.items() if known == architecture), "own")
    rows = [
        (field.name, _plain(field.value), _plain(field.meaning.default), marked(field.meaning.text))
        for field in walk(run.experiment)
        if (field.differs or field.meaning.default is REQUIRED) and not field.name.startswith(LEFT_OUT)
    ]
    described = (
        f"Encoder of size {size}: {architecture.depth} blocks of width {architecture.embed_dim}, "
        f"{architecture.heads} heads; fusion by {run.experiment.model.fusion}."
    )
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return joined(
        [
            paragraph(described),
            table(("field", "here", "default", "meaning"), rows, "Settings that are no defaults"),
            cost(run, "Cost"),
            paragraph(f"Written by {versions or 'versions that are not known'}."),
        ]
    )


def _plain(value: object) -> str:
    if value is REQUIRED:
        return "–"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def cost(run: Run, title: str) -> Html:
    """Returns a table of time and machine by phase."""
    rows = []
    for phase in dict.fromkeys(entry["phase"] for entry in run.goodput):
        ours = [entry for entry in run.goodput if entry["phase"] == phase]
        spent = share(ours, ours[-1]["time"])
        last = max((entry for entry in run.entries if entry["phase"] == phase), key=lambda e: e["step"], default={})
        rates = [entry for entry in run.speed if entry["phase"] == phase and entry.get("samples/s")]
        devices = _devices(ours, rates)
        rows.append(
            (
                phase,
                last.get("epoch"),
                last.get("step"),
                f"{spent.running / 60:.1f} min",
                float(np.median([entry["samples/s"] for entry in rates])) if rates else None,
                f"{100 * spent.stepping / max(spent.running, 1e-9):.0f} %",
                next((f"{e['devices']} × {e['device']}" for e in reversed(ours) if "device" in e), "not recorded"),
                None if devices is None else spent.running / 3600 * devices,
            )
        )
    if not rows:
        return paragraph(f"{title}: not known, there is no goodput.jsonl.")
    total = sum(row[-1] for row in rows if row[-1] is not None)
    head = ("phase", "epochs", "steps", "time", "samples / s", "in steps", "devices", "device hours")
    return table(head, rows, f"{title}: {total:.3g} device hours")


def _devices(sessions: Sequence[Mapping[str, Any]], rates: Sequence[Mapping[str, Any]]) -> int | None:
    """Returns the number of devices, as sessions say; as the speed of one says where they do not."""
    said: Iterator[int] = (entry["devices"] for entry in reversed(sessions) if "devices" in entry)
    measured = (round(entry["samples/s"] / entry["samples/s/chip"]) for entry in rates if entry.get("samples/s/chip"))
    return next(itertools.chain(said, measured), None)
