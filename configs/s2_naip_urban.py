"""MAESTRO on the urban tiles of S2-NAIP: pretraining on American cities, without labels.

The published setting (arXiv 2508.10894): 15 epochs over train, val and test together, 167,397 tiles × 25 crops of
120 m; base model, 331 M parameters, 1360 tokens a sample, 100.4 GFLOP forward. There is no downstream score: the
weights start other experiments (`--config.init_from`).

    python -m data_prep s2_naip_urban --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/s2_naip_urban.py --config.data.dir=SHARDS --workdir=RUN

Shards prepared with `--split=all` have one split: add `--config.pretrain.train_splits="('train',)"`. Two differences on
purpose: images are in chronological order, so that date bins are periods of time, and the aerial image is dated by its
flight instead of its processing. `--config=configs/s2_naip_urban.py:runlocal` shrinks it to a laptop; with `:landsat`
instead, shards prepared with `--landsat` are trained on all their sensors.
"""

from ml_collections import ConfigDict

from configs import common
from data_prep.datasets.s2_naip_urban.contract import CONTRACT, CONTRACT_WITH_LANDSAT
from mmae_jax.config import to_plain


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty, `runlocal` or `landsat`."""
    common.check_argument("s2_naip_urban", arg, "landsat", "runlocal")
    config = common.experiment(CONTRACT)
    config.data.update(crop_meters=120.0, repeats=5)
    config.inputs = dict(
        aerial=dict(bands=[["NIR", "R", "G", "B"]], norm_bands=[1, 3], image_size=384, patch_size=16, norm_fac=255.0),
        # the aerial image once more, as if seen by a satellite of 0.9 m
        spot=dict(bands=[["R", "G", "B"]], image_size=128, patch_size=16, norm_fac=255.0, stored_as="aerial"),
        s2=common.sentinel2(image_size=12, norm_fac=5000.0),
        s1=common.sentinel1(image_size=12, norm_fac=20.0),
    )
    config.model.grid_pos_enc = 192
    config.pretrain.update(epochs=15, train_splits=("train", "val", "test"))
    if arg == "landsat":
        config.dataset = to_plain(CONTRACT_WITH_LANDSAT)
        config.inputs.landsat = dict(
            bands=[config.dataset.modalities.landsat.bands], image_size=12, patch_size=2, num_dates=16, norm_fac=5000.0
        )
    if arg == "runlocal":
        _shrink(config)
    return config


def _shrink(config: ConfigDict) -> None:
    common.shrink(config, epochs=2, batch_size=4)
    config.data.repeats = 1
    config.inputs.aerial.update(image_size=96, patch_size=16)
    config.inputs.spot.update(image_size=48, patch_size=16)
    config.inputs.s2.num_dates = 4
    config.inputs.s1.num_dates = 2
