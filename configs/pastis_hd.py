"""MAESTRO on PASTIS-HD: 19 crop classes by pixel from a SPOT image and a year of Sentinel-1 and -2.

Published result of this setting (arXiv 2508.10894): mean IoU 68.6 % on the test split after pretraining of 100 epochs,
64.5 % without; base model, 254 M parameters, 1636 tokens a sample, 123 GFLOP forward in pretraining, 343 in finetuning.
An epoch is 64 crops of 160 m a tile.

    python -m data_prep pastis_hd --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax.main --config=configs/pastis_hd.py --config.data.dir=SHARDS --workdir=RUN

The first needs the split files of that publication; `--fold=1` takes the dataset's own cross-validation instead.
`--config=configs/pastis_hd.py:runlocal` shrinks it to a laptop. `--config.phases="('finetune',)"` is the baseline
without self-supervised pretraining.
"""

from ml_collections import ConfigDict, config_dict

from data_prep.pastis_hd import CONTRACT
from mmae_jax.config import to_plain


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    config = ConfigDict()
    config.seed = 42
    config.dataset = to_plain(CONTRACT)
    config.data = dict(
        dir="", workers=8, prefetch=16, crop_meters=160.0, repeats=8, random_dates=True, augment=True, allow=()
    )
    config.inputs = dict(
        spot=dict(bands=[["R", "G", "B"]], image_size=160, patch_size=16, norm_fac=255.0),
        s2=dict(
            bands=[["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]],
            norm_bands=[4, 4, 2],
            image_size=16,
            patch_size=2,
            num_dates=16,
            norm_fac=10000.0,
        ),
    )
    for name in ("s1_asc", "s1_des"):
        config.inputs[name] = dict(
            bands=[["VV", "VH"]],
            norm_bands=[1, 1],
            image_size=16,
            patch_size=2,
            num_dates=4,
            norm_fac=20.0,
            name_group="s1",
        )
    config.targets = ("pastis_seg",)
    config.model = dict(
        architecture="base",
        fusion="group",
        inter_depth=3,
        interpolate="nearest",
        head="attentive",
        date_encoding=True,
        grid_pos_enc=256,
        ref_input="s2",
        dtype="bfloat16",
        remat="none",
    )
    config.mask = dict(ratio=0.75, scale=0.0, mod=0.25, bands=0.0, dates=0.25, loc=0.25)
    config.loss = "l1_norm"
    config.ema = True
    config.phases = ("pretrain", "probe", "finetune")
    config.pretrain = dict(epochs=100, batch_size=32, base_lr=3e-5, train_splits=("train", "val"))
    config.probe = dict(epochs=10, batch_size=32, base_lr=1e-5)
    config.finetune = dict(
        epochs=50, batch_size=32, base_lr=1e-5, final_factor=2.0, monitor="pastis_seg/average_iou", patience=5
    )
    config.init_from = config_dict.placeholder(str)
    config.mesh = dict(data=-1, fsdp=1, tensor=1)
    config.logging = dict(
        every_steps=50,
        checkpoint_every_steps=1000,
        checkpoint_every_minutes=30.0,
        keep_checkpoints=2,
        images=4,
        peak_tflops=config_dict.placeholder(float),
    )
    config.profile = ()

    if arg == "runlocal":
        _shrink(config)
    elif arg:
        raise ValueError(f"configs/pastis_hd.py: expected no argument or runlocal, found {arg!r}")
    return config


def _shrink(config: ConfigDict) -> None:
    config.data.update(workers=0, prefetch=4)
    config.inputs.spot.update(image_size=80, patch_size=20)
    config.inputs.s2.update(patch_size=4, num_dates=4)
    for name in ("s1_asc", "s1_des"):
        config.inputs[name].update(patch_size=4, num_dates=2)
    config.model.update(architecture="tiny", dtype="float32")
    for name in config.phases:
        config[name].update(epochs=1, batch_size=4)
    config.logging.update(every_steps=1)
