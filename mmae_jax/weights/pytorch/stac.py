"""`mlm.json` of an exported folder: a STAC item with the Machine Learning Model extension."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from mmae_jax.spec import Experiment, Input
from mmae_jax.weights.tensor_file import MODEL_FILE

STAC_VERSION = "1.1.0"
EXTENSION = "https://stac-extensions.github.io/mlm/v1.6.0/schema.json"
TASKS = {
    "classif": "scene-classification",
    "multilabel": "scene-classification",
    "segment": "semantic-segmentation",
    "regression": "regression",
}
"""Kind of a target → how the extension calls it; the encoder itself is for searching by similarity."""
EMBEDDING_TASK = "similarity-search"
RESIZES = {"nearest": "interpolation-nearest", "bilinear": "interpolation-linear", "bicubic": "interpolation-cubic"}
ANY = -1
"""As a length: any."""


def item(experiment: Experiment, config: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Returns the item, as JSON types.

    Args:
      experiment: what the weights were trained in.
      config: the content of `config.json`.
      size: number of parameters.
    """
    name = f"mmae-{experiment.dataset.name}"
    kinds = [experiment.dataset.targets[target].kind for target in config["targets"]]
    properties = {
        "datetime": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": f"Masked autoencoder of Earth observation, trained on {experiment.dataset.name}",
        "license": "Apache-2.0",
        "mlm:name": name,
        "mlm:architecture": "MMAE",
        "mlm:framework": "PyTorch",
        "mlm:tasks": sorted({EMBEDDING_TASK, *(TASKS.get(kind, EMBEDDING_TASK) for kind in kinds)}),
        "mlm:total_parameters": size,
        "mlm:pretrained": True,
        "mlm:pretrained_source": f"{experiment.dataset.name} {experiment.dataset.version}",
        "mlm:hyperparameters": {
            "fusion": config["fusion"],
            "inter_depth": config["inter_depth"],
            **config["architecture"],
        },
        "mlm:input": [_input(experiment, config, name) for name in config["inputs"]],
        "mlm:output": [_tokens(config, name) for name in config["inputs"]]
        + [_output(experiment, config, name) for name in config["targets"]],
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [EXTENSION],
        "id": name,
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {
            "model": {
                "href": f"./{MODEL_FILE}",
                "type": "application/vnd.safetensors",
                "title": "Weights",
                "mlm:artifact_type": "safetensors.torch.save_file",
                "roles": ["mlm:model", "mlm:weights"],
            },
            "source_code": {
                "href": "./modeling_mmae.py",
                "type": "text/x-python",
                "title": "The model in PyTorch",
                "mlm:entrypoint": "modeling_mmae:Model.from_pretrained",
                "roles": ["mlm:source_code", "code"],
            },
        },
    }


def _input(experiment: Experiment, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    fields, modality = config["inputs"][name], experiment.modality(name)
    bands = [band for group in fields["bands"] for band in group]
    steps = [f"{modality.quantum:g} · x + base"] if modality.quantum is not None else []
    steps += ["ln(max(x, 1e-10))"] if fields["log_scale"] else []
    steps += [_divided(experiment.inputs[name])]
    side = fields["side"]
    return {
        "name": name,
        "bands": bands,
        "input": {
            "shape": [ANY, fields["num_dates"], len(bands), side, side],
            "dim_order": ["batch", "time", "bands", "height", "width"],
            "data_type": modality.dtype,
        },
        "resize_type": None if side == fields["image_size"] else RESIZES[config["interpolate"]],
        "pre_processing_function": {
            "format": "text",
            "expression": "; ".join(steps),
            "description": "Done by the model, which takes stored values.",
        },
    }


def _divided(model_input: Input) -> str:
    if model_input.mean is None or model_input.std is None:
        return f"x / {model_input.norm_fac:g}"
    mean, std = (", ".join(f"{number:g}" for number in numbers) for numbers in (model_input.mean, model_input.std))
    return f"(x − mean) / std of each band; mean: {mean}; std: {std}"


def _tokens(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    fields = config["inputs"][name]
    shape = [ANY, len(fields["bands"]) * fields["num_dates"], fields["grid"] ** 2, config["architecture"]["embed_dim"]]
    return {
        "name": f"tokens/{name}",
        "tasks": [EMBEDDING_TASK],
        "result": {"shape": shape, "dim_order": ["batch", "time", "place", "channel"], "data_type": "float32"},
    }


def _output(experiment: Experiment, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    target, fields = experiment.dataset.targets[name], config["targets"][name]
    shape, order = [ANY, fields["outputs"]], ["batch", "class"]
    if fields["patch"] is not None:
        side = fields["patch"] * config["inputs"][config["ref_input"]]["grid"]
        shape, order = [ANY, side, side, fields["outputs"]], ["batch", "height", "width", "class"]
    classes = [{"value": index, "name": label, "description": label} for index, label in enumerate(target.classes)]
    return {
        "name": name,
        "tasks": [TASKS.get(target.kind, EMBEDDING_TASK)],
        "result": {"shape": shape, "dim_order": order, "data_type": "float32"},
        **({"classification:classes": classes} if classes else {}),
    }
