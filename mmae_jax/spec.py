"""What an experiment is: frozen dataclasses, made and checked by `mmae_jax.config`.

`Dataset` (with its `Modality`s and `Target`s) is the sensor contract (docs/method.md §9): facts about stored data.
`Input`, `Model`, `Mask`, `Phase` … say how an experiment uses them.

Defaults and meanings of all fields are stated here and nowhere else: `python -m mmae_jax config FILE` prints what
stands under `Attributes`, where a unit is in brackets at the end.
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
      ground_sample_distance: side of a pixel [m].
      size: side of the raster that covers the tile [pixels].
      frame: what is stored around the tile, on each side [pixels].
      scale: multiplies stored values to give `unit`.
      offset: added after scaling.
      nodata: stored value that means a missing pixel; NaN always does in floating-point modalities.
      decibel: whether values are logarithms already.
      quantum: where set, integers stand for `base + quantum · stored`, with one `base` per record.
      value_range: smallest and largest stored value that can occur, nodata aside (`base` and `quantum` applied).
      typical_means: mean stored value of each band over the dataset; their order tells swapped bands.
      mask_channels: what the mask channels `[T, M, side, side]` (uint8) tell; empty where there is no mask [%].
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
      kind: `multilabel` (0/1 vector), `classif` (one class per tile), `segment` (one class per pixel) or `regression`
        (one number per tile or pixel), see `mmae_jax/tasks`.
      classes: names of the classes, in index order; empty for `regression`.
      field: record field that the target is derived from.
      missing_value: class value that is excluded from loss and metrics.
      ignored: further stored class values that are excluded.
      colours: one `#rrggbb` a class, as the dataset is usually shown.
      threshold: `multilabel` only: a class is present where its stored proportion exceeds this.
      pixel_values: `multilabel` only, where `field` is that of a `segment` target: the stored value of each class; a
        class is present where a pixel of the crop has its value.
      size: side of the raster that covers the tile [pixels]; None where a tile has one value.
      dtype: numpy dtype name of the stored values of a raster.
    """

    kind: str
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
    def is_raster(self) -> bool:
        """Whether there is a value for each pixel, rather than one for the tile."""
        return self.size is not None

    @property
    def num_classes(self) -> int:
        """Number of classes a head predicts."""
        return len(self.classes)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The sensor contract: written with the shards, carried in config, checkpoint and export (docs/method.md §9).

    Attributes:
      name: the dataset's name.
      version: the version of the dataset as it is stored here.
      tile_meters: side of a tile [m].
      modalities: name of a stored modality → its sensor contract.
      targets: name of a target → its contract.
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
        """`n` of docs/method.md §2.1: the number of cells per side on which every raster can be cut."""
        sizes = [modality.size for modality in self.modalities.values()]
        sizes += [t.size for t in self.targets.values() if t.size is not None]
        return math.gcd(*sizes)


@dataclasses.dataclass(frozen=True)
class Input:
    """How an experiment uses one modality.

    Several inputs may read one stored modality, e.g. an aerial image at two resolutions.

    Attributes:
      bands: token band groups, each a tuple of contract band names; one group = joint token (docs/method.md §1).
      image_size: side of the image after resizing [pixels].
      patch_size: side of a patch [pixels].
      num_dates: date bins.
      norm_bands: lengths of consecutive runs of bands normalised together in the target; the token groups if None.
      norm_fac: divides the values (after the logarithm).
      log_scale: whether `ln(max(x, 1e-10))` is taken first.
      rescale_elev: whether the two bands are a pair of elevations (surface, terrain), docs/method.md §2.5.
      mask_threshold: a pixel is masked where a mask channel exceeds this; 100 or more switches masks off [%].
      name_group: inputs of one group are encoded together in fusion mode `group`; own name if None.
      name_embed: inputs of one name share patch embedding and pixel projection; own name if None.
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
    """Widths and depths (table of docs/method.md §6).

    Attributes:
      embed_dim: width of the encoder's tokens.
      depth: blocks of the encoder.
      heads: attention heads of an encoder's block.
      dim_head: width of one of them.
      mlp_ratio: hidden width of an encoder's MLP, in widths of its tokens.
      decoder_dim: width of the decoder's tokens.
      decoder_depth: blocks of the decoder.
      decoder_heads: attention heads of a decoder's block.
      decoder_dim_head: width of one of them.
      decoder_mlp_ratio: hidden width of a decoder's MLP, in widths of its tokens.
    """

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
    """The model: its encoder (of the masked autoencoder, docs/method.md §3–6) and the heads beside it.

    Attributes:
      architecture: widths and depths; in a config, also a name: `tiny`, `small`, `base` or `large`.
      fusion: which tokens meet in one encoder (docs/method.md §4).
      inter_depth: how many of the encoder's blocks run jointly over all groups (`mod` and `group` only).
      interpolate: how inputs are resized to `image_size`.
      head: `attentive` or `linear` pooling.
      date_encoding: whether dates are encoded.
      grid_pos_enc: side of the position grid; least common multiple of the grids if None.
      ref_input: input on whose grid segmentation heads predict.
      dtype: compute dtype; parameters and reductions stay float32.
      remat: what the backward pass recomputes: nothing (`none`), all but matrix products
        (`dots`) or all of a block (`full`).
      encoder: name of an encoder, see `models/encoder.py`.
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
    encoder: str = "mmae"


