"""Writes vectors of tiles or patches: `python -m mmae_jax embed --checkpoint=RUN --shards=SHARDS --out=tiles.parquet`.

The file is a table (`.parquet`, GeoParquet), an array (`.zarr`, Zarr v3) or, of a scene, an image with one band for
each number of a vector (`.tif`, cloud-optimised GeoTIFF). Work that was ended goes on with the same command.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import check_at_least
from mmae_jax.embeddings import DTYPES, PER, POOLS, QUANTIZATIONS
from mmae_jax.exit_codes import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--checkpoint", required=True, help="folder of a run, or exported weights")
    parser.add_argument("--shards", metavar="DIR", help="folder of prepared tiles")
    parser.add_argument("--split", nargs="+", default=[], help="splits of the tiles; all by default")
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
    parser.add_argument("--batch_size", type=int, default=32, help="samples that devices work on at once (default: 32)")
    parser.add_argument("--workers", type=int, default=4, help="processes that read; 0 reads in threads (default: 4)")
    parser.add_argument(
        "--shard", metavar="I/N", help="compute part I of N, from 0; the command without it writes the file"
    )


def run(options: argparse.Namespace) -> None:
    """Writes the file, or computes a part of it.

    Raises:
      UsageError: options contradict each other.
    """
    show_messages()
    check_at_least(options, "batch_size", 1)
    check_at_least(options, "workers", 0)
    if options.quantization and options.dtype != "int8":
        raise UsageError(f"--quantization: is of --dtype=int8, found {options.dtype}")
    if not options.shards:
        raise UsageError("expected --shards")
    # Imported here, as other commands and `--help` come without JAX.
    from mmae_jax.embeddings.pooling import Pooling
    from mmae_jax.embeddings.storage import Storage
    from mmae_jax.embeddings.tiles import open_samples
    from mmae_jax.embeddings.write import Share, check_out, write
    from mmae_jax.pretrained import load

    check_out(options.out, of_scene=False)
    share = Share(*_shard(options.shard)) if options.shard else None
    model = load(options.checkpoint)
    # vectors depend on no target, and tiles need none
    experiment = dataclasses.replace(model.experiment, targets=())
    source = open_samples(experiment, options.shards, options.split)
    quantization = options.quantization or ("power" if options.dtype == "int8" else None)
    said = write(
        model,
        source,
        Pooling(options.per, options.pool),
        Storage(options.dtype, quantization),
        options.out,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size,
        data=dataclasses.replace(experiment.data, workers=options.workers),
        share=share,
    )
    print(said)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not int(found[1]) < int(found[2]):
        raise UsageError(f"--shard: expected I/N with I from 0 to N - 1, such as 0/8, found {text}")
    return int(found[1]), int(found[2])
