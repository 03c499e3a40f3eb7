"""Foundation models of others on a dataset, with the heads, data and scores of the masked autoencoder.

    python -m mmae_jax train --config=configs/foundation_models.py:dinov2,treesatai_ts \\
        --config.init_from=model.safetensors --config.data.dir=SHARDS --workdir=RUN

The argument is an encoder and a dataset: a file of this folder, whose inputs, targets and crops are kept. Every input
has as many patches as there, so that it is resized. `,published` repeats the adaptation of arXiv 2508.10894,
`,runlocal` shrinks it all to a laptop. Weights are fetched by you: docs/foundation_models.md says from where, under
which licence. Without `init_from` weights are random.

Cost, of a sample of TreeSatAI-TS with the dates there, forward in finetuning: see docs/foundation_models.md.
"""

import dataclasses
import importlib

from ml_collections import ConfigDict

from mmae_jax.spec import ARCHITECTURES, FOUNDATION_MODELS

DATASETS = ("treesatai_ts", "pastis_hd", "flair_hub", "flair2", "pureforest")
SIZES = {
    "dinov2": "base",
    "dinov2_sat": "large",
    "dofa": "base",
    "croma": "base",
    "prithvi": "large",
    "satmae": "large",
}
SENSORS = {
    "dofa": ("aerial", "spot", "s2", "s1_asc", "s1_des"),
    "croma": ("s2", "s1_asc", "s1_des"),
    "prithvi": ("s2",),
    "satmae": ("s2",),
}
"""Inputs that an encoder sees, where it is not all."""
COLOUR_PICTURES, FEWEST_BANDS = ("dinov2", "dinov2_sat"), 3
"""Models that, as published, take no input of fewer bands."""
CROMA_HEADS = 16
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
    seen = {name: used for name, used in config.inputs.items() if name in SENSORS.get(encoder, config.inputs)}
    ref_input = config.model.get("ref_input")
    halves = ref_input is not None and ref_input not in seen
    config.inputs = {
        name: _resized(used, FOUNDATION_MODELS[encoder].patch_size, halves=halves) for name, used in seen.items()
    }
    if halves:
        config.model.ref_input = "s2"
    config.phases = ("finetune",)
    if encoder == "croma":
        _as_croma(config)
    if published:
        _as_published(config)
    if not shrunk:
        config.finetune.epochs = 20
    return config


def _as_published(config: ConfigDict) -> None:
    config.model.foundation = dict(mode="published")
    if config.model.encoder in COLOUR_PICTURES:
        for name in [name for name, used in config.inputs.items() if len(used.bands[0]) < FEWEST_BANDS]:
            del config.inputs[name]
    if config.model.inter_depth:  # as many images of both sensors
        config.inputs.s2.num_dates = sum(used.num_dates for name, used in config.inputs.items() if name != "s2")


def _as_croma(config: ConfigDict) -> None:
    """Blocks have as many heads whatever their width, and joint ones are used where there are both sensors."""
    sizes = ARCHITECTURES[config.model.architecture]
    with config.ignore_type():
        config.model.architecture = dataclasses.asdict(
            dataclasses.replace(sizes, heads=CROMA_HEADS, dim_head=sizes.embed_dim // CROMA_HEADS)
        )
    if len(config.inputs) > 1:
        config.model.inter_depth = sizes.depth // 2


def _resized(model_input: ConfigDict, patch_size: int, *, halves: bool) -> ConfigDict:
    """Returns an input with as many patches of another size, or the next power of two, and all bands in one token."""
    grid = model_input.image_size // model_input.patch_size
    if halves:
        grid = 1 << (grid - 1).bit_length()
    bands = [band for group in model_input.bands for band in group]
    return ConfigDict(dict(model_input, bands=[bands], image_size=grid * patch_size, patch_size=patch_size))
