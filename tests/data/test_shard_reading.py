"""What `open_shards` and `Records` refuse, and how they say so."""

import dataclasses
import pickle
import shutil

import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import contract, spec
from mmae_jax.checks import check_experiment
from mmae_jax.data import pipeline, shards
from mmae_jax.data.kept import Kept
from mmae_jax.data.records import DataError, Records
from tests.data import example_dataset as example


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    splits = {
        "train": [[example.record(seed) for seed in range(3)], [example.record(seed) for seed in (3, 4)]],
        "val": [[example.record(5), example.record(6, num_s2=0, num_s1=1)]],
    }
    return example.write(tmp_path_factory.mktemp("reading") / "shards", splits)


@pytest.fixture
def damaged(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "shards")


def names(records):
    return [record["name"].decode() for record in records]


def test_splits_are_read_one_after_the_other(folder):
    source = shards.open_shards(example.experiment(folder)).records(("val", "train"))
    assert names(source[index] for index in range(len(source))) == [f"tile_{seed}" for seed in (5, 6, 0, 1, 2, 3, 4)]


def test_a_record_comes_back_as_written_with_only_the_needed_fields(folder):
    experiment = dataclasses.replace(example.experiment(folder), targets=("main",))
    found, written = shards.open_shards(experiment).records(("train",))[4], example.record(4)
    assert found.keys() == {"name", "ref_date", "aerial", "s2", "s1", "main"}
    for modality in ("aerial", "s2", "s1"):
        assert found[modality].keys() == written[modality].keys()
        for field, value in written[modality].items():
            np.testing.assert_array_equal(found[modality][field], value)
            assert found[modality][field].dtype == value.dtype


def test_masks_that_are_switched_off_are_not_decoded(folder):
    experiment = example.experiment(folder)
    inputs = experiment.inputs | {"s2": dataclasses.replace(experiment.inputs["s2"], mask_threshold=100.0)}
    found = shards.open_shards(dataclasses.replace(experiment, inputs=inputs)).records(("train",))[0]
    assert found["s2"].keys() == {"pixels", "dates"}


def test_a_missing_modality_has_no_dates(folder):
    record = shards.open_shards(example.experiment(folder)).records(("val",))[1]
    assert record["s2"]["pixels"].shape == (0, 2, 8, 8)
    assert record["s2"]["mask"].shape[0] == 0


def test_records_travel_to_other_processes(folder):
    source = shards.open_shards(example.experiment(folder)).records(("train",))
    source[0]
    copy = pickle.loads(pickle.dumps(source))
    assert names([copy[3]]) == ["tile_3"]


class CountedRecords(list):
    """Records, and the numbers of those that were asked for."""

    def __init__(self, records):
        super().__init__(records)
        self.read = []

    def __getitem__(self, index):
        self.read.append(index)
        return super().__getitem__(index)


def test_small_shards_are_read_once():
    records = CountedRecords(example.record(seed) for seed in range(3))
    kept = Kept(records)
    first = [kept[index] for index in (2, 0, 2, 1)]
    again = [kept[index] for index in (2, 0, 2, 1)]
    assert records.read == [2, 0, 1]
    assert [one["name"] for one in again] == [one["name"] for one in first] == ["tile_2", "tile_0", "tile_2", "tile_1"]


def test_large_shards_are_not_kept(monkeypatch):
    records = CountedRecords(example.record(seed) for seed in range(3))
    monkeypatch.setattr("mmae_jax.data.kept.ROOM", 2 * example.record(0)["aerial"]["pixels"].nbytes)
    kept = Kept(records)
    assert [kept[index]["name"] for index in (0, 0, 1)] == ["tile_0", "tile_0", "tile_1"]
    assert records.read == [0, 0, 1]


def test_training_keeps_what_it_reads(folder, monkeypatch):
    read = []
    monkeypatch.setattr(
        Records, "read", lambda self, index, read_one=Records.read: read.append(index) or read_one(self, index)
    )
    experiment = example.experiment(folder)
    experiment = dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, workers=0, prefetch=1))
    with pipeline.train_batches(experiment, "pretrain", shards.open_shards(experiment)) as batches:
        for _ in range(40):
            next(batches)
    assert sorted(read) == list(range(7))


