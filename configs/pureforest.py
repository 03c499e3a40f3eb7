"""Trees of 13 kinds in PureForest, from an aerial image and a height model made of the lidar points.

Not an experiment of MAESTRO's paper: it shows two sensors of one date each, one of them a height model, on a published
benchmark. The published baselines (arXiv 2404.12064) reach an overall accuracy around 80 % on the test split from the
full point clouds, and less from the images; expect this setting between guessing oak always (53 %) and them. Base
model, 725 tokens a sample.

    python -m data_prep pureforest --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/pureforest.py --config.data.dir=SHARDS --workdir=RUN

`--config=configs/pureforest.py:runlocal` shrinks it to a laptop. Acquisition dates are not published: dates are not
encoded.
"""

from ml_collections import ConfigDict

from configs import common
from data_prep.datasets.pureforest.contract import CONTRACT


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    common.check_argument("pureforest", arg, "runlocal")
    config = common.experiment(CONTRACT, "tree_class", monitor="overall_accuracy")
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "R", "G", "B"]], norm_bands=[1, 3], image_size=250, patch_size=10, norm_fac=255.0),
        height=dict(
            bands=[["DSM", "DTM"]],
            norm_bands=[1, 1],
            image_size=100,
            patch_size=10,
            norm_fac=1000.0,
            rescale_elev=True,
        ),
    )
    config.model.update(date_encoding=False, grid_pos_enc=50)
    if arg == "runlocal":
        _shrink(config)
    return config


def _shrink(config: ConfigDict) -> None:
    common.shrink(config, epochs=2, batch_size=4)
    config.inputs.aerial.update(image_size=50, patch_size=10)
    config.inputs.height.update(image_size=50, patch_size=10)
