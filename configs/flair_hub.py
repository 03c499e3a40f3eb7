"""MAESTRO on FLAIR-HUB: 15 land cover classes by pixel from aerial images, elevation and a year of Sentinel-1 and -2.

Published result of this setting (arXiv 2508.10894): mean IoU 65.9 % on the test split after pretraining of 100 epochs,
62.1 % without; base model, 336 M parameters, 1880 tokens a sample, 144 GFLOP forward in pretraining, 460 in finetuning.
A sample is 2.4 MB on the host.

    python -m data_prep flair_hub --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/flair_hub.py --config.data.dir=SHARDS --workdir=RUN

The first needs the split files of that publication; `--official_split=split_1` takes the publisher's own split instead.
`--config=configs/flair_hub.py:runlocal` shrinks it to a laptop. `--config.phases="('finetune',)"` is the baseline
without self-supervised pretraining.
"""

from ml_collections import ConfigDict

from configs import common
from data_prep.datasets.flair_hub.contract import CONTRACT


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    common.check_argument("flair_hub", arg, "runlocal")
    config = common.experiment(CONTRACT, "cosia", monitor="average_iou")
    config.data.crop_meters = 102.4
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "R", "G", "B"]], norm_bands=[1, 3], image_size=512, patch_size=16, norm_fac=255.0),
        dem=dict(bands=[["DSM", "DTM"]], image_size=512, patch_size=32, norm_fac=1000.0, rescale_elev=True),
        s2=common.sentinel2(image_size=10, norm_fac=5000.0),
        **common.sentinel1_orbits(image_size=10, norm_fac=5.0, log_scale=True),
    )
    # Without recomputation, 16 samples would need 47 GB for the attention among 1024 aerial tokens.
    config.model.update(grid_pos_enc=160, ref_input="aerial", remat="full")
    config.probe.epochs = 15
    config.finetune.epochs = 100
    if arg == "runlocal":
        _shrink(config)
    return config


def _shrink(config: ConfigDict) -> None:
    common.shrink(config, epochs=1, batch_size=2)
    config.inputs.aerial.update(image_size=128, patch_size=16)
    config.inputs.dem.update(image_size=128, patch_size=32)
    config.inputs.s2.update(patch_size=5, num_dates=4)
    for name in ("s1_asc", "s1_des"):
        config.inputs[name].update(patch_size=5, num_dates=2)
    del config.model.grid_pos_enc  # the least common multiple of the grids
