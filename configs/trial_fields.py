"""Crops on made-up trial fields whose truth is set: on them, experiments about models are tried (docs/claims.md).

A model of 0.1 M parameters; some seconds a run without an accelerator. Which score to expect depends on what is set.

    python -m data_prep synthetic trial_fields --out_dir=RAW --tiles=1600 --told_by=order
    python -m data_prep trial_fields --raw_dir=RAW --out_dir=SHARDS
    python -m mmae_jax train --config=configs/trial_fields.py --config.data.dir=SHARDS --workdir=RUN

`--config=configs/trial_fields.py:s2` takes some of the sensors, here Sentinel-2 alone; `:runlocal` only shows that
everything runs.
"""

from ml_collections import ConfigDict

from configs import common
from data_prep.datasets.trial_fields.contract import CONTRACT, GROUPS, S2_BANDS

MEAN = [800.0] * 3 + [3000.0] * 3 + [2000.0] * 2
STD = [120.0] * 3 + [450.0] * 3 + [240.0] * 2
SENSORS = ("s2", "s1_asc", "s1_des", "aerial")


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is empty, names of sensors with commas, or `runlocal`."""
    small = arg == "runlocal"
    names = tuple(arg.split(",")) if arg and not small else SENSORS
    for name in names:
        common.check_argument("trial_fields", name, *SENSORS, "runlocal")
    config = common.experiment(CONTRACT, "crop", monitor="overall_accuracy")
    inputs = _inputs()
    config.inputs = {name: inputs[name] for name in names}
    config.data.update(workers=0, prefetch=2)
    del config.model["architecture"]  # a name there, fields here
    config.model.architecture = dict(
        embed_dim=48,
        depth=3,
        heads=3,
        dim_head=16,
        mlp_ratio=2.0,
        decoder_dim=48,
        decoder_depth=1,
        decoder_heads=3,
        decoder_dim_head=16,
        decoder_mlp_ratio=2.0,
    )
    config.model.update(fusion="mod", inter_depth=1, dtype="float32")
    config.pretrain.update(epochs=30, batch_size=64, base_lr=4e-4, evaluate_every=30, train_splits=("train",))
    config.probe.update(epochs=20, batch_size=64, base_lr=1e-3, evaluate_every=20)
    config.finetune.update(epochs=20, batch_size=64, base_lr=4e-4, evaluate_every=20)
    del config.finetune["monitor"], config.finetune["patience"]  # the last epoch, so that as many steps are compared
    config.logging = dict(every_steps=100, images=0, keep_checkpoints=1)
    if small:
        for name in config.phases:
            config[name].update(epochs=1, batch_size=8)
        config.logging.update(every_steps=1)
    return config


def _inputs() -> dict[str, dict[str, object]]:
    series = dict(image_size=4, patch_size=4, num_dates=12)
    radar = dict(bands=[["VV", "VH"]], norm_bands=[1, 1], mean=[-9.0, -15.0], std=[3.0, 3.0], **series)
    return dict(
        s2=dict(bands=[list(S2_BANDS)], norm_bands=list(GROUPS), mean=MEAN, std=STD, **series),
        s1_asc=dict(name_group="s1", **radar),
        s1_des=dict(name_group="s1", **radar),
        aerial=dict(
            bands=[["NIR", "R", "G", "B"]],
            norm_bands=[1, 3],
            image_size=8,
            patch_size=4,
            mean=[110.0] * 4,
            std=[30.0] * 4,
        ),
    )
