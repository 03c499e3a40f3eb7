"""Vectors and targets of prepared tiles as numpy arrays, kept on disk: what follows starts in seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import logging
from etils import epath

from mmae_jax.embeddings.numpy_file import ARRAYS
from mmae_jax.embeddings.output import TARGET
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import Source
from mmae_jax.embeddings.storage import Storage
from mmae_jax.embeddings.tiles import open_samples
from mmae_jax.embeddings.write import identity, write
from mmae_jax.formats import seal_of
from mmae_jax.pretrained import Pretrained
from mmae_jax.spec import Data

EXACT = Storage("float32")
FILE_VERSION = 2
"""Of what is kept; version 2 tells places."""
UNREADABLE = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError)
"""What numpy raises where a file of arrays is cut, or has other bytes."""


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Samples of some splits: the fixed crops of each tile, tile by tile (docs/method.md §2.1).

    Attributes:
      names: names of the tiles `[N]`.
      splits: their splits `[N]`.
      crops: numbers of the crops in their tile `[N]`.
      crs: coordinate systems in which they lie `[N]`; empty where that is not known.
      centres: x, y of their middle in it, float64 `[N, 2]`.
      vectors: float32 `[N, C]`, or `[N, g, g, C]` of patches; NaN where a part of a vector is missing.
      targets: target → values as in a batch (`mmae_jax.data.batch.Batch`), N first.
    """

    names: np.ndarray
    splits: np.ndarray
    crops: np.ndarray
    crs: np.ndarray
    centres: np.ndarray
    vectors: np.ndarray
    targets: dict[str, np.ndarray]


def embedded(
    model: Pretrained,
    shards: epath.PathLike,
    splits: Sequence[str] = (),
    targets: Sequence[str] | None = None,
    pooling: Pooling = Pooling(),  # noqa: B008 (frozen)
    *,
    batch_size: int = 32,
    workers: int = 0,
    cache: Path | None = None,
    seen: Callable[[Source], Source] | None = None,
) -> Embedded:
    """Returns the vectors of prepared tiles with their targets.

    Args:
      model: the model.
      shards: folder of the tiles.
      splits: all that are there by default.
      targets: names of targets of the model's contract; those of its experiment by default.
      pooling: which tokens are averaged.
      batch_size: samples that the devices work on at once.
      workers: processes that read ahead; 0 for threads.
      cache: folder in which the result is kept under a name that tells weights, shards and options; it is computed
        once, and what is interrupted goes on.
      seen: returns what the model sees of the samples (`mmae_jax.evaluate.sensors.Seen`); all if None.

    Raises:
      SpecError: the shards are not there, or are not what the model expects.
      DataError: a record is damaged.
    """
    experiment = model.experiment
    if targets is not None:
        experiment = dataclasses.replace(experiment, targets=tuple(targets))
    source: Source = open_samples(experiment, shards, splits)
    if seen is not None:
        source = seen(source)
    data = Data(workers=workers)
    with _folder(cache) as folder:
        file = folder / f"{seal_of(identity(model, source, pooling, EXACT) | {'file': FILE_VERSION})[:32]}{ARRAYS}"
        if file.exists():
            try:
                return _read(file, pooling)
            except UNREADABLE as error:  # such as of a disk that was full; it is only kept, so nothing is lost
                logging.warning("%s: damaged (%s), computed anew", file, error)
                file.unlink(missing_ok=True)
        write(model, source, pooling, EXACT, file, checkpoint="", batch_size=batch_size, data=data)
        return _read(file, pooling)


@contextlib.contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """Gives the folder of what is kept, or one that goes at the end."""
    if cache is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    cache.mkdir(parents=True, exist_ok=True)
    yield cache


def _read(file: Path, pooling: Pooling) -> Embedded:
    with np.load(file, allow_pickle=False) as arrays:
        targets = {name.removeprefix(TARGET): arrays[name] for name in arrays.files if name.startswith(TARGET)}
        vectors = arrays["vectors"] if pooling.per == "patch" else arrays["vectors"][:, 0, 0]
        known = {name: arrays[name] for name in ("names", "splits", "crops", "crs", "centres")}
        return Embedded(**known, vectors=vectors, targets=targets)
