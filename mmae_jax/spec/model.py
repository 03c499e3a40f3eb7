"""What a model sees of the sensors, what it is made of, and what is hidden from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from immutabledict import immutabledict

from mmae_jax.spec.foundation import AS_PRETRAINED, Foundation


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
      norm_fac: divides the values (after the logarithm); 1 where `mean` and `std` are given.
      mean: subtracted from the values of each band, in the order of `bands`; stored numbers, after the logarithm.
      std: divides what is left of each band; in the same numbers. Both are given, or neither.
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
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
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
      attention: how attention is computed: with scores in memory (`xla`), or by a fused kernel for NVIDIA GPUs
        (`cudnn`) or TPUs (`pallas`); `auto` takes the fused one wherever there is one.
      encoder: the masked autoencoder (`mmae`), or a foundation model, `dinov2`, `dinov2_sat`, `dofa`, `croma`,
        `prithvi` or `satmae`.
      foundation: how a foundation model is used.
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
    attention: Literal["auto", "xla", "cudnn", "pallas"] = "auto"
    encoder: str = "mmae"
    foundation: Foundation = AS_PRETRAINED


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
