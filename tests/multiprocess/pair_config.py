"""The smallest run there is, for tests that start it often: `tests/train/tiny_config.py` on one modality, one phase."""

from ml_collections import ConfigDict

from tests.train import tiny_config


def get_config() -> ConfigDict:
    """Returns a pretraining of 20 epochs of 3 steps, without figures before its end."""
    config = tiny_config.get_config()
    del config.inputs.s1_asc
    config.phases = ("pretrain",)
    config.pretrain.epochs = 20
    return config
