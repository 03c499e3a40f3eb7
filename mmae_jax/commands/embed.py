"""Writes vectors of tiles or patches: `python -m mmae_jax embed --checkpoint=RUN --shards=SHARDS --out=tiles.parquet`.

The tiles are those of prepared shards, or the squares of a scene (docs/scenes.md). The file is a table (`.parquet`,
GeoParquet), an array (`.zarr`, Zarr v3) or, of a scene, an image with one band for each number of a vector (`.tif`,
cloud-optimised GeoTIFF). What is interrupted goes on when the same command is given again. `--shard=i/n` does a part of
the work, on any machine that sees the folder; the same command without it does what is missing, and writes the file.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.scenes import add_model, add_scene, checked_share, kept, open_model, open_scene
from mmae_jax.embeddings import DTYPES, PER, POOLS, QUANTIZATIONS
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import Source
from mmae_jax.embeddings.squares import SceneSamples
from mmae_jax.embeddings.storage import Storage
from mmae_jax.embeddings.tiles import open_samples
from mmae_jax.embeddings.write import check_out, write
from mmae_jax.exit_codes import UsageError
from mmae_jax.launch.signals import Signals
from mmae_jax.scenes.squares import reading
from mmae_jax.spec import Experiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_model(parser)
    parser.add_argument("--shards", metavar="DIR", help="folder of prepared tiles")
    parser.add_argument("--split", nargs="+", default=[], help="splits of the tiles; all by default")
    add_scene(parser, required=False)
    parser.add_argument("--out", required=True, type=Path, help="file to write: .parquet, .zarr, or .tif of a scene")
    parser.add_argument("--per", choices=PER, default="tile", help="a vector for each tile (default), or each patch")
    parser.add_argument(
        "--pool",
        choices=POOLS,
        default="mean",
        help="the mean of all tokens (default), or those of each sensor or date, one after the other",
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float16", help="of stored numbers (default: float16)")
    parser.add_argument(
        "--quantization",
        choices=QUANTIZATIONS,
        help="of int8: directions alone (power, default), or one scale for each vector (pixel)",
    )


def run(options: argparse.Namespace) -> None:
    """Writes the file, or computes a part of it.

    Raises:
      UsageError: options contradict each other.
    """
    part = checked_share(options)
    if options.quantization and options.dtype != "int8":
        raise UsageError(f"--quantization: is of --dtype=int8, found {options.dtype}")
    if (options.shards is None) == (options.scene is None):
        raise UsageError("expected --shards of prepared tiles, or --scene; one of them")
    if options.split and options.shards is None:
        raise UsageError("--split: is of --shards, found --scene")
    check_out(options.out, of_scene=options.shards is None)
    show_messages()
    with Signals():  # until vectors are kept, a signal ends the process at once
        model = open_model(options)
        source = _source(options, model.experiment)
        with kept(options, model.experiment):
            said = write(
                model,
                source,
                Pooling(options.per, options.pool),
                Storage(options.dtype, options.quantization or ("power" if options.dtype == "int8" else None)),
                options.out,
                checkpoint=options.checkpoint,
                batch_size=options.batch,
                data=dataclasses.replace(source.experiment.data, workers=options.workers),
                share=part,
            )
    print(said)


def _source(options: argparse.Namespace, experiment: Experiment) -> Source:
    """Returns the samples that the options name; vectors depend on no target, and need none."""
    if options.shards is None:
        return SceneSamples(open_scene(options, experiment), reading(experiment, options.workers))
    return open_samples(dataclasses.replace(experiment, targets=()), options.shards, options.split)
