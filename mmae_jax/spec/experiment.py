"""What an experiment is: sensors, model and training in one."""

from __future__ import annotations

import dataclasses
import functools

from immutabledict import immutabledict

from mmae_jax.spec.error import SpecError
from mmae_jax.spec.model import Input, Mask, Model
from mmae_jax.spec.sensors import Dataset, Modality
from mmae_jax.spec.training import PHASES, Data, Logging, Mesh, Phase
from mmae_jax.spec.transfer import BY_NAME, Transfer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything a run is determined by.

    Attributes:
      seed: seeds parameters, samples and masks.
      dataset: the sensor contract.
      data: the folder of shards and how it is read.
      inputs: name of an input → how it is used.
      targets: names of the targets that are learnt after pretraining.
      model: the encoder and the heads.
      mask: masking of the pretraining objective.
      loss: error of reconstructed and regressed numbers, `l1`, `l2`, `l1_norm` or `l2_norm`; with `_norm`, targets of
        reconstruction are normalised per patch and run of bands.
      phases: what is run, some of pretrain, probe, finetune in order.
      pretrain: settings of the pretraining.
      probe: settings of training the heads on the frozen encoder.
      finetune: settings of training everything on the targets.
      ema: whether the trained parameters are averaged.
      mesh: how the devices are divided.
      logging: what is written while training.
      init_from: workdir or weights to start from; random weights if None.
      transfer: what of `init_from` starts what, where names do not say it.
      profile: `(first, count)`: `count` training steps of the first phase run are traced, from its step `first` on;
        none if empty [steps].
      compilation_cache: folder in which compiled programs are kept, seen by all processes; that of
        `JAX_COMPILATION_CACHE_DIR` if None, else `compilation_cache` in the workdir.
    """

    seed: int = 42
    dataset: Dataset
    data: Data = Data()
    inputs: immutabledict[str, Input]
    targets: tuple[str, ...] = ()
    model: Model
    mask: Mask = Mask()
    loss: str = "l1_norm"
    phases: tuple[str, ...] = PHASES
    pretrain: Phase
    probe: Phase
    finetune: Phase
    ema: bool = True
    mesh: Mesh = Mesh()
    logging: Logging = Logging()
    init_from: str | None = None
    transfer: Transfer = BY_NAME
    profile: tuple[int, ...] = ()
    compilation_cache: str | None = None

    def phase(self, name: str) -> Phase:
        """Returns the settings of the phase called `name`."""
        return {"pretrain": self.pretrain, "probe": self.probe, "finetune": self.finetune}[name]

    def modality_name(self, name: str) -> str:
        """Returns the name of the stored modality that the input called `name` reads."""
        return self.inputs[name].stored_as or name

    def modality(self, name: str) -> Modality:
        """Returns the sensor contract of the input called `name`."""
        return self.dataset.modalities[self.modality_name(name)]

    def raw_side(self, name: str) -> int:
        """Returns the pixels per side of the raw image of the input called `name`: those of a crop."""
        return self.modality(name).size // self.dataset.size_gcd * self.crop_cells

    @functools.cached_property
    def crop_cells(self) -> int:
        """`c` of docs/method.md §2.1: side of the crop in cells of the common grid."""
        meters = self.dataset.tile_meters if self.data.crop_meters is None else self.data.crop_meters
        cells = self.dataset.size_gcd * meters / self.dataset.tile_meters
        if abs(cells - round(cells)) > 1e-9 or not 0 < round(cells) <= self.dataset.size_gcd:
            step = self.dataset.tile_meters / self.dataset.size_gcd
            raise SpecError(
                f"data.crop_meters: expected a multiple of {step:g} m up to {self.dataset.tile_meters:g} m, "
                f"found {meters:g}"
            )
        return round(cells)