@dataclasses.dataclass(frozen=True)
class Mask:
    """Masking of the pretraining objective (docs/method.md §5); a probability of 0 switches a structure off.

    Attributes:
      ratio: share of the tokens that is masked.
      scale: where positive, that share grows with the number D of dates: the rest shrinks by `D ** scale`.
      mod: probability that an input is masked whole, where there are others.
      bands: probability that a group of bands is masked whole.
      dates: probability that a date is masked whole.
      loc: probability that a place is masked at all dates.
    """

    ratio: float = 0.75
    scale: float = 0.0
    mod: float = 0.25
    bands: float = 0.0
    dates: float = 0.25
    loc: float = 0.25


@dataclasses.dataclass(frozen=True)
class Phase:
    """One training phase (docs/method.md §8).

    Attributes:
      epochs: passes over the training samples [epochs].
      batch_size: global batch, of all devices together [samples].
      base_lr: the learning rate peaks at `base_lr · sqrt(batch_size / 3)`.
      final_factor: the learning rate ends at peak / final_factor.
      monitor: validation metric that picks the best checkpoint, `target/metric`; the last is kept where None.
      patience: training stops after so long without improvement of the monitor; never where None [epochs].
      b1: AdamW's decay of the mean of gradients.
      b2: AdamW's decay of the mean of squared gradients.
      weight_decay: AdamW's decay of weights, times the learning rate.
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
        """Peak learning rate, docs/method.md §8."""
        return self.base_lr * math.sqrt(self.batch_size / 3)


@dataclasses.dataclass(frozen=True)
class Data:
    """Where samples come from and how they are drawn (docs/method.md §2).

    Attributes:
      dir: folder of shards.
      workers: reader processes; 0 reads in threads of the training process.
      prefetch: what is prepared ahead of the device [batches].
      crop_meters: side of the square cut from a tile; the whole tile if None [m].
      repeats: fixed crops per side and tile in evaluation; an epoch is tiles · repeats² samples.
      random_dates: whether training draws dates at random within a bin.
      augment: whether training flips and transposes at random.
      allow: differences accepted knowingly: dotted names of contract fields (`modalities.s2.scale`), and bands whose
        values look wrong (`values.s2.B04`).
    """

    dir: str = ""
    workers: int = 4
    prefetch: int = 2
    crop_meters: float | None = None
    repeats: int = 1
    random_dates: bool = True
    augment: bool = True
    allow: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mesh:
    """How the devices are divided; -1 (once) takes what is left.

    Attributes:
      data: groups of devices that share the batch, each with all parameters [devices].
      fsdp: devices of a group that share the batch and the parameters [devices].
      tensor: devices that share the widths of layers [devices].
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@dataclasses.dataclass(frozen=True)
class Logging:
    """What is written while training.

    Attributes:
      every_steps: training between log lines [steps].
      checkpoint_every_steps: training between checkpoints, besides those at each epoch's end [steps].
      checkpoint_every_minutes: longest time between checkpoints; no limit if None [minutes].
      keep_checkpoints: latest checkpoints kept.
      images: samples shown in reconstruction figures.
      peak_tflops: what one device can do in the compute dtype, for the share of peak; None where the device is known
        [TFLOP/s].
    """

    every_steps: int = 50
    checkpoint_every_steps: int = 1000
    checkpoint_every_minutes: float | None = 30.0
    keep_checkpoints: int = 2
    images: int = 4
    peak_tflops: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything a run is determined by.

    Attributes:
      seed: seeds parameters, samples and masks.
      dataset: the sensor contract.
      data: where samples come from.
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
