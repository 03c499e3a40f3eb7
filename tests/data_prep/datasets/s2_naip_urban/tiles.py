"""How tests prepare and read S2-NAIP tiles."""

from __future__ import annotations

import argparse
from pathlib import Path

from configs.s2_naip_urban import get_config
from data_prep.__main__ import main
from data_prep.datasets.s2_naip_urban import read as s2_naip_urban
from mmae_jax import config
from mmae_jax.data.shards import open_shards

SPLITS = ("train", "val", "test")
LAYOUTS = ("published", "archives", "stacked")
WITHOUT_LANDSAT, FEW_S2, WITHOUT_S1 = 4, 3, 6
"""Numbers of made-up tiles that lack something."""


def prepare(*arguments: str) -> None:
    assert main(arguments) == 0


def source(*arguments: str):
    parser = argparse.ArgumentParser()
    s2_naip_urban.add_arguments(parser)
    return s2_naip_urban.source(parser.parse_args(arguments))


def read(raw_dir: Path, number: int = 0, *arguments: str):
    prepared = source(*arguments)
    tiles = [tile for split in prepared.list_tiles(raw_dir).values() for tile in split]
    return prepared.read_tile(raw_dir, tiles[number])


def experiment(directory: Path):
    fields = get_config()
    fields.data.dir = str(directory)
    return config.experiment_from_config(fields)


def whole_tiles(directory: Path) -> dict[str, dict]:
    tiles = open_shards(experiment(directory)).source(SPLITS)
    records = [tiles[index].read((0, 0), 64) for index in range(len(tiles))]
    return {record["name"].decode(): record for record in records}
