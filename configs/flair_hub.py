"""MAESTRO on FLAIR-HUB: 15 land cover classes by pixel from aerial images, elevation and a year of Sentinel-1 and -2.

Published result of this setting (arXiv 2508.10894): mean IoU 65.9 % on the test split after pretraining of 100 epochs,
62.1 % without; base model, 336 M parameters, 1880 tokens a sample, 144 GFLOP forward in pretraining, 460 in finetuning.
A sample is 2.4 MB on the host.

    python -m data_prep flair_hub --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax.main --config=configs/flair_hub.py --config.data.dir=SHARDS --workdir=RUN

The first needs the split files of that publication; `--official_split=split_1` takes the publisher's own split instead.
`--config=configs/flair_hub.py:runlocal` shrinks it to a laptop. `--config.phases="('finetune',)"` is the baseline
without self-supervised pretraining.
"""

from ml_collections import ConfigDict, config_dict

from data_prep.flair_hub import CONTRACT
from data_prep.flair_hub_contract import S2_BANDS
from mmae_jax.config import to_plain


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    config = ConfigDict()
    config.seed = 42
    config.dataset = to_plain(CONTRACT)
    config.data = dict(dir="", workers=8, prefetch=16, crop_meters=102.4, random_dates=True, augment=True, allow=())
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "R", "G", "B"]], norm_bands=[1, 3], image_size=512, patch_size=16, norm_fac=255.0),
        dem=dict(bands=[["DSM", "DTM"]], image_size=512, patch_size=32, norm_fac=1000.0, rescale_elev=True),
        s2=dict(
            bands=[list(S2_BANDS)],
            norm_bands=[4, 4, 2],
            image_size=10,
            patch_size=2,
            num_dates=16,
            norm_fac=5000.0,
            mask_threshold=0.0,
        ),
    )
    for name in ("s1_asc", "s1_des"):
        config.inputs[name] = dict(
            bands=[["VV", "VH"]],
            norm_bands=[1, 1],
            image_size=10,
            patch_size=2,
            num_dates=4,
            norm_fac=5.0,
            log_scale=True,
            name_group="s1",
        )
    config.targets = ("cosia",)
    config.model = dict(
        architecture="base",
        fusion="group",
        inter_depth=3,
        interpolate="nearest",
        head="attentive",
        date_encoding=True,
        grid_pos_enc=160,
        ref_input="aerial",
        dtype="bfloat16",
        remat="none",
    )
    config.mask = dict(ratio=0.75, scale=0.0, mod=0.25, bands=0.0, dates=0.25, loc=0.25)
    config.loss = "l1_norm"
    config.ema = True
    config.phases = ("pretrain", "probe", "finetune")
    config.pretrain = dict(epochs=100, batch_size=32, base_lr=3e-5, train_splits=("train", "val"))
    config.probe = dict(epochs=15, batch_size=32, base_lr=1e-5)
    config.finetune = dict(
        epochs=100, batch_size=32, base_lr=1e-5, final_factor=2.0, monitor="cosia/average_iou", patience=5
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
        raise ValueError(f"configs/flair_hub.py: expected no argument or runlocal, found {arg!r}")
    return config


def _shrink(config: ConfigDict) -> None:
    config.data.update(workers=0, prefetch=4)
    config.inputs.aerial.update(image_size=128, patch_size=16)
    config.inputs.dem.update(image_size=128, patch_size=32)
    config.inputs.s2.update(patch_size=5, num_dates=4)
    for name in ("s1_asc", "s1_des"):
        config.inputs[name].update(patch_size=5, num_dates=2)
    config.model.update(architecture="tiny", dtype="float32", grid_pos_enc=None)
    for name in config.phases:
        config[name].update(epochs=1, batch_size=2)
    config.logging.update(every_steps=1)
