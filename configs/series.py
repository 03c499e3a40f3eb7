"""Series of single pixels, as `python -m data_prep series` prepares them: a small model of all sensors and dates.

Settings found on 1,862 labelled places in Canada, 9 crops, 18 months of Sentinel-2 and -1, on two folds with one seed
(docs/series.md has the figures): weighted F1 0.79 and 0.76 with all labels, where a linear model has 0.80 and 0.78;
0.71 and 0.69 with a tenth of them (linear 0.66 and 0.67, without pretraining 0.66 and 0.57). The model has 0.14 M
parameters; pretraining takes about a minute on one idle core, finetuning half a minute.

`data_prep series` ends by printing a config that uses `experiment` for its shards: save it as my_config.py, then

    python -m mmae_jax train --config=my_config.py --workdir=RUN

With few labels: `--config.finetune.label_fraction=0.1 --config.finetune.epochs=6 --config.finetune.base_lr=3e-4`, as
longer training learns them by heart. This file by itself has sensors of an example, to show the settings:
`python -m mmae_jax config configs/series.py`; its argument `runlocal` only shows that everything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immutabledict import immutabledict
from ml_collections import ConfigDict

from configs import common
from mmae_jax.spec import Dataset, Modality, Target

EXAMPLE = Dataset(
    name="fields",
    version="1.0.0",
    tile_meters=10.0,
    modalities=immutabledict(
        s2=Modality(("B02", "B03", "B04", "B08", "B11"), "uint16", "reflectance", 10.0, size=1, scale=1e-4),
        s1=Modality(("VV", "VH"), "float32", "sigma0, dB", 10.0, size=1, decibel=True),
    ),
    targets=immutabledict(crop=Target("classif", ("wheat", "maize", "other"), "crop")),
)
EXAMPLE_INPUTS = dict(
    s2=dict(
        num_dates=18,
        log_scale=True,
        mean=[7.63, 7.79, 7.80, 8.37, 7.73],
        std=[1.15, 0.93, 0.97, 0.50, 0.52],
    ),
    s1=dict(num_dates=18, mean=[-10.4, -18.2], std=[2.4, 2.7]),
)


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment of the example; `arg` is empty or `runlocal`."""
    common.check_argument("series", arg, "runlocal")
    return experiment(EXAMPLE, EXAMPLE_INPUTS, arg)


def experiment(dataset: Dataset, inputs: Mapping[str, Mapping[str, Any]], arg: str | None = None) -> ConfigDict:
    """Returns the experiment of a table of places.

    Args:
      dataset: contract of the shards, with images of 1 × 1 pixel.
      inputs: modality → `num_dates`, `mean`, `std` and what else differs from the defaults of an input.
      arg: `runlocal` shrinks the experiment.
    """
    config = common.experiment(dataset)
    config.data.update(workers=0, prefetch=2)  # reader processes take longer to start than single pixels to be read
    config.inputs = {name: _input(dataset.modalities[name], fields) for name, fields in inputs.items()}
    config.targets = tuple(dataset.targets)
    config.phases = ("pretrain", "finetune") if dataset.targets else ("pretrain",)
    del config.model["architecture"]  # a name there, fields here
    config.model.architecture = _architecture()
    config.model.update(inter_depth=0, dtype="float32")
    config.loss = "l2"  # normalising the few bands of one pixel would take away their level
    config.mask = dict(loc=0.0)  # there is one position
    config.pretrain = dict(epochs=60, batch_size=64, base_lr=5e-4)
    config.probe = dict(epochs=10, batch_size=64, base_lr=1e-3)
    config.finetune = dict(epochs=16, batch_size=64, base_lr=6e-4)
    if arg == "runlocal":
        _shrink(config)
    return config


def _input(modality: Modality, fields: Mapping[str, Any]) -> dict[str, Any]:
    """All sensors are one group: each date of each is a token of one sequence."""
    return dict(bands=[list(modality.bands)], image_size=1, patch_size=1, name_group="all") | dict(fields)


def _architecture() -> dict[str, Any]:
    encoder = dict(embed_dim=64, depth=3, heads=2, dim_head=32, mlp_ratio=2.0)
    decoder = dict(dim=64, depth=1, heads=4, dim_head=16, mlp_ratio=2.0)
    return encoder | {f"decoder_{name}": value for name, value in decoder.items()}


def _shrink(config: ConfigDict) -> None:
    config.model.architecture.update(embed_dim=16, depth=1, decoder_dim=16)
    for name in ("pretrain", "probe", "finetune"):
        config[name].update(epochs=1, batch_size=4)
    config.logging = dict(every_steps=1)
