"""`README.md` of an exported folder: a model card as the Hugging Face hub shows it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmae_jax.spec import Experiment, Modality
from mmae_jax.weights.pytorch.config import DECODER, HEADS
from mmae_jax.weights.result import Result

FRONT = """---
license: apache-2.0
library_name: pytorch
pipeline_tag: {pipeline}
tags: [earth-observation, remote-sensing, masked-autoencoder, multimodal, multitemporal]
{index}---

# Masked autoencoder of Earth observation, trained on {dataset}

{parts} of a multimodal, multitemporal, multispectral masked autoencoder, which runs where PyTorch alone is installed.

- Sensors, in raw values: {sensors}
- {size:,} parameters in {dtype}; tokens of width {width}; fusion mode `{fusion}`

## Use

Download the folder, with `huggingface_hub.snapshot_download` or by hand, and run in it:

```python
{snippet}```

`samples` are raw values as the sensors' table describes them, cut to its pixels; the head of `modeling_mmae.py` says
the rest. A missing sensor is left out; a missing date is not `valid`, or NaN; and so is a missing pixel.
`Model.from_pretrained` is this folder's own, `transformers` is not used. `python check.py` compares the model with the
numbers that it was exported with. `config.json` has the sensor contract, `mlm.json` describes the model as a STAC item.
mmae_jax, which trained it, starts from the folder with `--config.init_from`.
"""

LICENCE = """## Licence and citation

Weights and code are under the Apache License 2.0; the training data under the licence of their publisher. The method is
that of MAESTRO:

```bibtex
@article{labatie2025maestro,
  title   = {MAESTRO: Masked AutoEncoders for Multimodal, Multitemporal, and Multispectral Earth Observation Data},
  author  = {Labatie, Antoine and others},
  journal = {arXiv preprint arXiv:2508.10894},
  year    = {2025}
}
```
"""


GRAPHS = """## Graphs

