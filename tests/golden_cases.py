"""The reference's numbers as experiments, batches and parameters of ours (docs/method.md §11)."""

from __future__ import annotations

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.models.params import abstract_model, by_path, from_paths
from mmae_jax.models.samples import Samples, samples_from_batch
from mmae_jax.weights import torch_names

CASES = (
    "treesat_group_inter",
    "treesat_mod_separate_tokens",
    "treesat_monotemp_linear",
    "treesat_shared",
    "pastis_group_segment",
)
DATASETS = {
    "treesatai_ts": {
        "meters": 60.0,
        "target": "treesat_mlc_thresh",
        "sizes": {"aerial": 300, "s2": 6, "s1_asc": 6, "s1_des": 6},
    },
    "pastis_hd": {
        "meters": 1280.0,
        "target": "pastis_seg",
        "sizes": {"spot": 1280, "s2": 128, "s1_asc": 128, "s1_des": 128},
    },
}
PHASE = spec.Phase(epochs=1, batch_size=2, base_lr=1e-4)


class GoldenCase:
    """One file of the reference's numbers."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = {name: file[name] for name in file.files}
        self.name = path.stem
        self.case = json.loads(str(self.arrays["case"]))
        self.experiment = _experiment(self.case)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def below(self, prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(f"{prefix}/"): a for name, a in self.arrays.items() if name.startswith(f"{prefix}/")}

    def params(self) -> nnx.State:
        _, abstract = abstract_model(self.experiment)
        shapes = {path: leaf.shape for path, leaf in by_path(abstract).items()}
        return from_paths(torch_names.from_state_dict(self.below("params"), shapes, self.experiment), abstract)

    def samples(self) -> Samples:
        names = list(self.experiment.inputs)
        inputs = {name: jnp.asarray(self[f"batch/{name}"]) for name in names}
        return samples_from_batch(
            {
                "inputs": inputs,
                "base": {},
                "valid": {name: jnp.ones((*inputs[name].shape[:2], 1, 1), bool) for name in names},
                "dates": {name: jnp.asarray(self[f"batch/{name}_dates"]) for name in names},
                "ref_date": jnp.asarray(self["batch/ref_date"][:, 0]),
                "targets": {},
                "weight": jnp.ones(self.case["batch"]),
            },
            self.experiment,
        )


def _bands(bands: int | list[list[int]]) -> tuple[tuple[str, ...], ...]:
    groups = [range(bands)] if isinstance(bands, int) else bands
    return tuple(tuple(f"band{index}" for index in group) for group in groups)


def _experiment(case: dict) -> spec.Experiment:
    layout = DATASETS[case["dataset"]]
    inputs, modalities = {}, {}
    for name, settings in case["mods"].items():
        known = {
            key: settings[key] for key in ("image_size", "patch_size", "num_dates", "name_group") if key in settings
        }
        norm_bands = tuple(settings["norm_bands"]) if "norm_bands" in settings else None
        inputs[name] = spec.Input(bands=_bands(settings["bands"]), norm_bands=norm_bands, **known)
        bands = tuple(sorted(inputs[name].band_names))
        size = layout["sizes"][name]
        modalities[name] = spec.Modality(bands, "float32", "none", layout["meters"] / size, size)
    target = layout["target"]
    if case["dataset"] == "pastis_hd":
        head = spec.Target("segment", tuple(f"class{i}" for i in range(19)), target, missing_value=19, size=128)
    else:
        head = spec.Target("multilabel", tuple(f"genus{i}" for i in range(15)), "proportions")
    dataset = spec.Dataset(
        case["dataset"], "1", layout["meters"], immutabledict(modalities), immutabledict({target: head})
    )
    return spec.Experiment(
        seed=0,
        dataset=dataset,
        data=spec.Data(dir="", crop_meters=160.0 if case["dataset"] == "pastis_hd" else None),
        inputs=immutabledict(inputs),
        targets=(target,),
        model=spec.Model(
            architecture=spec.Architecture(**case["arch"]),
            fusion=case["fusion"],
            inter_depth=case["inter"],
            head=case.get("head", "attentive"),
            grid_pos_enc=case["grid_pos_enc"],
            ref_input=case.get("ref_input"),
            dtype="float32",
        ),
        mask=spec.Mask(),
        loss=case["loss"],
        phases=("pretrain", "probe", "finetune"),
        pretrain=PHASE,
        probe=PHASE,
        finetune=PHASE,
        ema=True,
        mesh=spec.Mesh(),
        logging=spec.Logging(),
    )
