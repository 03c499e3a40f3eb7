"""Memory of a long run: flat after the first steps."""

import gc

import jax
import numpy as np
import pytest

from mmae_jax.train import phase as phase_module
from tests import runs

MEBIBYTE = 2**20


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_resident_memory_and_arrays_stay_flat(synthetic_shards, quick_compilation, tmp_path, phase):
    psutil = pytest.importorskip("psutil")
    process, resident, arrays, step = psutil.Process(), {}, {}, phase_module.train_step

    def measured(program, state, batch):
        done = int(state.step)
        if done % 50 == 0:
            gc.collect()
            resident[done], arrays[done] = process.memory_info().rss, len(jax.live_arrays())
        return step(program, state, batch)

    # With evaluations, checkpoints and, while pretraining, figures on the way.
    changes = {f"{phase}__epochs": 200, "logging__checkpoint_every_steps": 100, "phases": (phase,)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase_module, "train_step", measured)
        runs.run(runs.tiny(synthetic_shards, **changes, **{f"{phase}__patience": None}), tmp_path)
    steps = sorted(resident)
    print(phase, {done: f"{resident[done] / MEBIBYTE:.1f}" for done in steps}, arrays)
    assert steps[-1] == 550
    growth = np.polyfit(steps[2:], [resident[done] / MEBIBYTE for done in steps[2:]], 1)[0]
    assert growth * 100 < 4, "MiB per 100 steps"
    assert len({arrays[done] for done in steps[1:]}) == 1
