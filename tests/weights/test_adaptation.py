"""Weights taken to another model: every tensor is accounted for, bands and patches keep their meaning."""

import dataclasses
import importlib
import itertools

import numpy as np
import pytest
from immutabledict import immutabledict
from safetensors.numpy import save_file

from configs import cross_dataset
from mmae_jax.command_line.overrides import Override, overridden
from mmae_jax.config import experiment_from_config
from mmae_jax.models.resize import resize_matrix
from mmae_jax.spec import NEW, SpecError, Transfer
from mmae_jax.weights.source import load_initial, open_weights
from mmae_jax.weights.tensor_file import metadata_of
from mmae_jax.weights.torch_names import weights
from mmae_jax.weights.transfer import adapted, check_transfer
from mmae_jax.weights.transfer.patch_resize import embedding_resized, pixels_resized
from tests import experiments, runs
from tests.data_prep import small_config
from tests.experiments import tensors_of

DATASETS = ("treesatai_ts", "pastis_hd", "flair_hub", "flair2", "s2_naip_urban", "pureforest")
TINY = runs.tiny("nowhere")


def small(name):
    config = importlib.import_module(f"configs.{name}").get_config("runlocal")
    small_config.shrink(config)
    return experiment_from_config(config)


def with_transfer(experiment, **fields):
    return dataclasses.replace(experiment, transfer=Transfer(**{k: immutabledict(v) for k, v in fields.items()}))


def assert_accounted(report, source, experiment):
    """Every tensor of the model is in the report once, loaded unless new, and so is every tensor of the source."""
    rows = report.rows
    assert sorted(row.parameter for row in rows if row.parameter) == sorted(one.name for one in weights(experiment))
    assert {row.source for row in rows if row.source} == set(source)
    shapes = {one.name: one.shape for one in weights(experiment)}
    assert all(row.shape == shapes[row.parameter] for row in rows if row.parameter)
    assert all((row.action == "new") == (not row.source) for row in rows)


@pytest.mark.parametrize("source", DATASETS)
def test_every_pair_of_datasets_is_accounted_for(source):
    trained = small(source)
    tensors = tensors_of(trained)
    for target in DATASETS:
        experiment = small(target)
        if target == source:
            found = adapted(tensors, trained, experiment, "there")
            assert all(found.tensors[name] is array for name, array in tensors.items()), "itself is the identity"
        absent = {name: NEW for name in experiment.inputs if name not in trained.inputs}
        if absent:
            with pytest.raises(SpecError, match=rf"input {next(iter(absent))}: --config\.transfer\.inputs\.") as error:
                adapted(tensors, trained, experiment, "there")
            assert all(f"\n  input {name}: " in str(error.value) for name in absent)
        experiment = with_transfer(experiment, inputs=absent)
        found = adapted(tensors, trained, experiment, "there")
        assert_accounted(found.report, tensors, experiment)
        new = {row.module.split(".")[1] for row in found.report.rows if row.action == "new"}
        alone = {experiment.inputs[name].name_group or name for name in absent} | set(absent)
        assert new <= alone | set(experiment.targets)


@pytest.mark.parametrize("pair", cross_dataset.TRANSFERS)
def test_cross_dataset_runs_of_the_paper_are_configs(pair, caplog):
    source, target = pair.split(".")
    config = cross_dataset.get_config(f"{pair}.runlocal")
    small_config.shrink(config)
    experiment, trained = experiment_from_config(config), small(source)
    assert experiment.dataset.name == small(target).dataset.name
    check_transfer(experiment, trained, "there")
    found = adapted(tensors_of(trained), trained, experiment, "there")
    assert_accounted(found.report, tensors_of(trained), experiment)
    assert {row.module for row in found.report.rows if row.action == "new"} <= {
        *(f"heads.{name}" for name in experiment.targets),
        *(f"{part}.dem" for part in ("patch_embed", "embed_to_rec", "mask_token", "encoder", "decoder")),
    }
    assert experiment_from_config(cross_dataset.get_config(pair)).phases == ("probe", "finetune")


