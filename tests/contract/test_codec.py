"""Records are encoded and decoded as `tfds` does it, in both directions and to the byte."""

import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds
from immutabledict import immutabledict
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from configs import flair_hub, pastis_hd, pureforest, s2_naip_urban, treesatai_ts
from data_prep.shards.records import features
from mmae_jax.config import experiment_from_config
from mmae_jax.contract.codec import Codec
from mmae_jax.spec import Dataset
from tests.data import example_dataset as example

TILES = {
    "complete": {},
    "one date": {"num_s2": 1, "num_s1": 1},
    "no dates": {"num_s2": 0, "num_s1": 0},
}


@pytest.fixture
def described():
    """A dataset with quanta besides the traits of the example, and its features."""
    dem = dataclasses.replace(example.DATASET.modalities["aerial"], dtype="int16", quantum=0.01)
    dataset = dataclasses.replace(example.DATASET, modalities=immutabledict(example.DATASET.modalities | {"dem": dem}))
    return features(dataset, example.TARGET_FIELDS)


def record(number, tile):
    made = example.record(number, **TILES[tile])
    aerial = made["aerial"]
    made["dem"] = {"pixels": aerial["pixels"].astype(np.int16), "dates": aerial["dates"], "base": np.float32(12.5)}
    return made | {"crs": "EPSG:2154 – Réseau géodésique"}


def as_tfds(described, made):
    """The message `tfds` makes; deterministic, which its own `serialize_example` is not."""
    serializer = ExampleSerializer(described.get_serialized_info())
    return serializer.get_tf_example(described.encode_example(made)).SerializeToString(deterministic=True)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same(found[name], value)
        elif isinstance(value, bytes):
            assert found[name] == value
        else:
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("tile", TILES)
def test_messages_are_those_of_tfds(described, tile):
    for number in range(3):
        made = record(number, tile)
        assert Codec(described).encode(made) == as_tfds(described, made)


@pytest.mark.parametrize("tile", TILES)
def test_messages_of_tfds_are_read_as_by_tfds(described, tile):
    message = described.serialize_example(record(4, tile))
    assert_same(Codec(described).decode(message), dict(described.deserialize_example_np(message)))


@pytest.mark.parametrize("tile", TILES)
def test_tfds_reads_what_was_encoded(described, tile):
    made = record(5, tile)
    found = described.deserialize_example_np(Codec(described).encode(made))
    assert found["name"] == b"tile_5"
    for name in ("aerial", "s2", "s1", "dem"):
        for part, value in made[name].items():
            np.testing.assert_array_equal(found[name][part], value)


def test_views_are_encoded_as_their_copies(described):
    made = record(6, "complete")
    strided = made | {"cover": np.asfortranarray(made["cover"])}
    strided["s1"] = made["s1"] | {"pixels": made["s1"]["pixels"][::-1][::-1]}
    assert Codec(described).encode(strided) == Codec(described).encode(made)


CONTRACTS = [module.get_config() for module in (flair_hub, pastis_hd, pureforest, s2_naip_urban, treesatai_ts)]


@pytest.mark.parametrize("config", CONTRACTS, ids=lambda config: config.dataset.name)
def test_every_dataset_can_be_encoded(config):
    dataset: Dataset = experiment_from_config(config).dataset
    described = features(dataset, {})
    made = {"name": "tile", "crs": "", "transform": np.zeros(6), "ref_date": np.array([2020, 1, 0], np.int16)}
    for name, modality in dataset.modalities.items():
        side = dataset.stored_side(modality)
        made[name] = {
            "pixels": np.ones((2, len(modality.bands), side, side), modality.dtype),
            "dates": np.ones((2, 3), np.int16),
        }
        made[name] |= {"base": np.float32(1)} if modality.quantum is not None else {}
        made[name] |= {"mask": np.ones((2, 2, side, side), np.uint8)} if modality.mask_channels else {}
    message = Codec(described).encode(made)
    assert message == as_tfds(described, made)
    assert_same(Codec(described).decode(message), dict(described.deserialize_example_np(message)))


def test_only_the_asked_fields_are_decoded(described):
    asked = {"name": described["name"], "s2": {"dates": described["s2"]["dates"]}}
    found = Codec(asked).decode(Codec(described).encode(record(1, "complete")))
    assert found.keys() == {"name", "s2"}
    assert found["s2"].keys() == {"dates"}


WRONG = {
    "dtype": (lambda made: made | {"cover": made["cover"].astype(int)}, r"cover: expected uint8 \[16, 16\], found int"),
    "shape": (lambda made: made | {"cover": made["cover"][1:]}, r"cover: expected .* found uint8 \[15, 16\]"),
    "axes": (lambda made: made | {"s1": made["s1"] | {"dates": np.zeros(3, np.int16)}}, r"s1\.dates: expected int16"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_of_another_kind_are_named(described, case):
    change, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        Codec(described).encode(change(record(1, "complete")))


def test_damaged_messages_are_named(described):
    codec, message = Codec(described), Codec(described).encode(record(1, "complete"))
    with pytest.raises(ValueError, match="pars"):  # the decoder's own words
        codec.decode(message[: len(message) // 2])
    with pytest.raises(ValueError, match=r"^dem\.pixels: expected one value, found 0"):
        codec.decode(
            Codec({name: described[name] for name in described if name != "dem"}).encode(record(1, "complete"))
        )
    shorter = dataclasses.replace(example.DATASET.modalities["s1"], size=4)
    modalities = immutabledict(example.DATASET.modalities | {"s1": shorter})
    other = features(dataclasses.replace(example.DATASET, modalities=modalities), example.TARGET_FIELDS)
    odd = record(1, "complete")
    odd["s1"] = {"pixels": odd["s1"]["pixels"][:1, :, 2:6, 2:6], "dates": odd["s1"]["dates"][:1]}
    with pytest.raises(ValueError, match=r"^s1\.pixels: cannot reshape"):
        codec.decode(Codec(other).encode(odd))


def test_features_stored_otherwise_are_refused():
    with pytest.raises(ValueError, match=r"^a/b: expected text or an array stored as bytes, found Tensor"):
        Codec({"a": {"b": tfds.features.Tensor(shape=(2,), dtype=np.float32)}})


@pytest.mark.parametrize("fields", [[("s1", "pixels"), ("cover",)], [("s1", "pixels"), ("s2", "mask")]], ids=str)
@pytest.mark.parametrize("tile", TILES)
def test_records_with_common_fields_are_encoded_as_each_alone(described, tile, fields):
    codec, shared, rng = Codec(described), record(3, tile), np.random.default_rng(0)
    alone = [shared | {"s1": dict(shared["s1"]), "s2": dict(shared["s2"])} for _ in range(4)]
    for made in alone:
        for *outer, name in fields:
            part = made[outer[0]] if outer else made
            part[name] = rng.integers(0, 100, part[name].shape).astype(part[name].dtype)
    own = {path: np.stack([made[path[0]][path[1]] if path[1:] else made[path[0]] for made in alone]) for path in fields}
    assert list(codec.encode_all(shared, own)) == [codec.encode(made) for made in alone]
