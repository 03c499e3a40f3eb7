"""Memory of a long run: flat after the first steps."""

import gc

import jax
import numpy as np
import pytest

from mmae_jax.train import phase as phase_module
from tests import runs

MEBIBYTE = 2**20
EPOCH = 50


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_resident_memory_and_arrays_stay_flat(synthetic_shards, tmp_path, phase):
    psutil = pytest.importorskip("psutil")
    process, resident, arrays, step = psutil.Process(), {}, {}, phase_module.train_step

    def measured(program, state, batch):
        done = int(state.step)
        if done % EPOCH == EPOCH // 2:  # when the checkpoint of the epoch's end is written
            gc.collect()
            resident[done], arrays[done] = process.memory_info().rss / MEBIBYTE, len(jax.live_arrays())
        return step(program, state, batch)

    # With evaluations, checkpoints and, while pretraining, figures on the way.
    changes = {f"{phase}__epochs": 30, f"{phase}__patience": None, "logging__checkpoint_every_steps": 1000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase_module, "train_step", measured)
        patch.setattr(phase_module, "steps_per_epoch", lambda *_: EPOCH)
        runs.run(runs.tiny(synthetic_shards, phases=(phase,), **changes), tmp_path)
    steps = sorted(resident)
    print(phase, {done: f"{resident[done]:.1f}" for done in steps}, arrays)
    assert steps[-1] > 1400
    half = len(steps) // 2
    growth = np.polyfit(steps[half:], [resident[done] for done in steps[half:]], 1)[0]
    assert growth * 100 < 4, "MiB per 100 steps"
    assert len({arrays[done] for done in steps[1:]}) == 1