def test_cross_dataset_names_its_pairs():
    with pytest.raises(ValueError, match=r"expected one of s2_naip_urban\.treesatai_ts, .*found None"):
        cross_dataset.get_config()


# The optical input of a made-up pair: what the source has, what the target has, how it is taken over.
S2 = experiments.INPUTS["s2"]


def pair_of(here, **transfer):
    trained = experiments.experiment(("s2",), ())
    changed = experiments.experiment((), (), modalities={"s2": here})
    return trained, with_transfer(changed, **transfer)


def embedded(tensors, bands, groups, pixels):
    """What the convolutions of an input make of pixels of a patch by band: one vector per group."""
    return [
        sum(
            np.einsum("epq,pq->e", tensors[f"patch_embed.s2.patchify_bands.{g}.conv.weight"][:, i], pixels[band])
            for i, band in enumerate(group)
        )
        for g, group in enumerate(groups)
    ]


def test_bands_in_another_order_mean_the_same():
    trained, experiment = pair_of(dataclasses.replace(S2, bands=(("b3", "b2"), ("b11",)), norm_bands=None))
    tensors = tensors_of(trained)
    found = adapted(tensors, trained, experiment, "there")
    pixels = {band: np.random.default_rng(1).normal(size=(2, 2)) for band in S2.band_names}
    for mine, theirs in zip(
        embedded(found.tensors, 3, experiment.inputs["s2"].bands, pixels),
        embedded(tensors, 3, S2.bands, pixels),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    name = "embed_to_rec.s2.pixelify_bands.0.conv.bias"
    by_pixel = tensors[name].reshape(4, 2)
    np.testing.assert_array_equal(found.tensors[name].reshape(4, 2), by_pixel[:, ::-1])
    assert {row.how for row in found.report.rows if row.action == "adapted"} == {"bands by name"}


def test_bands_are_left_out_renamed_or_new():
    here = dataclasses.replace(S2, bands=(("b3", "b4", "b5"), ("b11",)), norm_bands=None)
    trained, experiment = pair_of(here)
    tensors = tensors_of(trained)
    with pytest.raises(SpecError, match=r"band b4 of s2: --config\.transfer\.bands\.s2\.b4=new, or one of b2, b3, b11"):
        adapted(tensors, trained, experiment, "there")
    trained, experiment = pair_of(here, bands={"s2": immutabledict(b4="b3", b5=NEW)})
    found = adapted(tensors, trained, experiment, "there")
    name = "patch_embed.s2.patchify_bands.0.conv.weight"
    old, new = tensors[name], found.tensors[name]
    np.testing.assert_array_equal(new[:, 0], old[:, 1])
    np.testing.assert_array_equal(new[:, 1], old[:, 1])
    bound = 1 / np.sqrt(3 * 2 * 2)
    assert np.abs(new[:, 2]).max() <= bound
    assert np.unique(new[:, 2]).size == new[:, 2].size
    (row,) = (row for row in found.report.rows if row.parameter == name)
    assert (row.action, row.how) == ("adapted", "bands by name, b4 from b3, b5 new")
    again = adapted(tensors, trained, experiment, "there")
    np.testing.assert_array_equal(again.tensors[name], new)


def test_band_groups_are_matched_by_their_bands():
    here = dataclasses.replace(S2, bands=(("b11", "b2", "b3"),), norm_bands=None)
    trained, experiment = pair_of(here)
    tensors = tensors_of(trained)
    found = adapted(tensors, trained, experiment, "there").tensors
    kernel = found["patch_embed.s2.patchify_bands.0.conv.weight"]
    np.testing.assert_array_equal(kernel[:, 0], tensors["patch_embed.s2.patchify_bands.1.conv.weight"][:, 0])
    np.testing.assert_array_equal(kernel[:, 1:], tensors["patch_embed.s2.patchify_bands.0.conv.weight"])
    # what belongs to no band is that of the group which has most of them
    name = "patch_embed.s2.patchify_bands.0.norm.bias"
    np.testing.assert_array_equal(found[name], tensors[name])
    np.testing.assert_array_equal(found["mask_token.s2"], tensors["mask_token.s2"][:, :1])


def test_patches_of_another_size_are_embedded_alike():
    rng = np.random.default_rng(0)
    kernel, patch = rng.normal(size=(5, 3, 8, 8)), rng.normal(size=(3, 8, 8))
    up = resize_matrix(8, 16, "bilinear").astype(np.float64)
    grown = np.einsum("ap,bq,cpq->cab", up, up, patch)
    pairs = ((kernel, patch), (embedding_resized(kernel, 16), grown))
    before, after = (np.einsum("ecpq,cpq->e", *pair) for pair in pairs)
    np.testing.assert_allclose(after, before, rtol=1e-9)
    np.testing.assert_allclose(embedding_resized(kernel, 8), kernel, atol=1e-12)
    # 16 → 8 is the least-squares fit: its residual is orthogonal to every resized patch
    large = rng.normal(size=(5, 3, 16, 16))
    small_kernel = embedding_resized(large, 8)
    down = resize_matrix(16, 8, "bilinear").astype(np.float64)
    residual = np.einsum("ap,bq,ecab->ecpq", down, down, small_kernel) - large
    np.testing.assert_allclose(np.einsum("ap,bq,ecpq->ecab", down, down, residual), 0, atol=1e-9)
    constant = pixels_resized(np.ones((2, 4, 4)), 6)
    np.testing.assert_allclose(constant, 1)


FOREST = dataclasses.replace(TINY.dataset.targets[TINY.targets[0]], classes=("wood", "meadow"))
TARGETS = TINY.dataset.targets | {"forest": FOREST}
# What is new → changes of the experiment.
REUSES = {
    "target": {"targets": ("forest",), "dataset": dataclasses.replace(TINY.dataset, targets=TARGETS)},
    "sensor": {"inputs": immutabledict({"s2": TINY.inputs["s2"]})},
    "head": {"model": dataclasses.replace(TINY.model, head="linear")},
}


@pytest.mark.parametrize("what", REUSES)
def test_a_pretrained_model_is_reused(what, tmp_path):
    file = tmp_path / "trained.safetensors"
    tensors = tensors_of(TINY)
    save_file(tensors, file, metadata_of(tensors, TINY))
    experiment = dataclasses.replace(TINY, init_from=str(file), **REUSES[what])
    initial = load_initial(experiment, runs.one_device())
    assert_accounted(initial.report, tensors, experiment)
    head = {"target": {"heads.forest"}, "sensor": set(), "head": {"heads.treesat_mlc_thresh"}}[what]
    assert {row.module for row in initial.report.rows if row.action == "new"} == head


def test_decoders_that_are_not_there_are_new_only_where_nothing_uses_them(tmp_path):
    tensors = {
        name: array
        for name, array in tensors_of(TINY).items()
        if not name.startswith(("decoder", "enc_to_dec", "mask_token", "embed_to_rec"))
    }
    new = "{'embed_to_rec': 'new', 'mask_token': 'new', 'decoder': 'new'}"
    with pytest.raises(SpecError, match=f'decoder: --config.transfer.modules="{new}"$'):
        adapted(tensors, TINY, TINY, "there")
    finetune = dataclasses.replace(TINY, phases=("finetune",))
    found = adapted(tensors, TINY, finetune, "there")
    assert_accounted(found.report, tensors, finetune)
    assert {row.how for row in found.report.rows if row.action == "new"} == {"not there, and not used in finetune"}


def test_a_module_starts_from_the_one_that_is_named():
    tensors = tensors_of(TINY)
    key = next(name for name in tensors if name.startswith("encoder.") and "s2" not in name).split(".")[1]
    experiment = with_transfer(TINY, modules={f"encoder.{key}": "encoder.s2", "decoder": NEW})
    found = adapted(tensors, TINY, experiment, "there")
    np.testing.assert_array_equal(found.tensors[f"encoder.{key}.norm.weight"], tensors["encoder.s2.norm.weight"])
    assert not [name for name in found.tensors if name.startswith("decoder.")]


WRONG_MODULES = {
    "decodr": (NEW, r"no module 'decodr' in this model; .*did you mean decoder\?"),
    "encoder.s2.norm": (NEW, r"no module 'encoder\.s2\.norm'"),
    "heads.treesat_mlc_thresh": ("heads.nope", r"expected new or a module in there, heads\..*; found 'heads\.nope'"),
    "encoder.s2": ("decoder.s2", r"expected new or a module in there, encoder\..*; found 'decoder\.s2'"),
}


@pytest.mark.parametrize("module", WRONG_MODULES)
def test_modules_that_are_nowhere_are_said(module):
    source, message = WRONG_MODULES[module]
    with pytest.raises(SpecError, match=message):
        adapted(tensors_of(TINY), TINY, with_transfer(TINY, modules={module: source}), "there")


def test_a_mask_token_starts_from_the_one_that_is_named():
    tensors = tensors_of(TINY)
    found = adapted(tensors, TINY, with_transfer(TINY, modules={"mask_token.s2": "mask_token.s1_asc"}), "there")
    np.testing.assert_array_equal(found.tensors["mask_token.s2"], tensors["mask_token.s1_asc"])


def test_an_input_starts_from_the_encoder_of_its_source_where_the_file_says_nothing():
    tensors = tensors_of(TINY)
    bands = {"s2": dict.fromkeys(TINY.inputs["s2"].band_names, "VV")}
    experiment = with_transfer(TINY, inputs={"s2": "s1_asc"}, bands=bands)
    found = adapted(tensors, TINY, experiment, "there").tensors["encoder.s2.norm.weight"]
    np.testing.assert_array_equal(found, tensors["encoder.s1.norm.weight"])
    only = with_transfer(TINY, inputs={"s2": "s1_asc"}, modules={"patch_embed": NEW, "embed_to_rec": NEW})
    unknown = adapted(tensors, None, only, "there").tensors["encoder.s2.norm.weight"]
    np.testing.assert_array_equal(unknown, tensors["encoder.s1.norm.weight"])


def test_a_model_of_other_widths_or_more_layers_stops():
    tensors = tensors_of(TINY)
    deeper = {name.replace("layers.0", "layers.1"): array for name, array in tensors.items() if "encoder.s2" in name}
    wide = {name: np.repeat(array, 2, axis=0) for name, array in tensors.items()}
    joint = dataclasses.replace(TINY.model.architecture, depth=1)
    alone = dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, inter_depth=0, architecture=joint))
    for source, experiment, message in (
        (tensors | deeper, TINY, r"encoder\.s2: has 11 tensors that encoder\.s2 has not: encoder\.s2\.layers\.1\."),
        (wide, TINY, r"conv\.weight: expected width \(16,\) in .*, found shape \(32,"),
        (tensors, alone, r"encoder_inter: expected none with model\.inter_depth = 0, found one"),
        ({"blocks.0": wide["mask_token.s2"]}, TINY, r"there: expected tensors of patch_embed, .*, found blocks\.0"),
    ):
        with pytest.raises(SpecError, match=message):
            adapted(source, None, experiment, "there")


