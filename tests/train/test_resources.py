"""What a run holds does not grow with its steps: readers, logs, checkpoints."""

import pytest

from mmae_jax.train import phase as phase_module
from tests import resources, runs

STEPS_PER_EPOCH = 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_steps_hold_no_more_and_no_more(scripted, synthetic_shards, tmp_path, workers):
    steps = 2000
    experiment = runs.tiny(
        synthetic_shards,
        ("s1_asc",),
        phases="('finetune',)",
        finetune__epochs=steps // STEPS_PER_EPOCH,
        finetune__patience="None",
        data__workers=workers,
    )
    held, step = {}, phase_module.train_step

    def measured(program, state, batch):
        taken = int(state.step) + 1
        if taken in (steps // 10, steps // STEPS_PER_EPOCH * STEPS_PER_EPOCH):
            held[taken] = resources.held()
        return step(program, state, batch)

    scripted.setattr(phase_module, "train_step", measured)
    runs.run(experiment, tmp_path)
    before, after = held.values()
    resources.assert_no_more_than(before, after)
