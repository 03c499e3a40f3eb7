"""A small made-up dataset with every trait a record can have, as records and as shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from immutabledict import immutabledict

from data_prep.shards.records import features
from mmae_jax import contract, spec

CLASSES = ("oak", "beech", "pine")
DATASET = spec.Dataset(
    name="example",
    version="1.0.0",
    tile_meters=80.0,
    modalities=immutabledict(
        aerial=spec.Modality(("nir", "red", "green"), "uint8", "digital number", 2.5, size=32, frame=2),
        s2=spec.Modality(
            ("blue", "red"), "uint16", "reflectance", 10.0, size=8, nodata=0.0, mask_channels=("snow", "cloud")
        ),
        s1=spec.Modality(("vv", "vh"), "float32", "sigma0", 10.0, size=8),
    ),
    targets=immutabledict(
        species=spec.Target("multilabel", CLASSES, "proportions", threshold=0.07),
        main=spec.Target("classif", CLASSES, "main"),
        cover=spec.Target("segment", CLASSES, "cover", size=16),
    ),
)
TARGET_FIELDS = {"proportions": ((3,), "float32"), "main": ((), "int32"), "cover": ((16, 16), "uint8")}


def experiment(directory: Path | str = "", **data: Any) -> spec.Experiment:
    """Returns an experiment on `DATASET`; `data` overrides fields of `spec.Data`."""
    phase = spec.Phase(epochs=1, batch_size=4, base_lr=1e-3)
    return spec.Experiment(
        seed=7,
        dataset=DATASET,
        data=spec.Data(**{"dir": str(directory), "workers": 0, "crop_meters": 40.0, "repeats": 2} | data),
        inputs=immutabledict(
            aerial=spec.Input((("red",), ("nir", "green")), image_size=16, patch_size=8),
            s2=spec.Input((("blue", "red"),), image_size=4, patch_size=2, num_dates=3),
            s1=spec.Input((("vv", "vh"),), image_size=4, patch_size=2, num_dates=2),
        ),
        targets=("species", "main", "cover"),
        model=spec.Model(spec.ARCHITECTURES["tiny"], ref_input="aerial"),
        mask=spec.Mask(),
        loss="l1_norm",
        phases=("pretrain",),
        pretrain=dataclasses.replace(phase, train_splits=("train", "val")),
        probe=phase,
        finetune=phase,
        ema=False,
        mesh=spec.Mesh(),
        logging=spec.Logging(),
    )


def record(seed: int, *, num_s2: int = 11, num_s1: int = 5) -> dict[str, Any]:
    """Returns a complete record; aerial, s1 and cover show the same scene, so that crops can be compared."""
    rng = np.random.default_rng(seed)
    scene = rng.permutation(64).reshape(8, 8).astype(np.uint8)  # one value per cell of the common grid
    days = np.arange(365, dtype=np.int16)

    def dates(number: int) -> np.ndarray:
        return np.stack(
            [np.full(number, 2019), np.sort(rng.permutation(days)[:number]) + 1, np.zeros(number)], 1
        ).astype("int16")

    return {
        "name": f"tile_{seed}",
        "crs": "",
        "transform": np.arange(6.0),
        "ref_date": np.array([2019, 182, 0], np.int16),
        "aerial": {
            "pixels": np.pad(scene.repeat(4, 0).repeat(4, 1), 2)[None, None] * np.ones((1, 3, 1, 1), np.uint8)
            + np.arange(3, dtype=np.uint8)[:, None, None],
            "dates": np.array([[2018, seed + 1, 0]], np.int16),
        },
        "s2": {
            "pixels": rng.integers(1, 9000, (num_s2, 2, 8, 8)).astype(np.uint16),
            "dates": dates(num_s2),
            "mask": (rng.integers(0, 100, (num_s2, 2, 8, 8)) * (rng.random((num_s2, 2, 1, 1)) < 0.3)).astype(np.uint8),
        },
        "s1": {
            "pixels": scene + np.arange(num_s1 * 2, dtype=np.float32).reshape(num_s1, 2, 1, 1) * 100,
            "dates": dates(num_s1),
        },
        "proportions": rng.dirichlet(np.ones(3)).astype(np.float32),
        "main": np.int32(rng.integers(3)),
        "cover": scene.repeat(2, 0).repeat(2, 1).astype(np.uint8),
    }


def write(directory: Path, splits: dict[str, Sequence[Sequence[dict[str, Any]]]]) -> Path:
    """Writes the records of each split, shard by shard, with metadata and contract; returns the folder."""
    directory.mkdir()
    encoder = features(DATASET, TARGET_FIELDS)
    infos = []
    for split, shards in splits.items():
        template = tfds.core.ShardedFileTemplate(
            directory, dataset_name=DATASET.name, split=split, filetype_suffix="array_record"
        )
        for index, records in enumerate(shards):
            path = template.sharded_filepath(shard_index=index, num_shards=len(shards))
            writer = ArrayRecordWriter(str(path), "group_size:1")
            for item in records:
                writer.write(encoder.serialize_example(item))
            writer.close()
        lengths = [len(records) for records in shards]
        infos.append(tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=0, filename_template=template))
    tfds.folder_dataset.write_metadata(
        data_dir=directory, features=encoder, split_infos=infos, version=DATASET.version, check_data=False
    )
    contract.write_contract(DATASET, directory)
    return directory