def test_a_file_that_says_nothing_is_matched_by_name():
    tensors = tensors_of(TINY)
    extra = {"encoder.spot.norm.weight": np.zeros(16, np.float32), "patch_embed.spot.x": np.zeros(1, np.float32)}
    found = adapted(tensors | extra, None, TINY, "there")
    assert {row.source for row in found.report.rows if row.action == "unused"} == set(extra)
    renamed = {name.replace(".s1_asc", ".s1"): array for name, array in tensors.items()}
    with pytest.raises(SpecError, match=r"input s1_asc: --config\.transfer\.inputs\.s1_asc=new, or one of s1, s2"):
        adapted(renamed, None, TINY, "there")
    found = adapted(renamed, None, with_transfer(TINY, inputs={"s1_asc": "s1"}), "there")
    name = "patch_embed.s1_asc.patchify_bands.0.conv.weight"
    np.testing.assert_array_equal(found.tensors[name], tensors[name])


def test_transfer_is_checked_and_set_by_name():
    plain = runs.tiny_config.get_config()
    for field, value, message in (
        ("transfer.inputs.s3", "s2", r"transfer\.inputs: no input 's3'; expected some of s1_asc, s2"),
        ("transfer.bands.s2", "{'B99': 'B02'}", r"transfer\.bands\.s2: no band 'B99'"),
        ("transfer.inputs.s2", "", r"transfer: expected names"),
    ):
        with pytest.raises(SpecError, match=message):
            experiment_from_config(overridden(plain, [Override(field, value)]) | {"data": {"dir": "x"}})
    fields = overridden(plain, [Override("transfer.inputs.s1_asc", "s2"), Override("transfer.bands.s2.B02", "new")])
    experiment = experiment_from_config(fields)
    assert experiment.transfer.inputs == {"s1_asc": "s2"}
    assert experiment.transfer.bands["s2"] == {"B02": NEW}


