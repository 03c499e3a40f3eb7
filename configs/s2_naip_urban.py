"""MAESTRO on the urban tiles of S2-NAIP: pretraining on American cities, without labels.

The published setting (arXiv 2508.10894): 15 epochs over train, val and test together, 167,397 tiles × 25 crops of
120 m; base model, 331 M parameters, 1360 tokens a sample, 100.4 GFLOP forward. There is no downstream score: the
weights start other experiments (`--config.init_from`).

    python -m data_prep s2_naip_urban --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax.main --config=configs/s2_naip_urban.py --config.data.dir=SHARDS --workdir=RUN

Shards prepared with `--split=all` have one split: add `--config.pretrain.train_splits="('train',)"`. Two differences on
purpose: images are in chronological order, so that date bins are periods of time, and the aerial image is dated by its
flight instead of its processing. `--config=configs/s2_naip_urban.py:runlocal` shrinks it to a laptop; with `:landsat`
instead, shards prepared with `--landsat` are trained on all their sensors.
"""

from ml_collections import ConfigDict, config_dict

from data_prep.s2_naip_sensors import CONTRACT, CONTRACT_WITH_LANDSAT
from mmae_jax.config import to_plain


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty, `runlocal` or `landsat`."""
    config = ConfigDict()
    config.seed = 42
    config.dataset = to_plain(CONTRACT)
    config.data = dict(
        dir="", workers=8, prefetch=16, crop_meters=120.0, repeats=5, random_dates=True, augment=True, allow=()
    )
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "R", "G", "B"]], norm_bands=[1, 3], image_size=384, patch_size=16, norm_fac=255.0),
        # the aerial image once more, as if seen by a satellite of 0.9 m
        spot=dict(bands=[["R", "G", "B"]], image_size=128, patch_size=16, norm_fac=255.0, stored_as="aerial"),
        s2=dict(
            bands=[["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]],
            norm_bands=[4, 4, 2],
            image_size=12,
            patch_size=2,
            num_dates=16,
            norm_fac=5000.0,
        ),
        s1=dict(bands=[["VV", "VH"]], norm_bands=[1, 1], image_size=12, patch_size=2, num_dates=4, norm_fac=20.0),
    )
    config.targets = ()
    config.model = dict(
        architecture="base",
        fusion="group",
        inter_depth=3,
        interpolate="nearest",
        head="attentive",
        date_encoding=True,
        grid_pos_enc=192,
        dtype="bfloat16",
        remat="none",
    )
    config.mask = dict(ratio=0.75, scale=0.0, mod=0.25, bands=0.0, dates=0.25, loc=0.25)
    config.loss = "l1_norm"
    config.ema = True
    config.phases = ("pretrain",)
    config.pretrain = dict(epochs=15, batch_size=32, base_lr=3e-5, train_splits=("train", "val", "test"))
    config.probe = dict(epochs=10, batch_size=32, base_lr=1e-5)
    config.finetune = dict(epochs=50, batch_size=32, base_lr=1e-5, final_factor=2.0)
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
    elif arg == "landsat":
        config.dataset = to_plain(CONTRACT_WITH_LANDSAT)
        config.inputs.landsat = dict(
            bands=[config.dataset.modalities.landsat.bands], image_size=12, patch_size=2, num_dates=16, norm_fac=5000.0
        )
    elif arg:
        raise ValueError(f"configs/s2_naip_urban.py: expected no argument, landsat or runlocal, found {arg!r}")
    return config


def _shrink(config: ConfigDict) -> None:
    config.data.update(workers=0, prefetch=4, repeats=1)
    config.inputs.aerial.update(image_size=96, patch_size=16)
    config.inputs.spot.update(image_size=48, patch_size=16)
    config.inputs.s2.num_dates = 4
    config.inputs.s1.num_dates = 2
    config.model.update(architecture="tiny", dtype="float32")
    config.pretrain.update(epochs=2, batch_size=4)
    config.logging.update(every_steps=1)
