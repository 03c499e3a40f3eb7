"""What an experiment is: frozen dataclasses, made and checked by `mmae_jax.config`.

`Dataset` (with its `Modality`s and `Target`s) is the sensor contract (SPEC §9): facts about stored data. `Input`,
`Model`, `Mask`, `Phase` … say how an experiment uses them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from immutabledict import immutabledict

PHASES = ("pretrain", "probe", "finetune")


class SpecError(ValueError):
    """A configuration or contract cannot be used; the message names the field, what was expected and what was found."""


@dataclasses.dataclass(frozen=True)
class Modality:
    """Sensor contract of one modality: what its stored array `[T, bands, side, side]` means.

    Attributes:
      bands: band names in stored order.
      dtype: numpy dtype name of the stored values.
      unit: physical unit of `stored · scale + offset`, e.g. `reflectance`.
      ground_sample_distance: metres per pixel.
      size: pixels per side that cover the tile.
      frame: further pixels stored on each side of the tile.
      scale: multiplies stored values to give `unit`.
      offset: added after scaling.
      nodata: stored value that means a missing pixel; NaN always does in floating-point modalities.
      decibel: whether values are logarithms already.
      quantum: where set, integers stand for `base + quantum · stored`, with one `base` per record.
      value_range: smallest and largest stored value that can occur, nodata aside (`base` and `quantum` applied).
      typical_means: mean stored value of each band over the dataset; their order tells swapped bands.
      mask_channels: what the mask channels `[T, M, side, side]` (uint8, percent) tell; empty where there is no mask.
      date_convention: what the stored `[year, day_of_year, hour]` refers to.
    """

    bands: tuple[str, ...]
    dtype: str
    unit: str
    ground_sample_distance: float
    size: int
    frame: int = 0
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    decibel: bool = False
    quantum: float | None = None
    value_range: tuple[float, ...] | None = None
    typical_means: tuple[float, ...] | None = None
    mask_channels: tuple[str, ...] = ()
    date_convention: str = "UTC acquisition day, hour unknown (0)"

    @property
    def pixels_can_be_missing(self) -> bool:
        """Whether single pixels can be absent (NaN or nodata) while their date is present."""
        return self.nodata is not None or np.issubdtype(np.dtype(self.dtype), np.floating)


@dataclasses.dataclass(frozen=True)
class Target:
    """Sensor contract of one target.

    Attributes:
      kind: `multilabel` (0/1 vector), `classif` (one class per tile) or `segment` (one class per pixel).
      classes: names, in index order.
      field: record field it is derived from.
      missing_value: class value that is excluded from loss and metrics.
      ignored: further stored class values that are excluded.
      colours: one `#rrggbb` a class, as the dataset is usually shown.
      threshold: `multilabel` only: a class is present where its stored proportion exceeds this.
      pixel_values: `multilabel` only, where `field` is that of a `segment` target: the stored value of each class; a
        class is present where a pixel of the crop has its value.
      size: `segment` only: pixels per side that cover the tile.
      dtype: `segment` only: numpy dtype name of the stored classes.
    """

    kind: Literal["multilabel", "classif", "segment"]
    classes: tuple[str, ...]
    field: str
    missing_value: int = -1
    ignored: tuple[int, ...] = ()
    colours: tuple[str, ...] | None = None
    threshold: float = 0.0
    pixel_values: tuple[int, ...] | None = None
    size: int | None = None
    dtype: str = "uint8"

    @property
    def num_classes(self) -> int:
        """Number of classes a head predicts."""
        return len(self.classes)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The sensor contract: written with the shards, carried in config, checkpoint and export (SPEC §9).

    Attributes:
      name: of the dataset.
      version: of the dataset as stored here.
      tile_meters: side of a tile.
      modalities: name → sensor.
      targets: name → target.
      blocks: a tile is stored as `blocks²` records, row major, so that a crop reads only the blocks it touches.
    """

    name: str
    version: str
    tile_meters: float
    modalities: immutabledict[str, Modality]
    targets: immutabledict[str, Target]
    blocks: int = 1

    def stored_side(self, raster: Modality | Target) -> int:
        """Returns the pixels per side of a raster in one record, frame included."""
        frame = raster.frame if isinstance(raster, Modality) else 0
        assert raster.size is not None, "rasters have a size"
        return raster.size // self.blocks + 2 * frame

    @property
    def size_gcd(self) -> int:
        """`n` of SPEC §2.1: the number of cells per side on which every raster can be cut."""
        sizes = [modality.size for modality in self.modalities.values()]
        sizes += [t.size for t in self.targets.values() if t.kind == "segment" and t.size is not None]
        return math.gcd(*sizes)


