import jax

from mmae_jax import parallel, spec
from mmae_jax.models.params import init_params, random_leaves
from mmae_jax.weights.drawing import SHORTEST, drawing, new_params
from tests import runs


def test_same_numbers_as_drawn_one_by_one(tiny_experiment):
    found = new_params(tiny_experiment, runs.one_device())
    runs.assert_same(found, init_params(tiny_experiment, jax.random.key(tiny_experiment.seed)))


def test_parameters_drawn_alike_share_a_program(tiny_experiment):
    draws = [draw for _, draw in random_leaves(tiny_experiment).values()]
    programs = drawing(tiny_experiment, runs.one_device())
    # No parameter is longer than the shortest row: rows of one length, of each distribution, and the constants.
    assert {alike and (alike.kind, alike.shape) for alike in programs} == {
        ("uniform", (SHORTEST,)),
        ("normal", (SHORTEST,)),
        None,
    }
    assert len(draws) > 20
    assert "threefry" not in programs[None].as_text(), "constants need no random numbers"


def test_parameters_that_devices_share_are_drawn_in_their_shapes(tiny_experiment):
    mesh = parallel.make_mesh(spec.Mesh(data=1, fsdp=2), jax.devices()[:2])
    shared = [alike for alike in drawing(tiny_experiment, mesh) if alike and not alike.sharding.is_fully_replicated]
    assert (16, 16) in {alike.shape[-2:] for alike in shared}
    runs.assert_same(new_params(tiny_experiment, mesh), new_params(tiny_experiment, runs.one_device()))
