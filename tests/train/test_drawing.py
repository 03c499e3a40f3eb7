import jax
import numpy as np

from mmae_jax.models.params import by_path, init_params, random_leaves
from mmae_jax.train.drawing import drawing, new_params
from tests import runs


def test_same_numbers_as_drawn_one_by_one(tiny_experiment):
    found = by_path(new_params(tiny_experiment, runs.one_device()))
    expected = by_path(init_params(tiny_experiment, jax.random.key(tiny_experiment.seed)))
    assert list(found) == list(expected)
    different = [path for path in found if np.asarray(found[path]).tobytes() != np.asarray(expected[path]).tobytes()]
    assert not different


def test_parameters_drawn_alike_share_a_program(tiny_experiment):
    draws = [draw for _, draw in random_leaves(tiny_experiment).values()]
    alike = {(draw.kind, draw.shape) for draw in draws}
    assert len(alike) < len(draws)
    programs = drawing(tiny_experiment, runs.one_device())
    assert len(programs) == len(alike) + 1
    assert "threefry" not in programs[None].as_text(), "constants need no random numbers"
