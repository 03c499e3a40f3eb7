"""What pretraining learnt to reconstruct."""

from __future__ import annotations

import numpy as np

from mmae_jax.report.html import Absent, Html, joined, paragraph, plotted, stored, tag
from mmae_jax.report.look import Look
from mmae_jax.report.reconstruction import images_shown, reconstruction
from mmae_jax.report.workdir import Run


def content(run: Run, look: Look) -> Html:
    """Returns a figure of each input: computed where shards are there, else those that training drew."""
    try:
        samples, found = look.reconstructions
    except Absent as absent:
        return _drawn_in_training(run, absent)
    parts: list[object] = [
        paragraph(
            f"Tiles of the {look.tiles.split} split, from evenly spread places in it. All columns of a figure are in "
            "the unit of the data and stretched alike (2nd to 98th percentile of the truth)."
        )
    ]
    for name in run.experiment.inputs:
        dates, valid = np.asarray(samples.dates[name]), np.asarray(samples.pixels_valid[name])
        images = images_shown(run.experiment, name, found[name], dates, valid)
        parts += [tag("h3", name), plotted(reconstruction(name, images), alt=f"reconstructions of {name}")]
    return joined(parts)


def _drawn_in_training(run: Run, absent: Absent) -> Html:
    folder = run.workdir / "figures" / "pretrain"
    files = sorted(folder.glob("reconstruction_*.png")) if folder.is_dir() else []
    if not files:
        raise absent
    note = tag("p", f"As they were drawn in training: {absent}", class_="note")
    return joined([note, *(stored(file.read_bytes(), file.stem, alt=file.stem) for file in files)])