def test_a_run_starts_from_another_model_by_the_command_line(scripted, synthetic_shards, tmp_path):
    file, trained = tmp_path / "trained.safetensors", dataclasses.replace(TINY, inputs=TINY.inputs.delete("s1_asc"))
    tensors = tensors_of(trained)
    save_file(tensors, file, metadata_of(tensors, trained))
    flags = (f"--config.data.dir={synthetic_shards}", f"--config.init_from={file}", "--config.phases=('finetune',)")
    refused = runs.main(tmp_path / "run", *flags)
    assert refused.splitlines()[1:] == ["  input s1_asc: --config.transfer.inputs.s1_asc=new, or one of s2"]
    assert not list((tmp_path / "run").rglob("load_report.csv"))
    assert runs.main(tmp_path / "run", *flags, "--config.transfer.inputs.s1_asc=new") == ""
    table = (tmp_path / "run" / "finetune" / "checkpoints" / "load_report.csv").read_text()
    assert "\nencoder.s1.norm.weight,new,,,16,as transfer.inputs says\n" in table
    assert "\nencoder.s2.norm.weight,loaded,encoder.s2.norm.weight,16,16,\n" in table
    found = open_weights(tmp_path / "run").tensors()
    np.testing.assert_array_equal(found["encoder.s2.norm.weight"], tensors["encoder.s2.norm.weight"])


def test_report_is_a_table(tmp_path):
    trained, experiment = pair_of(dataclasses.replace(S2, patch_size=4))
    report = adapted(tensors_of(trained), trained, experiment, "there").report
    report.write(tmp_path)
    lines = (tmp_path / "load_report.csv").read_text().splitlines()
    assert lines[0] == "parameter,action,source,source_shape,shape,how"
    name = "patch_embed.s2.patchify_bands.0.conv.weight"
    assert f"{name},adapted,{name},16×2×2×2,16×2×4×4,patches of 2 → 4 pixels" in lines
    assert len(lines) == 1 + len(report.rows)
    head, *modules = report.summary().splitlines()
    assert head.startswith("there: ")
    assert any(line.split()[:2] == ["adapted", "patch_embed.s2"] and line.endswith("pixels") for line in modules)
    assert len(modules) < 20 < len(list(itertools.chain(report.rows)))
