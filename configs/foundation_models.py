"""Foundation models of others on a dataset, with the heads, data and scores of the masked autoencoder.

    python -m mmae_jax train --config=configs/foundation_models.py:dinov2,treesatai_ts \\
        --config.init_from=model.safetensors --config.data.dir=SHARDS --workdir=RUN

The argument is an encoder and a dataset: a file of this folder, whose inputs, targets and crops are kept. Every input
has as many patches as there, so that it is resized. `,published` repeats the adaptation of arXiv 2508.10894,
`,runlocal` shrinks it all to a laptop. Weights are fetched by you: docs/foundation_models.md says from where, under
which licence. Without `init_from` weights are random.

Cost, of a sample of TreeSatAI-TS with the dates there, forward in finetuning: see docs/foundation_models.md.
"""

import importlib

from ml_collections import ConfigDict

from mmae_jax.spec import FOUNDATION_MODELS

DATASETS = ("treesatai_ts", "pastis_hd", "flair_hub", "flair2", "pureforest")
SIZES = {
    "dinov2": "base",
    "dinov2_sat": "large",
    "dofa": "base",
    "croma": "base",
    "prithvi": "large",
    "satmae": "large",
}
SENSORS = {"croma": ("s2", "s1_asc", "s1_des"), "prithvi": ("s2",), "satmae": ("s2",)}
"""Inputs that an encoder sees, where it is not all."""
FEWEST_BANDS = 3
"""Of an input as published, where dates are encoded apart."""
OPTIONS = ("published", "runlocal")


def get_config(arg: str | None = None) -> ConfigDict:
    """Returns the experiment; `arg` is ENCODER,DATASET and any of `OPTIONS`; dinov2 on treesatai_ts if empty."""
    parts = arg.split(",") if arg else []
    known = (*FOUNDATION_MODELS, *DATASETS, *OPTIONS)
    for part in parts:
        if part not in known:
            raise ValueError(f"configs/foundation_models.py: expected some of {', '.join(known)}, found {part!r}")
    encoder = next((part for part in parts if part in FOUNDATION_MODELS), "dinov2")
    dataset = next((part for part in parts if part in DATASETS), DATASETS[0])
    shrunk, published = "runlocal" in parts, "published" in parts
    config = importlib.import_module(f"configs.{dataset}").get_config("runlocal" if shrunk else None)
    config.model.update(encoder=encoder, fusion=FOUNDATION_MODELS[encoder].fusions[0], inter_depth=0)
    if not shrunk:
        config.model.architecture = SIZES[encoder]
    config.inputs = {
        name: _resized(model_input, FOUNDATION_MODELS[encoder].patch_size)
        for name, model_input in config.inputs.items()
        if name in SENSORS.get(encoder, config.inputs)
    }
    config.phases = ("finetune",)
    if published:
        _as_published(config)
    if not shrunk:
        config.finetune.epochs = 20
    return config


def _as_published(config: ConfigDict) -> None:
    config.model.foundation = dict(mode="published")
    if config.model.fusion == "shared":
        for name in [name for name, used in config.inputs.items() if len(used.bands[0]) < FEWEST_BANDS]:
            del config.inputs[name]


def _resized(model_input: ConfigDict, patch_size: int) -> ConfigDict:
    """Returns an input with as many patches of another size, and all bands in one token."""
    grid = model_input.image_size // model_input.patch_size
    bands = [band for group in model_input.bands for band in group]
    return ConfigDict(dict(model_input, bands=[bands], image_size=grid * patch_size, patch_size=patch_size))
