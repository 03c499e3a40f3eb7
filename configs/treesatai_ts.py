"""MAESTRO on TreeSatAI-Time-Series: 15 tree genera from aerial images and a year of Sentinel-1 and -2.

Published result of this setting (arXiv 2508.10894): weighted F1 78.8 % on the test split after pretraining of 100
epochs, 75.6 % without; base model, 255 M parameters, 441 tokens a sample, 31.5 GFLOP forward in pretraining, 80.4 in
finetuning.

    python -m data_prep treesatai_ts --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax.main --config=configs/treesatai_ts.py --config.data.dir=SHARDS --workdir=RUN

`--config=configs/treesatai_ts.py:runlocal` shrinks it to a laptop. `--config.phases="('finetune',)"` is the baseline
without self-supervised pretraining.
"""

from ml_collections import ConfigDict, config_dict

from data_prep.treesatai_ts import CONTRACT
from mmae_jax.config import to_plain


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty or `runlocal`."""
    config = ConfigDict()
    config.seed = 42
    config.dataset = to_plain(CONTRACT)
    config.data = dict(dir="", workers=8, prefetch=16, random_dates=True, augment=True, allow=())
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "G", "B", "R"]], norm_bands=[1, 3], image_size=300, patch_size=20, norm_fac=255.0),
        s2=dict(
            bands=[["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]],
            norm_bands=[4, 4, 2],
            image_size=6,
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
            image_size=6,
            patch_size=2,
            num_dates=4,
            norm_fac=5.0,
            log_scale=True,
            name_group="s1",
        )
    config.targets = ("treesat_mlc_thresh",)
    config.model = dict(
        architecture="base",
        fusion="group",
        inter_depth=3,
        interpolate="nearest",
        head="attentive",
        date_encoding=True,
        grid_pos_enc=96,
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
        epochs=50,
        batch_size=32,
        base_lr=1e-5,
        final_factor=2.0,
        monitor="treesat_mlc_thresh/weighted_f1",
        patience=5,
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
        raise ValueError(f"configs/treesatai_ts.py: expected no argument or runlocal, found {arg!r}")
    return config


def _shrink(config: ConfigDict) -> None:
    config.data.update(workers=0, prefetch=4)
    config.inputs.aerial.update(image_size=60, patch_size=20)
    config.inputs.s2.num_dates = 8
    config.model.update(architecture="tiny", dtype="float32")
    for name in config.phases:
        config[name].update(epochs=2, batch_size=4)
    config.logging.update(every_steps=1)
