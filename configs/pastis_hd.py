"""MAESTRO on PASTIS-HD: 19 crop classes by pixel from a SPOT image and a year of Sentinel-1 and -2.

Published result of this setting (arXiv 2508.10894): mean IoU 68.6 % on the test split after pretraining of 100 epochs,
64.5 % without; base model, 254 M parameters, 1636 tokens a sample, 123 GFLOP forward in pretraining, 343 in finetuning.
An epoch is 64 crops of 160 m a tile.

    python -m data_prep pastis_hd --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/pastis_hd.py --config.data.dir=SHARDS --workdir=RUN

The first needs the split files of that publication; `--fold=1` takes the dataset's own cross-validation instead.
`--config=configs/pastis_hd.py:runlocal` shrinks it to a laptop. `--config.phases="('finetune',)"` is the baseline
without self-supervised pretraining.
"""

from ml_collections import ConfigDict

from configs import common
from data_prep.datasets.pastis_hd.contract import CONTRACT


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    common.check_argument("pastis_hd", arg, "runlocal")
    config = common.experiment(CONTRACT, "pastis_seg", monitor="average_iou")
    config.data.update(crop_meters=160.0, repeats=8)
    config.inputs = dict(
        spot=dict(bands=[["R", "G", "B"]], image_size=160, patch_size=16, norm_fac=255.0),
        s2=common.sentinel2(image_size=16, norm_fac=10000.0),
        **common.sentinel1_orbits(image_size=16, norm_fac=20.0),
    )
    config.model.update(grid_pos_enc=256, ref_input="s2")
    if arg == "runlocal":
        _shrink(config)
    return config


def _shrink(config: ConfigDict) -> None:
    common.shrink(config, epochs=1, batch_size=4)
    config.inputs.spot.update(image_size=80, patch_size=20)
    config.inputs.s2.update(patch_size=4, num_dates=4)
    for name in ("s1_asc", "s1_des"):
        config.inputs[name].update(patch_size=4, num_dates=2)