{files} answer without Python, for any number of samples, with {outputs}. Inputs are called as in the example, with a
slash: `inputs/{name}` (stored values, float32, missing pixels filled), `dates/{name}` and `ref_date` (int32),
`valid/{name}` (whether a date is there); all dates of all sensors are given.
"""


def model_card(
    experiment: Experiment, config: Mapping[str, Any], size: int, result: Result | None, graphs: Sequence[str] = ()
) -> str:
    """Returns the text of the card.

    Args:
      experiment: what the weights were trained in.
      config: the content of `config.json`.
      size: number of parameters.
      result: what training them ended with; None where it is not known.
      graphs: names of the files of graphs beside it.
    """
    dataset = experiment.dataset
    head = FRONT.format(
        pipeline="image-classification" if config["targets"] else "image-feature-extraction",
        index=_index(experiment, result) if config["targets"] else "",
        dataset=f"{dataset.name} {dataset.version}",
        parts=", ".join(config["parts"]).capitalize(),
        sensors=", ".join(config["inputs"]),
        size=size,
        dtype=config["dtype"],
        fusion=config["fusion"],
        width=config["architecture"]["embed_dim"],
        snippet=snippet(config),
    )
    sections = [
        head,
        _graphs(config, graphs),
        _sensors(experiment, config),
        _targets(experiment, config),
        _training(experiment),
        _scores(result),
    ]
    return "\n".join([section for section in sections if section] + [LICENCE])


def snippet(config: Mapping[str, Any]) -> str:
    """Returns a program that runs in the folder: all sensors, one date each."""
    inputs = config["inputs"].items()

    def lines(value: str, names: Iterable[str]) -> str:
        return "".join(
            f'        "{name}": {value.format(**config["inputs"][name], **counts[name])},\n' for name in names
        )

    counts = {name: {"channels": sum(map(len, fields["bands"]))} for name, fields in inputs}
    based = [name for name, fields in inputs if fields["quantum"] is not None]
    base = f'    "base": {{\n{lines("torch.zeros(1)", based)}    }},\n' if based else ""
    uses = "    tokens = model.encode(samples)\n"
    uses += "    logits = model.predict(samples)\n" if HEADS in config["parts"] else ""
    uses += "    images = model.reconstruct(samples, 0)  # hides tokens first\n" if DECODER in config["parts"] else ""
    return (
        "import torch\nfrom modeling_mmae import Model\n\n"
        'model = Model.from_pretrained(".")\n'
        'samples = {\n    "inputs": {\n'
        + lines("torch.rand(1, 1, {channels}, {side}, {side})", config["inputs"])
        + '    },\n    "dates": {\n'
        + lines("torch.tensor([[[2019, 182, 10]]])", config["inputs"])
        + "    },\n"
        + base
        + '    "ref_date": torch.tensor([[2019, 182, 10]]),\n}\nwith torch.inference_mode():\n'
        + uses
        + "print({name: tuple(array.shape) for name, array in tokens.items()})\n"
    )


def _graphs(config: Mapping[str, Any], graphs: Sequence[str]) -> str:
    outputs = "the outputs of `predict`" if config["targets"] else "the tokens of `encode`"
    files = ", ".join(f"`{file}`" for file in graphs)
    return GRAPHS.format(files=files, outputs=outputs, name=next(iter(config["inputs"]))) if graphs else ""


def _sensors(experiment: Experiment, config: Mapping[str, Any]) -> str:
    names = ("input", "bands, in this order", "stored as", "pixels", "of a pixel", "dates", "missing", "group")
    rows = []
    for name, fields in config["inputs"].items():
        modality = experiment.modality(name)
        bands = " + ".join(", ".join(group) for group in fields["bands"])
        missing = " or ".join(filter(None, [_number(modality.nodata), "NaN" * modality.dtype.startswith("float")]))
        pixels, meters = f"{fields['side']}²", f"{modality.ground_sample_distance:g} m"
        cells = [name, bands, _stored(modality), pixels, meters, f"up to {fields['num_dates']}"]
        rows.append([*cells, missing or "–", fields["sequence"]])
    return "## Sensors\n\n" + _table(names, rows) + "\n" + _conventions(experiment)


def _stored(modality: Modality) -> str:
    value = "x" if modality.quantum is None else f"(base + {modality.quantum:g} · x)"
    scale = "" if modality.scale == 1 else f"{modality.scale:g} · "
    offset = f" {modality.offset:+g}" if modality.offset else ""
    return f"{modality.dtype} x; {modality.unit} = {scale}{value}{offset}"


def _conventions(experiment: Experiment) -> str:
    said = {experiment.modality_name(name): experiment.modality(name).date_convention for name in experiment.inputs}
    return "".join(f"- Dates of {name}: {convention}.\n" for name, convention in said.items())


def _targets(experiment: Experiment, config: Mapping[str, Any]) -> str:
    rows = []
    for name, fields in config["targets"].items():
        target = experiment.dataset.targets[name]
        side = "the tile" if fields["patch"] is None else "each pixel"
        rows.append([name, target.kind, side, str(fields["outputs"]), ", ".join(target.classes) or "–"])
    return "## Targets\n\n" + _table(("target", "kind", "of", "outputs", "in this order"), rows) if rows else ""


def _training(experiment: Experiment) -> str:
    dataset, phases = experiment.dataset, [(name, experiment.phase(name)) for name in experiment.phases]
    rows = [
        [name, str(phase.epochs), str(phase.batch_size), f"{phase.base_lr:g}", ", ".join(phase.train_splits)]
        for name, phase in phases
    ]
    text = f"Tiles of {dataset.tile_meters:g} m of {dataset.name}, version {dataset.version}"
    crop = experiment.data.crop_meters
    text += f", cut to {crop:g} m" if crop else ""
    return f"## Training\n\n{text}.\n\n" + _table(("phase", "epochs", "batch", "learning rate", "splits"), rows)


def _scores(result: Result | None) -> str:
    if result is None or not result.scores:
        return ""
    names = list(dict.fromkeys(name for scores in result.scores.values() for name in scores))
    rows = [[name, *(_number(scores.get(name)) or "–" for scores in result.scores.values())] for name in names]
    average = "the moving average of the weights" if result.averaged else "the weights"
    text = f"Of {average} after step {result.step} of {result.phase}.\n\n"
    return "## Scores\n\n" + text + _table(("score", *result.scores), rows)


def _index(experiment: Experiment, result: Result | None) -> str:
    """Returns the scores of the last split as the hub lists them, YAML; JSON is YAML, too."""
    if result is None or not result.scores:
        return ""
    split, scores = list(result.scores.items())[-1]
    data = {"name": experiment.dataset.name, "type": experiment.dataset.name, "split": split}
    metrics = [{"type": name, "value": value} for name, value in scores.items() if math.isfinite(value)]
    found = {"task": {"type": "image-classification"}, "dataset": data, "metrics": metrics}
    return f"model-index: {json.dumps([{'name': f'mmae-{experiment.dataset.name}', 'results': [found]}])}\n"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in cells)
