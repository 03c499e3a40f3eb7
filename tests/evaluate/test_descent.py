"""Protocols that learn by steps: what they learn, and that it is what PyTorch's AdamW and batch normalisation learn."""

import dataclasses

import numpy as np
import pytest

from mmae_jax.evaluate.protocols import dense, protocol
from mmae_jax.evaluate.protocols.dense import Dense, EachPixel
from mmae_jax.evaluate.protocols.descent import Descent, Samples, cosine_by_epoch, warm_cosine
from mmae_jax.evaluate.protocols.probe import Probe, same
from mmae_jax.spec import SpecError
from tests.evaluate.vectors import BIOMASS, CLASSIF, HEIGHT, MULTILABEL, SEGMENT, clusters

SHORT = dataclasses.replace(Probe().descent, rates=(1e-4, 5e-2), epochs=30, together=2)


@pytest.mark.parametrize("target", [CLASSIF, MULTILABEL, BIOMASS, SEGMENT], ids=lambda target: target.kind)
def test_a_probe_learns_and_chooses_the_rate_that_is_better_on_val(target):
    train, val, test = (clusters(target, number, seed, noise=0.2) for seed, number in enumerate((50, 30, 30)))
    fitted = Probe(SHORT).fit(target, train, val, seed=0)
    outputs = fitted.outputs(test.vectors)
    assert fitted.chosen == {"rate": 5e-2}
    assert fitted.reached > (-0.5 if target is BIOMASS else 0.9)
    if target.kind == "multilabel":
        assert ((outputs > 0) == test.targets).mean() > 0.9
    elif target.classes:
        assert (outputs.argmax(axis=-1) == test.targets).mean() > 0.95
    else:
        assert np.abs(outputs[:, 0] - test.targets).mean() < 0.4


@pytest.mark.parametrize("target", [SEGMENT, HEIGHT], ids=lambda target: target.kind)
@pytest.mark.parametrize("head", ["linear", "1x1"])
def test_pixels_are_learnt_from_patches(target, head):
    train, test = clusters(target, 20, 0, noise=0.1), clusters(target, 6, 1, noise=0.1)
    train.counted[:, :2] = False
    train.targets[:, :2] = target.excluded[0] if target.classes else np.nan
    descent = Descent((1e-4, 5e-2), 15, 8, warm_cosine, normalised=head == "1x1")
    fitted = Dense(head, descent).fit(target, train, test, seed=0)
    outputs = fitted.outputs(test.vectors)
    assert fitted.chosen == {"head": head, "rate": 5e-2}
    assert outputs.shape == (6, 8, 8, target.num_classes or 1)
    if target.classes:
        assert (outputs.argmax(axis=-1) == test.targets).mean() > (0.95 if head == "linear" else 0.7)
    else:
        assert np.corrcoef(outputs.ravel(), test.targets.ravel())[0, 1] > 0.75


def test_outputs_of_a_patch_lie_in_it_row_by_row():
    outputs = np.zeros((1, 2, 2, 2 * 2 * 3), np.float32)
    outputs[0, 1, 0] = np.arange(12)
    pixels = EachPixel(2)(outputs)
    np.testing.assert_array_equal(pixels[0, 2:, :2], np.arange(12).reshape(2, 2, 3))
    assert not pixels[0, :2].any()


def test_a_value_for_a_tile_is_none_for_pixels():
    train = clusters(CLASSIF, 10, 0)
    with pytest.raises(SpecError, match="dense: expected a target with a value for each pixel, found species"):
        protocol("dense").fit(CLASSIF, train, train, seed=0)


def test_rates_rise_and_fall():
    np.testing.assert_allclose(
        [warm_cosine(0.1, epoch, 50) for epoch in (0, 2.5, 5, 27.5, 50)],
        [0, 0.05, 0.1, 0.050005, 1e-5],
        rtol=1e-4,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        [cosine_by_epoch(1e-3, epoch, 10) for epoch in (0, 0.9, 5.5)], [1e-3, 1e-3, 5.005e-4], rtol=1e-4
    )


def test_presets():
    assert dense.TORCHGEO_BENCH.descent.epochs == 10
    assert len(protocol("linear", "olmoearth").descent.rates) == 8


@pytest.mark.slow  # PyTorch takes seconds to import
def test_steps_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    train = clusters(CLASSIF, 21, 0)
    how = Descent((0.02,), 3, 8, warm_cosine, weight_decay=0.01)
    found = how.fit(CLASSIF, Samples(train.vectors, train.targets, train.counted), same, 3, seed=4)[0]

    rng = np.random.default_rng(4)
    linear, norm = torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(6)
    linear.weight.data = torch.tensor(rng.uniform(-(6**-0.5), 6**-0.5, (6, 3)).astype(np.float32).T)
    linear.bias.data = torch.tensor(rng.uniform(-(6**-0.5), 6**-0.5, 3).astype(np.float32))
    optimizer = torch.optim.AdamW([*norm.parameters(), *linear.parameters()], lr=0.02, weight_decay=0.01)
    for epoch, order in enumerate([rng.permutation(21) for _ in range(3)]):
        for number in range(3):
            rows = order[number * 8 : number * 8 + 8]
            outputs = linear(norm(torch.tensor(train.vectors[rows])))
            loss = torch.nn.functional.cross_entropy(outputs, torch.tensor(train.targets[rows]).long())
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = float(warm_cosine(0.02, epoch + number / 3, 3))
            optimizer.step()
    norm.eval()
    expected = linear(norm(torch.tensor(train.vectors))).detach().numpy()
    np.testing.assert_allclose(found(train.vectors), expected, atol=2e-5)
