"""Made-up trial fields, `<split>.npz`: what is true of them is set by options, all of them fields of `Truth`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from data_prep.datasets.trial_fields.growth import grow
from data_prep.datasets.trial_fields.sensors import aerial, optical, radar
from data_prep.datasets.trial_fields.truth import Truth, choices
from data_prep.synthetic import frame

SHARES = {"train": 1 / 2, "val": 1 / 8, "test": 3 / 8}
"""Of the fields: many are tested, as differences between models are what is asked for."""
WORDS = {
    "told_by": "what tells crops apart in Sentinel-2: the order of seasons, or the level on each date",
    "radar": "what tells them in Sentinel-1: the difference of both orbits, or each orbit",
    "bands": "whether the season shows in all bands alike, or only faint, in visible light",
    "texture": "whether all pixels of a field have one season, or each its own",
}
YEAR = 2020


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    for name, text in WORDS.items():
        default = getattr(Truth(), name)
        parser.add_argument(f"--{name}", choices=choices(name), default=default, help=f"{text} (default: {default})")
    parser.add_argument("--haze", action="store_true", help="make visible light of some dates far brighter")
    parser.add_argument("--noise", type=float, default=1.0, help="of sensors, in parts of the usual (default: 1)")


def write(out_dir: Path, *, tiles: int, seed: int, **truth: object) -> None:
    """Writes made-up fields to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Args:
      out_dir: folder that does not exist yet.
      tiles: number of fields, at least 8.
      seed: seed of the landscape.
      truth: fields of `Truth`.

    Raises:
      DataPrepError: `out_dir` exists already, or there are too few fields.
    """
    true = Truth(**truth)  # type: ignore[arg-type]
    with frame.new_folder(out_dir, tiles, 8) as folder:
        for number, (split, share) in enumerate(SHARES.items()):
            rng = np.random.default_rng([seed, number])
            fields = grow(rng, true, int(share * tiles))
            asc, des = radar(rng, true, fields)
            np.savez(
                folder / f"{split}.npz",
                crop=fields.crop,
                days=fields.days,
                s2=optical(rng, true, fields),
                s1_asc=asc,
                s1_des=des,
                aerial=aerial(rng, true, fields),
            )
