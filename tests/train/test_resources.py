"""What a run holds does not grow with its steps: readers, logs, checkpoints."""

import pytest

from mmae_jax.train import phase as phase_module
from tests import resources, runs

STEPS_PER_EPOCH = 12
EPOCHS = 170


@pytest.mark.slow
def test_steps_hold_no_more_and_no_more(scripted, synthetic_shards, tmp_path):
    experiment = runs.tiny(
        synthetic_shards,
        ("s1_asc",),
        phases="('finetune',)",
        finetune__batch_size=1,
        finetune__epochs=EPOCHS,
        finetune__patience="None",
        data__workers=0,
        logging__checkpoint_every_steps=10**6,
    )
    held, step = {}, phase_module.train_step

    def measured(program, state, batch):
        taken = int(state.step) + 1
        if taken in (STEPS_PER_EPOCH * EPOCHS // 10, STEPS_PER_EPOCH * EPOCHS):
            held[taken] = resources.held()
        return step(program, state, batch)

    scripted.setattr(phase_module, "train_step", measured)
    runs.run(experiment, tmp_path)
    before, after = held.values()
    resources.assert_no_more_than(before, after)
