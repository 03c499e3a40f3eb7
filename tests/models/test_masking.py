"""Masks are exact in number, as often structured as docs/method.md §5 says, a function of key, name and position."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.masking import draw_masks, masked_count, sequence_masks
from tests.experiments import INPUTS, experiment

DRAWS = 4000
SIGMAS = 4.5
MASK = spec.Mask(ratio=0.625, bands=0.25)
# More structured tokens than are masked, most of the time.
CROWDED = spec.Mask(ratio=0.25, mod=0.5, dates=0.5, loc=0.5)
# Everything would be structured in half of the draws: they are drawn again.
REDRAWN = spec.Mask(ratio=0.75, mod=0, dates=0.6, loc=0.4)


class Draws:
    """Draws of one arrangement, compiled once per batch size."""

    def __init__(self, mask, names=tuple(INPUTS), **model):
        self.experiment = experiment(names, mask=mask, **model)
        self.fusion = Fusion.of(self.experiment)
        self.draw = jax.jit(lambda available: draw_masks(jax.random.key(3), self.fusion, mask, available))

    def available(self, batch=DRAWS):
        inputs = self.experiment.inputs
        return {name: token_validity(jnp.ones((batch, i.num_dates), bool), i) for name, i in inputs.items()}

    def all_there(self, batch=DRAWS):
        return jax.tree.map(np.asarray, self.draw(self.available(batch)))


@pytest.fixture(scope="module")
def group():
    return Draws(MASK, fusion="group")


@pytest.fixture(scope="module")
def group_masks(group):
    return group.all_there()


@pytest.fixture(scope="module")
def crowded():
    return Draws(CROWDED, ("s2", "s1_asc", "s1_des"), fusion="group")


@pytest.fixture(scope="module")
def crowded_masks(crowded):
    return crowded.all_there()


@pytest.fixture(scope="module")
def redrawn():
    return Draws(REDRAWN, ("s1_asc",), fusion="mod")


@pytest.fixture(scope="module")
def redrawn_masks(redrawn):
    return redrawn.all_there()


@pytest.mark.parametrize(("tokens", "expected"), [(2, 2), (6, 4), (10, 8), (225, 169), (144, 108), (72, 54), (9, 7)])
def test_count_rounds_half_to_even(tokens, expected):
    assert masked_count(spec.Mask(), tokens, 5, structured=True) == expected


def test_count_grows_with_dates_and_scale_only_in_structured_modes():
    mask = spec.Mask(ratio=0.5, scale=0.5)
    assert masked_count(mask, 100, 16, structured=True) == round((1 - 0.5 / 4) * 100)
    assert masked_count(mask, 100, 16, structured=False) == 50


@pytest.mark.parametrize(
    ("fusion", "mask", "expected"),
    [
        # 4, 24, 8 and 8 tokens; ratio 0.625 of 4 is 2.5, of 24 is 15, of 8 is 5, of 16 is 10
        ("mod", MASK, {"aerial": 2, "s2": 15, "s1_asc": 5, "s1_des": 5}),
        ("shared", MASK, {"aerial": 2, "s2": 2, "s1_asc": 2, "s1_des": 2}),
        ("monotemp", spec.Mask(scale=1.0), {"aerial": 3, "s2": 3, "s1_asc": 3, "s1_des": 3}),
        # 1, 6, 4 dates and band groups: 1 − 0.5/1, 1 − 0.5/6, 1 − 0.5/4
        ("group", spec.Mask(ratio=0.5, scale=1.0), {"aerial": 2, "s2": 22, "s1": 14}),
    ],
)
def test_every_sequence_has_exactly_the_count_masked(fusion, mask, expected):
    masks = Draws(mask, fusion=fusion).all_there(200)
    assert set(masks) == set(expected)
    for name, found in masks.items():
        assert (found.masked.sum(-1) == expected[name]).all()
        assert (found.masked ^ found.visible).all()
        assert found.kept_index.shape[-1] == found.masked.shape[-1] - expected[name]


def test_kept_tokens_are_the_visible_ones_in_order(group_masks):
    for mask in group_masks.values():
        positions = [np.flatnonzero(row) for row in mask.visible]
        np.testing.assert_array_equal(mask.kept_index, positions)


@pytest.fixture(
    scope="module",
    params=[("group", "s2"), ("group", "s1"), ("crowded", "s2"), ("crowded", "s1"), ("redrawn", "s1_asc")],
)
def statistics(request):
    kind, sequence = request.param
    draws = request.getfixturevalue(kind)
    return draws, sequence, request.getfixturevalue(f"{kind}_masks")[sequence].masked


def test_structures_are_masked_whole_as_often_as_their_closed_form(statistics):
    draws, sequence, masked = statistics
    sets = structures(draws, sequence)
    expected = closed_form(draws.experiment.mask, sets, masked.shape[-1])
    for (name, tokens, _), probability in zip(sets, expected, strict=True):
        assert_rate(masked[:, tokens].all(-1), probability, name)


def test_no_token_is_favoured(statistics):
    draws, sequence, masked = statistics
    count, tokens = masked[0].sum(), masked.shape[-1]
    names = draws.fusion.sequences[sequence]
    for index, part in enumerate(np.split(masked, len(names), axis=1)):
        # Modalities of a sequence have the same dates and grid here, so every token has the same probability.
        for token in range(part.shape[1]):
            assert_rate(part[:, token], count / tokens, (names[index], token))


def test_no_structured_token_is_favoured_at_the_cut():
    draws = Draws(spec.Mask(ratio=0.25, mod=0, dates=0.5, loc=0), ("s2",), fusion="mod")
    masked = draws.all_there()["s2"].masked.reshape(DRAWS, 2, 3, 4)
    dates = masked.any(axis=(1, 3))
    for first, second in itertools.combinations(range(3), 2):
        # Nearly all of these have two structured dates, 16 tokens, of which 6 are masked.
        pair = masked[(dates.sum(-1) == 2) & dates[:, first] & dates[:, second]][:, :, [first, second]]
        assert len(pair) > 400
        for token, hits in enumerate(pair.reshape(-1, 16).T):
            assert_rate(hits, 6 / 16, (first, second, token))


def structures(draws, sequence):
    """Returns (name, token indices, probability) of every structure that can be dropped."""
    found, start, mask = [], 0, draws.experiment.mask
    names = draws.fusion.sequences[sequence]
    for name in names:
        modality = draws.experiment.inputs[name]
        groups, dates, length = len(modality.bands), modality.num_dates, modality.grid**2
        index = start + np.arange(groups * dates * length).reshape(groups, dates, length)
        start += index.size
        if len(names) > 1:
            found.append((name, index.ravel(), mask.mod))
        if groups > 1 and mask.bands:
            found += [((name, "bands", g), index[g].ravel(), mask.bands) for g in range(groups)]
        if dates > 1:
            found += [((name, "date", d), index[:, d].ravel(), mask.dates) for d in range(dates)]
        found += [((name, "position", p), index[:, :, p].ravel(), mask.loc) for p in range(length)]
    return found


def closed_form(mask, sets, tokens):
    """Returns the probability that all tokens of each set are masked, summed over all draws of the structures.

    A draw that would mask everything is drawn again, that is excluded; given the union, all choices of tokens up to
    the count are equally likely.
    """
    bits = [sum(1 << int(token) for token in index) for _, index, _ in sets]
    count = round(mask.ratio * tokens)
    union_probability = {0: 1.0}
    for bit, (_, _, probability) in zip(bits, sets, strict=True):
        following = {}
        for union, weight in union_probability.items():
            following[union | bit] = following.get(union | bit, 0) + weight * probability
            following[union] = following.get(union, 0) + weight * (1 - probability)
        union_probability = following
    everything = union_probability.pop((1 << tokens) - 1, 0.0)
    totals = np.zeros(len(sets))
    for union, weight in union_probability.items():
        structured = union.bit_count()
        for i, bit in enumerate(bits):
            inside, outside = (bit & union).bit_count(), (bit & ~union).bit_count()
            if structured <= count:
                rest = count - structured
                chance = math.comb(tokens - structured - outside, rest - outside) if rest >= outside else 0
                chance /= math.comb(tokens - structured, rest)
            elif outside or inside > count:
                chance = 0
            else:
                chance = math.comb(structured - inside, count - inside) / math.comb(structured, count)
            totals[i] += weight * chance
    return totals / (1 - everything)


def assert_rate(hits, probability, what):
    deviation = abs(hits.mean() - probability)
    sigma = math.sqrt(max(probability * (1 - probability), 1 / len(hits)) / len(hits))
    assert deviation <= SIGMAS * sigma, (what, hits.mean(), probability, sigma)


def test_draws_do_not_depend_on_the_rest_of_the_batch(group, group_masks):
    small = group.all_there(5)
    for name, mask in small.items():
        np.testing.assert_array_equal(mask.masked, group_masks[name].masked[:5])


def test_rows_of_a_batch_differ(group_masks):
    for name in ("s2", "s1"):
        assert len(np.unique(group_masks[name].masked[:50], axis=0)) > 40


def test_another_group_changes_nothing(group_masks):
    found = Draws(MASK, ("s1_asc", "s1_des"), fusion="group").all_there(5)["s1"]
    np.testing.assert_array_equal(found.masked, group_masks["s1"].masked[:5])


def test_modalities_are_drawn_independently():
    draws = Draws(spec.Mask(ratio=0.5, mod=0, dates=0, loc=0), ("s1_asc", "s1_des"), fusion="mod")
    masks = draws.all_there()
    for token in range(8):
        assert_rate(masks["s1_asc"].masked[:, token] & masks["s1_des"].masked[:, token], 0.25, token)


def test_missing_modality_equals_never_having_had_it(group):
    available = group.available()
    available["s1_des"] = jnp.zeros_like(available["s1_des"])
    found = group.draw(available)["s1"]
    alone = Draws(MASK, ("s1_asc",), fusion="group").all_there()["s1"]
    np.testing.assert_array_equal(found.masked[:, :8], alone.masked)
    np.testing.assert_array_equal(found.visible[:, :8], alone.visible)
    assert not found.masked[:, 8:].any()
    assert not found.visible[:, 8:].any()


def test_missing_group_has_nothing_masked_or_visible(group):
    available = group.available()
    available["s2"] = jnp.zeros_like(available["s2"])
    found = group.draw(available)["s2"]
    assert not found.masked.any()
    assert not found.visible.any()
    assert not found.kept_valid.any()


def test_missing_dates_are_neither_masked_nor_visible_and_counts_follow_what_is_there(group):
    there = np.random.default_rng(0).random((DRAWS, 3)) < 0.6
    available = group.available()
    available["s2"] = token_validity(jnp.asarray(there), group.experiment.inputs["s2"])
    found = jax.tree.map(np.asarray, group.draw(available))["s2"]
    tokens = np.asarray(available["s2"]).reshape(DRAWS, -1)
    assert not (found.masked & ~tokens).any()
    np.testing.assert_array_equal(found.masked ^ found.visible, tokens)
    np.testing.assert_array_equal(found.masked.sum(-1), np.round(MASK.ratio * tokens.sum(-1)))
    np.testing.assert_array_equal(found.kept_valid.sum(-1), found.visible.sum(-1))


def test_missing_dates_have_no_mask_of_their_own_where_dates_are_apart():
    draws = Draws(MASK, ("s2",), fusion="monotemp")
    there = jnp.asarray([[True, False, True], [False, False, False]])
    found = draws.draw({"s2": token_validity(there, INPUTS["s2"])})["s2"]
    np.testing.assert_array_equal(found.masked.sum(-1), [2, 0, 2, 2, 0, 2, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(found.visible.sum(-1), [2, 0, 2, 2, 0, 2, 0, 0, 0, 0, 0, 0])


def test_masked_tokens_move_away_and_back():
    masked = jnp.asarray([[True, False, True, False], [False, True, False, False], [False, False, True, True]])
    available = jnp.asarray([[True, True, True, True], [True, True, True, False], [True, False, True, False]])
    mask = sequence_masks({"s2": masked}, {"s2": available}, {"s2": 2})["s2"]
    tokens = jnp.arange(1.0, 13.0).reshape(3, 4, 1)
    to_hidden = mask.to_hidden()
    np.testing.assert_array_equal(to_hidden(tokens)[..., 0], [[3, 1], [6, 0], [11, 0]])
    np.testing.assert_array_equal(to_hidden.inverse(to_hidden(tokens)), jnp.where(mask.masked[..., None], tokens, 0))


def test_restore_puts_kept_tokens_back_among_the_mask_tokens():
    masked = jnp.asarray([[True, False, True, False], [False, True, True, False]])
    available = jnp.asarray([[True, True, True, True], [True, True, True, False]])
    mask = sequence_masks({"s2": masked}, {"s2": available}, {"s2": 2})["s2"]
    tokens = jnp.arange(8.0).reshape(2, 4, 1)
    restored = mask.restore(mask.keep(tokens), jnp.full((2, 4, 1), -1.0))
    np.testing.assert_array_equal(restored[..., 0], [[-1, 1, -1, 3], [4, -1, -1, -1]])
