"""Whether the encoder still tells samples apart: spread and effective rank of its embeddings."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from absl import logging

from mmae_jax import parallel
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import Shards
from mmae_jax.train.state import Program, TrainState
from mmae_jax.train.step import embed_step

MAX_SAMPLES = 1024
"""Samples whose embeddings are looked at; a rank is at most their number."""
SPREAD, RANK = "embedding/std", "embedding/effective_rank"
MIN_SPREAD = 0.01
MIN_RANK = 1.5


def embedding_health(
    program: Program, state: TrainState, shards: Shards, split: str, mesh: jax.sharding.Mesh
) -> dict[str, float]:
    """Returns the health of the pooled embeddings of the first `MAX_SAMPLES` samples of `split`, by name.

    Args:
      program: experiment and phase.
      state: its parameters, not their average, are looked at.
      shards: opened shards.
      split: e.g. `val`.
      mesh: device mesh; every process embeds its rows of each batch.
    """
    experiment = program.experiment
    batch_size = experiment.phase(program.phase).batch_size
    rows = parallel.process_rows(batch_size, mesh)
    found: list[np.ndarray] = []
    with eval_batches(experiment, batch_size, (split,), shards, rows=rows) as batches:
        for batch in batches:
            placed = parallel.to_devices(batch, mesh)
            embeddings, weight = parallel.to_hosts((embed_step(program, state, placed), placed["weight"]), mesh)
            found.append(embeddings[weight > 0])
            if sum(map(len, found)) >= MAX_SAMPLES:
                break
    return measure(np.concatenate(found)[:MAX_SAMPLES])


def measure(embeddings: np.ndarray) -> dict[str, float]:
    """Returns spread and effective rank of embeddings `[samples, E]`; nothing of one sample, which differs from none.

    The spread is the standard deviation over samples as a share of the size of the embeddings (root mean squares over
    E): 0 where all samples look the same, 1 where they have nothing in common. The effective rank is
    exp(entropy of the normalised singular values), RankMe (arXiv 2210.02885): between 1 and min(samples, E).
    """
    if len(embeddings) < 2:
        return {}
    embeddings = embeddings.astype(np.float64)
    size = np.sqrt(np.mean(embeddings**2))
    if not np.isfinite(size) or size == 0:
        return {SPREAD: 0.0 if size == 0 else np.nan, RANK: 1.0 if size == 0 else np.nan}
    singular = np.linalg.svd(embeddings / size, compute_uv=False)
    share = singular / singular.sum()
    entropy = -np.sum(share * np.log(np.maximum(share, np.finfo(np.float64).tiny)))
    return {SPREAD: float(np.sqrt(np.mean(embeddings.var(axis=0))) / size), RANK: float(np.exp(entropy))}


def warn_of_collapse(health: Mapping[str, float], where: str) -> None:
    """Warns where embeddings hardly differ between samples, or in one direction only."""
    least = {SPREAD: MIN_SPREAD, RANK: MIN_RANK}
    low = [name for name in least if health.get(name, np.inf) < least[name]]
    if low:
        text = ", ".join(f"{name}={health[name]:.4g} (expected at least {least[name]:g})" for name in low)
        logging.warning("%s: representations collapse: %s; a lower base_lr often helps", where, text)
