"""TreeSatAI-TS: two real tiles against the reference reader, whose date offset is random; synthetic tiles."""

import dataclasses

import jax
import numpy as np
import pytest
from immutabledict import immutabledict

from data_prep.__main__ import main
from data_prep.datasets.treesatai_ts.contract import CONTRACT
from mmae_jax import spec
from mmae_jax.data import dates, pipeline, sample, shards
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.tiles import Tile

BANDS = {name: (modality.bands,) for name, modality in CONTRACT.modalities.items()}
INPUTS = immutabledict(
    aerial=spec.Input(BANDS["aerial"], image_size=300, patch_size=20, norm_fac=255),
    s2=spec.Input(BANDS["s2"], image_size=6, patch_size=2, num_dates=16, norm_fac=5000),
    s1_asc=spec.Input(BANDS["s1_asc"], image_size=6, patch_size=2, num_dates=4, norm_fac=5, log_scale=True),
    s1_des=spec.Input(BANDS["s1_des"], image_size=6, patch_size=2, num_dates=4, norm_fac=5, log_scale=True),
)


def as_tile(record):
    return Tile([record], CONTRACT, 0)


def treesat(directory):
    phase = spec.Phase(epochs=1, batch_size=4, base_lr=1.0)
    return spec.Experiment(
        seed=0,
        dataset=CONTRACT,
        data=spec.Data(str(directory), workers=0),
        inputs=INPUTS,
        targets=("treesat_mlc", "treesat_mlc_thresh"),
        model=spec.Model(spec.ARCHITECTURES["tiny"]),
        mask=spec.Mask(),
        loss="l1_norm",
        phases=("pretrain",),
        pretrain=phase,
        probe=phase,
        finetune=phase,
        ema=False,
        mesh=spec.Mesh(),
        logging=spec.Logging(),
    )


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, real_treesat_dir):
    directory = tmp_path_factory.mktemp("golden") / "shards"
    assert main(("treesatai_ts", f"--raw_dir={real_treesat_dir}", f"--out_dir={directory}")) == 0
    return treesat(directory)


@pytest.fixture(scope="module", params=["val", "test"])
def case(request, experiment, golden_dir):
    """A stored record, and the reference's sample of it."""
    golden = np.load(golden_dir / f"reader_treesatai_ts_{request.param}.npz")
    return shards.open_shards(experiment).records((request.param,))[0], golden


def values(pixels, name):
    """docs/method.md §2.3."""
    values = pixels.astype(np.float32)
    if INPUTS[name].log_scale:
        values = np.log(np.maximum(values, 1e-10))
    return values / INPUTS[name].norm_fac


def selections(record, name):
    """Our evaluation choice for each offset there is."""
    stored, num_dates = record[name], INPUTS[name].num_dates
    for offset in range(dates.num_offsets(len(stored["pixels"]), num_dates)):
        yield dates.select_dates(
            stored["pixels"],
            stored["dates"],
            num_dates,
            offset=offset,
            missing=dates.missing_values(stored["pixels"], None),
            masks=stored.get("mask"),
        )


@pytest.mark.parametrize("name", ["s2", "s1_asc", "s1_des"])
def test_for_one_offset_the_chosen_dates_and_values_are_the_reference_s(case, name):
    record, golden = case
    matches = []
    for selection in selections(record, name):
        found = values(selection.pixels, name)
        if (selection.dates == golden[f"{name}_dates"]).all() and np.abs(found - golden[name]).max() <= 1e-6:
            matches.append(selection)
    assert matches
    assert all(selection.valid is None or selection.valid.all() for selection in matches)


def test_aerial_dates_and_targets_are_the_reference_s(case, experiment):
    record, golden = case
    ours = sample.eval_sample(experiment, as_tile(record), 0)
    np.testing.assert_allclose(values(ours["inputs"]["aerial"], "aerial"), golden["aerial"], atol=1e-6)
    np.testing.assert_array_equal(ours["dates"]["aerial"], golden["aerial_dates"])
    np.testing.assert_array_equal(ours["ref_date"], golden["ref_date"][0])
    for name in experiment.targets:
        np.testing.assert_array_equal(ours["targets"][name], golden[name])


def test_random_dates_are_dates_the_rules_allow(case, experiment):
    record, _ = case
    clear = ~(record["s2"]["mask"] > 0).any(axis=(1, 2, 3))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = sample.train_sample(dataclasses.replace(experiment, targets=()), as_tile(record), rng)
        total = len(clear)
        for offset in range(dates.num_offsets(total, 16)):
            members = dates.bin_members(total, 16, offset)
            allowed = [member if not clear[member].any() else member[clear[member]] for member in members]
            stored = record["s2"]["dates"]
            if all(
                (stored[choice] == date).all(axis=1).any()
                for choice, date in zip(allowed, drawn["dates"]["s2"], strict=True)
            ):
                break
        else:
            pytest.fail("no offset explains the drawn dates")


def test_synthetic_tiles_give_batches_as_announced(synthetic_shards):
    """Some of them have fewer acquisitions than date bins."""
    experiment = treesat(synthetic_shards)
    opened = shards.open_shards(experiment)
    expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract_batch(experiment, 4))
    with pipeline.eval_batches(experiment, 4, ("train", "val", "test"), opened) as batches:
        for batch in batches:
            assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch) == expected
            assert all(np.isfinite(batch["inputs"][name]).all() for name in ("s1_asc", "s1_des"))
