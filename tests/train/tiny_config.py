"""A run on made-up TreeSatAI-TS that takes seconds: `--config=tests/train/tiny_config.py --config.data.dir=SHARDS`."""

from ml_collections import ConfigDict

from configs import treesatai_ts
from mmae_jax.config import to_plain
from mmae_jax.spec import Architecture

TINY = Architecture(16, 2, 2, 8, 2, 16, 1, 2, 8, 2)


def get_config() -> ConfigDict:
    """Returns `configs/treesatai_ts.py:runlocal` with two modalities and the smallest of models."""
    config = treesatai_ts.get_config("runlocal")
    del config.inputs.aerial
    del config.inputs.s1_des
    config.inputs.s2.num_dates = 2
    config.inputs.s1_asc.num_dates = 2
    config.data.prefetch = 2
    with config.ignore_type():  # there it is a name
        config.model.architecture = to_plain(TINY)
    config.model.inter_depth = 1
    config.model.grid_pos_enc = 3
    for name in config.phases:
        config[name].batch_size = 4
    config.logging.checkpoint_every_steps = 2
    return config