@dataclasses.dataclass(frozen=True)
class Input:
    """How an experiment uses one modality.

    Several inputs may read one stored modality, e.g. an aerial image at two resolutions.

    Attributes:
      bands: token band groups, each a tuple of contract band names; one group = joint token (SPEC §1).
      image_size: pixels per side after resizing.
      patch_size: pixels per side of a patch.
      num_dates: date bins.
      norm_bands: lengths of consecutive runs of bands normalised together in the target; the token groups if None.
      norm_fac: divides the values (after the logarithm).
      log_scale: take `ln(max(x, 1e-10))` first.
      rescale_elev: DEM/DSM pair, SPEC §2.5.
      mask_threshold: a pixel is masked where a mask channel exceeds this (percent); 100 or more switches masks off.
      name_group: modalities of one group are encoded together in fusion mode `group`; own name if None.
      name_embed: modalities that share patch embedding and pixel projection; own name if None.
      stored_as: the modality of the dataset that is read; own name if None.
    """

    bands: tuple[tuple[str, ...], ...]
    image_size: int
    patch_size: int
    num_dates: int = 1
    norm_bands: tuple[int, ...] | None = None
    norm_fac: float = 1.0
    log_scale: bool = False
    rescale_elev: bool = False
    mask_threshold: float = 0.0
    name_group: str | None = None
    name_embed: str | None = None
    stored_as: str | None = None

    @property
    def grid(self) -> int:
        """Patches per side."""
        return self.image_size // self.patch_size

    @property
    def band_names(self) -> tuple[str, ...]:
        """All bands, in the order in which the model sees them."""
        return tuple(name for group in self.bands for name in group)

    @property
    def group_lengths(self) -> tuple[int, ...]:
        """Bands per token group."""
        return tuple(len(group) for group in self.bands)

    @property
    def target_runs(self) -> tuple[int, ...]:
        """Bands per target normalisation run."""
        return self.norm_bands or self.group_lengths

    @property
    def tokens_per_position(self) -> int:
        """Tokens at one grid position: band groups × dates."""
        return len(self.bands) * self.num_dates

    @property
    def num_tokens(self) -> int:
        """Tokens of the modality in one sample."""
        return self.tokens_per_position * self.grid**2


@dataclasses.dataclass(frozen=True)
class Architecture:
    """Widths and depths (table of SPEC §6)."""

    embed_dim: int
    depth: int
    heads: int
    dim_head: int
    mlp_ratio: float
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int
    decoder_dim_head: int
    decoder_mlp_ratio: float


ARCHITECTURES: Mapping[str, Architecture] = immutabledict(
    tiny=Architecture(192, 12, 3, 64, 2, 512, 1, 16, 32, 4),
    small=Architecture(384, 12, 6, 64, 2, 512, 2, 16, 32, 4),
    base=Architecture(768, 12, 12, 64, 4, 512, 3, 16, 32, 4),
    large=Architecture(1024, 24, 16, 64, 4, 512, 4, 16, 32, 4),
)


@dataclasses.dataclass(frozen=True)
class Model:
    """The masked autoencoder (SPEC §3–6).

    Attributes:
      architecture: widths and depths.
      fusion: which tokens meet in one encoder (SPEC §4).
      inter_depth: how many of the encoder's blocks run jointly over all groups (`mod` and `group` only).
      interpolate: how inputs are resized to `image_size`.
      head: `attentive` or `linear` pooling.
      date_encoding: whether dates are encoded.
      grid_pos_enc: side of the position grid; least common multiple of the grids if None.
      ref_input: modality whose grid segmentation heads predict on.
      dtype: compute dtype; parameters and reductions stay float32.
      remat: what the backward pass recomputes: nothing (`none`), all but matrix products
        (`dots`) or all of a block (`full`).
    """

    architecture: Architecture
    fusion: Literal["shared", "monotemp", "mod", "group"] = "group"
    inter_depth: int = 3
    interpolate: Literal["nearest", "bilinear", "bicubic"] = "nearest"
    head: Literal["attentive", "linear"] = "attentive"
    date_encoding: bool = True
    grid_pos_enc: int | None = None
    ref_input: str | None = None
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    remat: Literal["none", "dots", "full"] = "none"


@dataclasses.dataclass(frozen=True)
class Mask:
    """Masking of the pretraining objective (SPEC §5); a probability of 0 switches a structure off."""

    ratio: float = 0.75
    scale: float = 0.0
    mod: float = 0.25
    bands: float = 0.0
    dates: float = 0.25
    loc: float = 0.25


