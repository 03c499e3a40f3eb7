"""What an experiment is: frozen dataclasses, made by `mmae_jax.config` and checked by `mmae_jax.checks`.

`Dataset` (with its `Modality`s and `Target`s) is the sensor contract: facts about stored data (`sensors`).
`Input`, `Model`, `Mask` (`model`) and `Phase`, `Data` … (`training`) say how an experiment uses them.

Defaults and meanings of all fields are stated here and nowhere else: `python -m mmae_jax config FILE` prints what
stands under `Attributes`, where a unit is in brackets at the end.
"""

from mmae_jax.spec.error import SpecError
from mmae_jax.spec.experiment import Experiment
from mmae_jax.spec.foundation import DEFECTS, FOUNDATION_MODELS, Foundation
from mmae_jax.spec.model import ARCHITECTURES, Architecture, Input, Mask, Model
from mmae_jax.spec.sensors import Dataset, Modality, Target
from mmae_jax.spec.training import PHASES, Data, Logging, Mesh, Phase
from mmae_jax.spec.transfer import BY_NAME, NEW, Transfer

__all__ = [
    "ARCHITECTURES",
    "BY_NAME",
    "DEFECTS",
    "FOUNDATION_MODELS",
    "NEW",
    "PHASES",
    "Architecture",
    "Data",
    "Dataset",
    "Experiment",
    "Foundation",
    "Input",
    "Logging",
    "Mask",
    "Mesh",
    "Modality",
    "Model",
    "Phase",
    "SpecError",
    "Target",
    "Transfer",
]