def test_samples_are_tiles_times_crops(folder):
    opened = shards.open_shards(example.experiment(folder))
    assert opened.num_tiles(("train", "val")) == 7
    assert opened.num_samples(("train",)) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: shutil.rmtree(d), "data.dir.*not a folder"),
        (lambda d: (d / contract.CONTRACT_FILE).unlink(), "sensor_contract.json: not found"),
        (lambda d: (d / "dataset_info.json").unlink(), "dataset_info.json: not found; the folder is incomplete"),
        (lambda d: next(d.glob("*train*-00001-of*")).unlink(), "train.array_record-00001-of-00002: not found"),
    ],
)
def test_an_incomplete_folder_is_refused(damaged, change, message):
    change(damaged)
    with pytest.raises(spec.SpecError, match=message):
        shards.open_shards(example.experiment(damaged))


def test_another_contract_is_refused_with_the_field_and_both_values(folder):
    experiment = example.experiment(folder)
    s2 = dataclasses.replace(example.DATASET.modalities["s2"], nodata=1.0)
    dataset = dataclasses.replace(example.DATASET, modalities=example.DATASET.modalities | {"s2": s2})
    with pytest.raises(contract.ContractError, match=r"modalities.s2.nodata: expected 1.0, found 0.0"):
        shards.open_shards(dataclasses.replace(experiment, dataset=dataset))


def test_an_unknown_split_is_named_with_those_there_are(folder):
    with pytest.raises(DataError, match=r"no split 'test'; found .*train"):
        shards.open_shards(example.experiment(folder)).records(("train", "test"))


def test_crops_that_leave_the_tile_are_refused(folder):
    with pytest.raises(spec.SpecError, match=r"data.repeats.*found 3"):
        check_experiment(example.experiment(folder, crop_meters=70.0, repeats=3))


def test_no_folder_of_shards_is_said(folder):
    experiment = example.experiment(folder)
    with pytest.raises(DataError, match=r"^data\.dir: expected a folder of shards, found none; say --config"):
        shards.open_shards(dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, dir="")))


def test_a_truncated_shard_is_named_with_its_record(damaged):
    path = next(damaged.glob("*train*-00001-of*"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = shards.open_shards(example.experiment(damaged)).records(("train",))
    source[0]
    with pytest.raises(DataError, match=r"train.array_record-00001-of-00002: record 1: cannot be read"):
        source[4]


def test_a_flipped_byte_is_found(damaged):
    path = next(damaged.glob("*train*-00000-of*"))
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)
    source = shards.open_shards(example.experiment(damaged)).records(("train",))
    with pytest.raises(DataError, match=r"train.array_record-00000-of-00002: record \d: cannot be read"):
        [source[index] for index in range(3)]


def test_a_shard_of_another_size_than_listed_is_found(damaged):
    first, second = sorted(damaged.glob("*train*"))
    shutil.copy(second, first)
    source = shards.open_shards(example.experiment(damaged)).records(("train",))
    with pytest.raises(DataError, match=r"00000-of-00002: record 2: cannot be read"):
        source[2]


def test_a_shape_that_contradicts_the_contract_names_modality_expected_and_found(folder):
    experiment = example.experiment(folder)
    opened = shards.open_shards(experiment)
    aerial = dataclasses.replace(example.DATASET.modalities["aerial"], size=30)
    modalities = immutabledict(example.DATASET.modalities | {"aerial": aerial})
    changed = dataclasses.replace(experiment, dataset=dataclasses.replace(example.DATASET, modalities=modalities))
    source = dataclasses.replace(opened, experiment=changed).records(("train",))
    message = r"record 0 \(tile_0\): aerial.pixels: expected uint8 \[1, 3, 34, 34\], found uint8 \[1, 3, 36, 36\]"
    with pytest.raises(DataError, match=message):
        source[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"monitor": "main/weighted_f1"}, r"finetune\.monitor: expected a split val in .*, found train, validation"),
        ({"patience": 3}, r"finetune\.patience: expected a split val in .*, found train, validation"),
        ({"train_splits": ("train", "extra")}, r"finetune\.train_splits: expected a split extra in .*, found train"),
    ],
)
def test_a_phase_that_needs_a_split_that_is_not_there_is_refused(tmp_path, settings, message):
    splits = {"train": [[example.record(0)]], "validation": [[example.record(1)]]}
    experiment = example.experiment(example.write(tmp_path / "shards", splits))
    shards.open_shards(experiment).check_phase("finetune")
    phase = dataclasses.replace(experiment.finetune, **settings)
    with pytest.raises(DataError, match=message):
        shards.open_shards(dataclasses.replace(experiment, finetune=phase)).check_phase("finetune")
