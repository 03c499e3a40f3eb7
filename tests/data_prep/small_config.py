"""Any config with the smallest of models: `--config=tests/data_prep/small_config.py:pastis_hd.runlocal`."""

import importlib

from ml_collections import ConfigDict

from mmae_jax.config import to_plain
from mmae_jax.spec import Architecture

SMALL = Architecture(16, 2, 1, 16, 1, 16, 1, 1, 16, 1)


def get_config(name: str) -> ConfigDict:
    """Returns configuration `name`, FILE.ARGUMENT, with as little to compile as there can be."""
    file, argument = name.split(".")
    config = importlib.import_module(f"configs.{file}").get_config(argument)
    shrink(config)
    return config


def shrink(config: ConfigDict) -> None:
    """Replaces the model by the smallest."""
    with config.ignore_type():  # there it is a name
        config.model.architecture = to_plain(SMALL)
    config.model.inter_depth = 0
    config.logging.images = 1
    config.data.workers = 0  # reader processes import JAX, anew in each phase
    for phase in config.phases:
        config[phase].epochs = 1