@dataclasses.dataclass(frozen=True)
class Phase:
    """One training phase (SPEC §8).

    Attributes:
      epochs: passes over the training samples.
      batch_size: global batch.
      base_lr: peak learning rate is `base_lr · sqrt(batch_size / 3)`.
      final_factor: the learning rate ends at peak / final_factor.
      monitor: validation metric that picks the best checkpoint, `target/metric`; the last is kept where None.
      patience: epochs without improvement of the monitor after which training stops.
      b1, b2, weight_decay: AdamW.
      train_splits: splits trained on.
    """

    epochs: int
    batch_size: int
    base_lr: float
    final_factor: float = 1e7
    monitor: str | None = None
    patience: int | None = None
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float = 0.01
    train_splits: tuple[str, ...] = ("train",)

    @property
    def peak_lr(self) -> float:
        """Peak learning rate, SPEC §8."""
        return self.base_lr * math.sqrt(self.batch_size / 3)


@dataclasses.dataclass(frozen=True)
class Data:
    """Where samples come from and how they are drawn (SPEC §2).

    Attributes:
      dir: folder of shards.
      workers: reader processes; 0 reads in threads of the training process.
      prefetch: batches prepared ahead of the device.
      crop_meters: side of the square cut from a tile; the whole tile if None.
      repeats: fixed crops per side and tile in evaluation; an epoch is tiles · repeats² samples.
      random_dates: training draws dates at random within a bin.
      augment: training flips and transposes at random.
      allow: differences accepted knowingly: dotted names of contract fields (`modalities.s2.scale`), and bands whose
        values look wrong (`values.s2.B04`).
    """

    dir: str
    workers: int = 4
    prefetch: int = 2
    crop_meters: float | None = None
    repeats: int = 1
    random_dates: bool = True
    augment: bool = True
    allow: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Devices along each mesh axis; -1 (once) takes what is left."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@dataclasses.dataclass(frozen=True)
class Logging:
    """What is written while training.

    Attributes:
      every_steps: training steps between log lines.
      checkpoint_every_steps: training steps between checkpoints, besides those at each epoch's end.
      checkpoint_every_minutes: longest time between checkpoints; no limit if None.
      keep_checkpoints: latest checkpoints kept.
      images: samples shown in reconstruction figures.
      peak_tflops: 10¹² floating-point operations per second that one device can do in the compute dtype, for the share
        of peak; None where `chips.py` knows the device.
    """

    every_steps: int = 50
    checkpoint_every_steps: int = 1000
    checkpoint_every_minutes: float | None = 30.0
    keep_checkpoints: int = 2
    images: int = 4
    peak_tflops: float | None = None


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything a run is determined by.

    Attributes:
      seed: seeds parameters, samples and masks.
      dataset: the sensor contract.
      data, inputs, targets, model, mask, mesh, logging: see their classes.
      loss: reconstruction error; with `_norm`, of targets normalised per patch and run of bands.
      phases: what is run, some of `PHASES` in order.
      pretrain, probe, finetune: settings of each phase.
      ema: whether the trained parameters are averaged.
      init_from: workdir or weights to start from.
      profile: `(first, count)`: `count` training steps of the first phase run, from its step `first` on, are traced;
        none if empty.
      compilation_cache: folder in which compiled programs are kept, seen by all processes; that of
        `JAX_COMPILATION_CACHE_DIR` if None, else `compilation_cache` in the workdir.
    """

    seed: int
    dataset: Dataset
    data: Data
    inputs: immutabledict[str, Input]
    targets: tuple[str, ...]
    model: Model
    mask: Mask
    loss: Literal["l1", "l2", "l1_norm", "l2_norm"]
    phases: tuple[str, ...]
    pretrain: Phase
    probe: Phase
    finetune: Phase
    ema: bool
    mesh: Mesh
    logging: Logging
    init_from: str | None = None
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

    @property
    def crop_cells(self) -> int:
        """`c` of SPEC §2.1: side of the crop in cells of the common grid."""
        meters = self.dataset.tile_meters if self.data.crop_meters is None else self.data.crop_meters
        cells = self.dataset.size_gcd * meters / self.dataset.tile_meters
        if abs(cells - round(cells)) > 1e-9 or not 0 < round(cells) <= self.dataset.size_gcd:
            step = self.dataset.tile_meters / self.dataset.size_gcd
            raise SpecError(
                f"data.crop_meters: expected a multiple of {step:g} m up to {self.dataset.tile_meters:g} m, "
                f"found {meters:g}"
            )
        return round(cells)
