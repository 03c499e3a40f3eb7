"""Shards open as a TFDS data source and hold what the raw files hold."""

import tensorflow_datasets as tfds


def test_shards_open_without_tensorflow(synthetic_shards):
    builder = tfds.builder_from_directory(synthetic_shards)
    assert {split: len(builder.as_data_source(split)) for split in ("train", "val", "test")} == {
        "train": 12,
        "val": 3,
        "test": 3,
    }
