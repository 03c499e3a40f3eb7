"""Batches as a function of (seed, step): Grain map datasets, of which each host reads its rows by index."""

from __future__ import annotations

import functools
import gc
import hashlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from typing import Any, Self

import grain
import jax
import numpy as np
from absl import flags

from mmae_jax import spec
from mmae_jax.data import sample
from mmae_jax.data.batch import Batch
from mmae_jax.data.shards import Shards
from mmae_jax.data.shared_memory import buffer_size, naming_lost_readers
from mmae_jax.data.tiles import Chosen, Tile, Tiles


class Batches:
    """A host's batches, one after the other.

    Reads ahead until `close`, which also stops the worker processes; a `with` statement closes at its end.
    """

    def __init__(self, iterator: grain.DatasetIterator | None, *, by_processes: bool = False) -> None:
        self._iterator, self._by_processes = iterator, by_processes

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._iterator is None:
            raise StopIteration
        with naming_lost_readers():
            return _copy(next(self._iterator))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops reading; there are no further batches."""
        if self._iterator is not None:
            self._iterator.close()
            self._iterator = None
            if self._by_processes:
                gc.collect()  # each reader's last batch is part of a cycle, and its shared memory is freed with it


def _copy(batch: Any) -> Any:
    """Returns `batch` in memory of this process: memory shared with workers is reported as leaked if alive at exit."""
    return {name: _copy(leaf) for name, leaf in batch.items()} if isinstance(batch, dict) else np.array(batch)


def steps_per_epoch(num_samples: int, batch_size: int) -> int:
    """Returns the steps that make an epoch: whole batches in the samples, at least 1.

    The training stream runs on through epochs, so what remains of one begins the next: no sample is dropped.
    """
    return max(1, num_samples // batch_size)


def train_batches(
    experiment: spec.Experiment,
    phase: str,
    shards: Shards,
    *,
    start_step: int = 0,
    rows: Sequence[range] | None = None,
) -> Batches:
    """Returns the endless training batches of `phase`, from step `start_step` on.

    Sample `step · batch_size + row` of the stream is a function of the seed, the phase and this index alone: each epoch
    is another permutation of the samples, each sample has its own draws.

    Args:
      experiment: the experiment.
      phase: `pretrain`, `probe` or `finetune`; gives the splits and the global batch size.
      shards: opened shards.
      start_step: the first step to return.
      rows: rows of each global batch that this host reads, in order (`parallel.process_rows`); all if None.

    Raises:
      DataError: a split is not there; while iterating: a record is damaged.
    """
    settings = experiment.phase(phase)
    tiles = _labelled(experiment, shards.source(settings.train_splits, again=True), settings.label_fraction)
    samples = train_samples(experiment, phase, tiles)
    return _iterate(_batched(samples, settings.batch_size, rows)[start_step:], experiment.data)


def _labelled(experiment: spec.Experiment, tiles: Tiles, fraction: float) -> Sequence[Tile]:
    """Returns a share of tiles, the same ones in every phase."""
    if fraction == 1:
        return tiles
    drawn = np.random.default_rng(_fold(experiment.seed, "labels")).permutation(len(tiles))
    return Chosen(tiles, np.sort(drawn[: math.ceil(fraction * len(tiles))]))


def train_dataset(experiment: spec.Experiment, phase: str, tiles: Sequence[Tile], rows: int) -> grain.MapDataset[Batch]:
    """Returns the endless batches of `rows` training samples that `train_batches` iterates over, by index."""
    return _batched(train_samples(experiment, phase, tiles), rows, None)


def train_samples(experiment: spec.Experiment, phase: str, tiles: Sequence[Tile]) -> grain.MapDataset[Batch]:
    """Returns the endless stream of training samples, by index.

    Args:
      experiment: the experiment.
      phase: names the random draws.
      tiles: the tiles that crops are read from.
    """
    return (
        grain.MapDataset.source(tiles)
        .repeat(experiment.data.repeats**2)
        .shuffle(_fold(experiment.seed, phase, "shuffle"))
        .repeat()
        .random_map(functools.partial(sample.train_sample, experiment), seed=_fold(experiment.seed, phase, "sample"))
    )


def _batched(
    samples: grain.MapDataset[Batch], batch_size: int, rows: Sequence[range] | None
) -> grain.MapDataset[Batch]:
    """Returns the given rows of each batch of `batch_size` samples, by the number of the batch."""
    rows = [range(batch_size)] if rows is None else rows
    block = math.gcd(batch_size, *(bound for part in rows for bound in (part.start, part.stop)))
    blocks = samples.batch(block, drop_remainder=True)
    parts = [blocks[start // block :: batch_size // block] for part in rows for start in part[::block]]
    # Rows are one block but where the devices of a host lie apart in the mesh.
    return parts[0] if len(parts) == 1 else grain.MapDataset.mix(parts).batch(len(parts), batch_fn=_concatenate)


def _concatenate(blocks: Sequence[Batch]) -> Batch:
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *blocks)


def eval_batches(
    experiment: spec.Experiment,
    batch_size: int,
    splits: Sequence[str],
    shards: Shards,
    *,
    rows: Sequence[range] | None = None,
) -> Batches:
    """Returns batches that hold every sample of `splits` once, in a fixed order and without random draws.

    The last global batch is completed by samples of weight 0, so that all hosts see the same number of batches.

    Args:
      experiment: the experiment.
      batch_size: global batch.
      splits: splits to read, one after the other.
      shards: opened shards.
      rows: rows of each global batch that this host reads, in order (`parallel.process_rows`); all if None.

    Raises:
      DataError: a split is not there; while iterating: a record is damaged.
    """
    return _each_once(experiment, batch_size, shards.source(splits), shards.num_samples(splits), rows)


def tile_batches(experiment: spec.Experiment, batch_size: int, tiles: Sequence[Tile]) -> Batches:
    """Returns batches that hold the first fixed crop of every tile once, in order and without random draws.

    The last batch is completed by samples of weight 0.

    Args:
      experiment: the experiment.
      batch_size: samples in a batch.
      tiles: cheap to copy to another process.

    Raises:
      DataError: while iterating: a tile cannot be read.
    """
    return _each_once(experiment, batch_size, tiles, len(tiles), None)


def _each_once(
    experiment: spec.Experiment,
    batch_size: int,
    tiles: Sequence[Tile],
    num_samples: int,
    rows: Sequence[range] | None,
) -> Batches:
    """Returns the given rows of batches that hold each of `num_samples` crops of tiles once."""
    samples = (
        grain.MapDataset.source(tiles)
        .repeat()
        .map_with_index(functools.partial(_eval_sample, experiment, len(tiles), num_samples))
    )
    return _iterate(_batched(samples, batch_size, rows)[: -(-num_samples // batch_size)], experiment.data)


def _eval_sample(experiment: spec.Experiment, num_tiles: int, num_samples: int, index: int, tile: Tile) -> Batch:
    """Returns sample `index`: all tiles' first fixed crop, then all their second …; weight 0 beyond the last."""
    result = sample.eval_sample(experiment, tile, index % num_samples // num_tiles)
    result["weight"] = np.float32(index < num_samples)
    return result


def read_ahead(batches: Sequence[Any], data: spec.Data) -> Batches:
    """Returns batches that are made elsewhere, in order.

    Args:
      batches: nested dicts of numpy arrays; cheap to copy to another process.
      data: how many processes read, and how much ahead.

    Raises:
      DataError: while iterating: a batch cannot be read.
    """
    return _iterate(grain.MapDataset.source(batches), data)


def _fold(seed: int, *names: str) -> int:
    """Returns 32 bits that differ for every seed and use."""
    digest = hashlib.blake2b("/".join([str(seed), *names]).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def _iterate(batches: grain.MapDataset[Batch], data: spec.Data) -> Batches:
    """Reads ahead in threads, or in worker processes that take turns; either makes whole batches.

    Each worker holds up to three batches: one it makes, one in its queue, one taken over by this process.
    """
    if not data.workers:
        threads = max(1, data.prefetch)
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        return Batches(iter(batches.to_iter_dataset(options)))
    if not flags.FLAGS.is_parsed():  # Grain reads its own absl flags, also where no command line was parsed
        flags.FLAGS.mark_as_parsed()
    workers = min(data.workers, len(batches))
    stream = batches.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    processes = grain.MultiprocessingOptions(workers, per_worker_buffer_size=buffer_size(data, workers))
    return Batches(iter(stream.mp_prefetch(processes, worker_init_fn=_prepare_worker)), by_processes=True)


def _prepare_worker(_worker: int, _num_workers: int) -> None:
    jax.config.update("jax_platforms", "cpu")  # Grain imports JAX; nothing here uses it
    # Terminals and SLURM signal all processes of a run: training ends after a few more batches, then stops its readers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this reader when training is killed, which Grain does not notice: it would wait for ever to hand over."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a worker"
    parent.join()
    os._exit(1)
