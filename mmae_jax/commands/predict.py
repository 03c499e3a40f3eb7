"""Maps a scene: `python -m mmae_jax predict --checkpoint=RUN --scene=scene.py --out=map.tif`.

The scene describes the images of an area (docs/scenes.md), which are held against the sensor contract of the model.
Classes or numbers of pixels become a cloud-optimised GeoTIFF, those of whole tiles a GeoParquet of tiles. What is
interrupted goes on when the same command is given again. `--shard=i/n` does a part of the work, on any machine that
sees the output's folder; the same command without it does what is missing, and puts the map together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.scenes import add_model, add_scene, checked_share, kept, open_model, open_scene
from mmae_jax.exit_codes import UsageError
from mmae_jax.launch.signals import Signals
from mmae_jax.scenes.job import check_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_model(parser)
    add_scene(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, help="map to write: .tif, or .parquet of targets of tiles")
    parser.add_argument("--target", help="what to predict, where the model has several targets")
    parser.add_argument(
        "--overlap",
        type=float,
        help="share of a square's side that the next one covers, too, blended by a cosine (default: 0.5, and 0 "
        "for targets of whole squares)",
    )
    parser.add_argument("--probabilities", action="store_true", help="write the probability of each class, too")
    parser.add_argument("--uncertainty", action="store_true", help="write the entropy of the classes, too")
    parser.add_argument("--preview", action="store_true", help="draw input, map, and what was observed, as PNG")


def run(options: argparse.Namespace) -> None:
    """Writes the map.

    Raises:
      UsageError: an option is none that there is.
    """
    part = checked_share(options)
    if options.overlap is not None and not 0 <= options.overlap < 1:
        raise UsageError(f"--overlap: expected a share from 0 to below 1, found {options.overlap:g}")
    show_messages()
    check_out(options.out)
    with Signals():  # until squares are kept, a signal ends the process at once
        model = open_model(options)
        scene = open_scene(options, model.experiment)
        from mmae_jax.scenes.predict import Options, predict

        asked = Options(
            target=options.target,
            overlap=options.overlap,
            batch_size=options.batch,
            workers=options.workers,
            probabilities=options.probabilities,
            uncertainty=options.uncertainty,
            preview=options.preview,
            share=part,
        )
        with kept(options, model.experiment):
            predict(model, scene, options.out, asked)
