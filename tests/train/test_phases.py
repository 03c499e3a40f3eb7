"""What a phase trains, and what it leaves alone."""

import numpy as np
import pytest

from mmae_jax.models.params import by_path
from mmae_jax.train.checkpoint import load_params
from mmae_jax.train.result import read_result
from mmae_jax.train.state import TRAINED, new_params
from tests import runs

PHASES = ("pretrain", "probe", "finetune")


@pytest.fixture(scope="module")
def params(tiny_experiment, finished_run):
    """Parameters by path: new ones, and after each phase."""
    mesh = runs.one_device()
    found = {"new": new_params(tiny_experiment, mesh)}
    for phase in PHASES:
        step = read_result(finished_run, phase).step
        found[phase] = load_params(finished_run / phase / "checkpoints", step, tiny_experiment, mesh, averaged=False)
    return {name: {path: np.asarray(leaf) for path, leaf in by_path(tree).items()} for name, tree in found.items()}


@pytest.mark.parametrize(
    ("phase", "before", "kept"),
    [
        ("pretrain", "new", {"heads"}),
        ("probe", "pretrain", {"patch_embed", "encoder", "encoder_inter", "decoder", "mask_token", "embed_to_rec"}),
        ("finetune", "probe", {"decoder", "mask_token", "embed_to_rec"}),
    ],
)
def test_phase_changes_what_it_trains_and_no_bit_else(params, phase, before, kept):
    changed = {path for path in params[phase] if params[phase][path].tobytes() != params[before][path].tobytes()}
    assert changed == {path for path in params[phase] if path[0] not in kept}
    assert {path[0] for path in changed} == set(TRAINED[phase]) - {"enc_to_dec"}
