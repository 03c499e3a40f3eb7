"""Steps, samples, masks and scores of a tiny experiment on given meshes, as JSON; each process of a run calls this.

`python -m tests.multiprocess.measure SHARDS OUT COORDINATOR NUM_PROCESSES PROCESS_ID DATA,FSDP,TENSOR …`
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mmae_jax import parallel, spec
from mmae_jax.data.batch import Batch
from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.launch.cluster import find_cluster, start
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.masking import SequenceMask, draw_masks
from mmae_jax.models.samples import samples_from_batch
from mmae_jax.train.evaluation import evaluate
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import _key as random_key
from mmae_jax.train.step import train_step
from tests import runs

STEPS = 5
START_SECONDS, LOST_AFTER_SECONDS = 120, 60


def experiment(shards: Path) -> spec.Experiment:
    """Batches of 8; the 12 tiles that are evaluated make one and a half."""
    return runs.tiny(shards, ("s2",), pretrain__batch_size=8, probe__batch_size=8)


def measure(of: spec.Experiment, mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Returns scalars by step, a digest of each row of each batch that this process read, and scores."""
    opened, program = open_shards(of), Program(of, "pretrain", STEPS)
    state = begin_phase(program, runs.random_params(of, mesh), mesh)
    rows = parallel.process_rows(8, mesh)
    scalars, samples, masks = [], {}, []
    with train_batches(of, "pretrain", opened, rows=rows) as batches:
        for step in range(STEPS):
            batch = next(batches)
            for at, row in enumerate(row for part in rows for row in part):
                samples[f"{step}/{row}"] = digest(jax.tree.map(lambda leaf, at=at: leaf[at], batch))
            batch = parallel.to_devices(batch, mesh)
            masks.append(digest(parallel.to_hosts(draw(of, batch, jax.device_get(state.step)), mesh)))
            state, outputs = train_step(program, state, batch)
            scalars.append({name: float(value) for name, value in outputs.items()})
    probe = Program(of, "probe", STEPS)
    state = begin_phase(probe, runs.random_params(of, mesh), mesh)
    return {
        "scalars": scalars,
        "samples": samples,
        "masks": masks,
        "scores": evaluate(probe, state, opened, "train", mesh).scalars(),
    }


@functools.partial(jax.jit, static_argnums=0)
def draw(of: spec.Experiment, batch: Batch, step: jax.Array) -> dict[str, SequenceMask]:
    """Returns the masks of a batch in a step of pretraining."""
    valid = samples_from_batch(batch, of).dates_valid
    available = {name: token_validity(valid[name], modality) for name, modality in of.inputs.items()}
    return draw_masks(random_key(of, "pretrain/mask", step), Fusion.of(of), of.mask, available)


def digest(tree: Any) -> str:
    """Returns what tells the values of a tree from others."""
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree))).hexdigest()


def main(shards: str, out: str, coordinator: str, num_processes: str, process_id: str, *meshes: str) -> None:
    cluster = find_cluster(coordinator, int(num_processes), int(process_id))
    peers = start(cluster, START_SECONDS, LOST_AFTER_SECONDS)
    of = experiment(Path(shards))
    found = {name: measure(of, parallel.make_mesh(spec.Mesh(*map(int, name.split(","))))) for name in meshes}
    Path(out, f"{process_id}.json").write_text(json.dumps(found))
    peers.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
