"""Operations are counted once, loops by their length, and agree with what was measured on the reference."""

import jax
import jax.numpy as jnp
import pytest

from configs import flair_hub, treesatai_ts
from mmae_jax.config import experiment_from_config
from mmae_jax.hardware.flops import matrix_flops
from mmae_jax.models.fusion import Fusion
from mmae_jax.models.masking import masked_count
from mmae_jax.train.flops import step_flops
from mmae_jax.train.state import Program
from tests import runs


def abstract(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def test_products_count_twice_their_multiplications():
    assert matrix_flops(lambda a, b: jnp.tanh(a @ b), abstract(3, 5), abstract(5, 7)) == 2 * 3 * 5 * 7
    batched = matrix_flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), abstract(2, 3, 5), abstract(2, 5, 7))
    assert batched == 2 * 2 * 3 * 5 * 7


def test_convolutions_count_their_kernel_at_every_output():
    found = matrix_flops(
        lambda x, k: jax.lax.conv_general_dilated(x, k, (2, 2), "VALID"), abstract(1, 3, 8, 8), abstract(4, 3, 2, 2)
    )
    assert found == 2 * (4 * 4 * 4) * (3 * 2 * 2)


def test_loops_count_by_their_length_and_branches_by_the_longest():
    def looped(x, weights):
        return jax.lax.scan(lambda x, w: (jax.jit(lambda x: x @ w)(x), None), x, weights)[0]

    assert matrix_flops(looped, abstract(3, 5), abstract(6, 5, 5)) == 6 * 2 * 3 * 5 * 5
    branches = matrix_flops(lambda c, x: jax.lax.cond(c, lambda: x @ x, lambda: x), True, abstract(4, 4))
    assert branches == 2 * 4**3


def spared(experiment):
    """Forward operations of a sample that the reference does for visible tokens in the decoder's last block."""
    fusion, sizes = Fusion.of(experiment), experiment.model.architecture
    inner, mlp_width = sizes.decoder_heads * sizes.decoder_dim_head, round(sizes.embed_dim * sizes.decoder_mlp_ratio)
    total = 0
    for names in fusion.sequences.values():
        length = sum(fusion.inputs[name].num_tokens for name in names)
        dates = sum(fusion.inputs[name].tokens_per_position for name in names)
        visible = length - masked_count(experiment.mask, length, dates, structured=not fusion.dates_apart)
        of_weights = 2 * sizes.decoder_dim * inner + 2 * sizes.decoder_dim * mlp_width  # query, output; up, down
        total += 2 * visible * (of_weights + 2 * length * inner)
    return total


@pytest.mark.parametrize(
    ("config", "phase", "forward"),
    [(flair_hub, "pretrain", 144.0e9), (flair_hub, "finetune", 459.6e9), (treesatai_ts, "pretrain", 31.5e9)],
    ids=["flair_hub pretrain", "flair_hub finetune", "treesatai_ts pretrain"],
)
def test_a_step_is_three_forward_passes_of_the_reference_but_for_what_no_loss_asks_for(config, phase, forward):
    """docs/method.md §6 gives the forward pass, elementwise operations included; a backward pass is two of it."""
    plain = config.get_config()
    plain.model.remat = "full"  # must not count
    program = Program(experiment_from_config(plain), phase, 10)
    per_sample = step_flops(program, runs.one_device()) / program.experiment.phase(phase).batch_size
    asked = forward - (spared(program.experiment) if phase == "pretrain" else 0)
    assert per_sample == pytest.approx(3 * asked, rel=0.01)
