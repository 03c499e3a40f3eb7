"""`config.json` of an exported folder: what `modeling_mmae.py` reads, and the sensor contract for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmae_jax import tasks
from mmae_jax.config import to_plain
from mmae_jax.contract import in_use
from mmae_jax.formats import VERSION_KEY, seal_of
from mmae_jax.models.encodings import common_grid
from mmae_jax.models.fusion import Fusion
from mmae_jax.models.heads import head_outputs
from mmae_jax.spec import Experiment

FORMAT_VERSION = 1
DECODER, HEADS = "decoder", "heads"
PARTS = ("encoder", DECODER, HEADS)
"""What a folder can hold, by name; the encoder is always there."""
OWNERS = {"enc_to_dec": DECODER, "decoder": DECODER, "mask_token": DECODER, "embed_to_rec": DECODER, "heads": HEADS}
"""First name of a tensor → the part that it belongs to; the others are the encoder's."""


def config_of(
    experiment: Experiment, parts: tuple[str, ...], dtype: str, sha256: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Returns the content of `config.json`, as JSON types, with a checksum of its own, `seal`.

    Args:
      experiment: what the weights were trained in.
      parts: which of `PARTS` there are.
      dtype: `float32` or `bfloat16`, of the stored numbers.
      sha256: name of a file beside it → its SHA-256, hexadecimal.
    """
    model, contract = experiment.model, in_use(experiment.dataset, experiment)
    grids = [model_input.grid for model_input in experiment.inputs.values()]
    plain: dict[str, Any] = {
        VERSION_KEY: FORMAT_VERSION,
        "model_type": "mmae",
        "architectures": ["Model"],
        "parts": list(parts),
        "dtype": dtype,
        "architecture": to_plain(model.architecture),
        "fusion": model.fusion,
        "inter_depth": model.inter_depth,
        "interpolate": model.interpolate,
        "head": model.head,
        "date_encoding": model.date_encoding,
        "grid_pos_enc": model.grid_pos_enc or common_grid(grids),
        "ref_input": model.ref_input,
        "loss": experiment.loss,
        "mask_ratio": experiment.mask.ratio,
        "inputs": _inputs(experiment),
        "targets": {name: _target(experiment, name) for name in experiment.targets if HEADS in parts},
        "stored_as": {name: experiment.modality_name(name) for name in experiment.inputs},
        "contract": to_plain(contract),
        "sha256": dict(sha256 or {}),
    }
    return plain | {"seal": seal_of(plain)}


def part_of(tensor: str) -> str:
    """Returns which of `PARTS` a tensor of the state dict belongs to."""
    return OWNERS.get(tensor.partition(".")[0], PARTS[0])


def _inputs(experiment: Experiment) -> dict[str, dict[str, Any]]:
    sequences = {name: key for key, names in Fusion.of(experiment).sequences.items() for name in names}
    return {
        name: {
            "bands": to_plain(model_input.bands),
            "side": experiment.raw_side(name),
            "image_size": model_input.image_size,
            "patch_size": model_input.patch_size,
            "grid": model_input.grid,
            "num_dates": model_input.num_dates,
            "log_scale": model_input.log_scale,
            "mean": list(model_input.mean or [0.0] * len(model_input.band_names)),
            "std": list(model_input.std or [model_input.norm_fac] * len(model_input.band_names)),
            "rescale_elev": model_input.rescale_elev,
            "nodata": experiment.modality(name).nodata,
            "quantum": experiment.modality(name).quantum,
            "embed": model_input.name_embed or name,
            "sequence": sequences[name],
        }
        for name, model_input in experiment.inputs.items()
    }


def _target(experiment: Experiment, name: str) -> dict[str, int | None]:
    """Returns how many numbers a head predicts, and the side of the patch of pixels for which it does at once."""
    target = experiment.dataset.targets[name]
    outputs = tasks.of(target).outputs(target)
    patch = round((head_outputs(experiment, name) / outputs) ** 0.5) if target.is_raster else None
    return {"outputs": outputs, "patch": patch}
