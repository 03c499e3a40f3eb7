"""The foundation models that can stand in place of the masked autoencoder, and how they are used."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, NamedTuple

from immutabledict import immutabledict


class Publication(NamedTuple):
    """What was published of a foundation model.

    Attributes:
      title: name, for people.
      file: the file of weights, or several, and where they are.
      licence: licence of the weights.
      fusions: fusion modes in which the model can be used.
      patch_size: side of its patches [pixels].
      grid: patches per side of the images it was trained on.
      multiple: the width of tokens has to be a multiple of this.
    """

    title: str
    file: str
    licence: str
    fusions: tuple[str, ...]
    patch_size: int
    grid: int
    multiple: int = 4


ONE_DATE = ("shared", "monotemp")
ALL_DATES = ("mod",)

FOUNDATION_MODELS: Mapping[str, Publication] = immutabledict(
    dinov2=Publication(
        title="DINOv2 ViT-B/14",
        file="model.safetensors of https://huggingface.co/facebook/dinov2-base",
        licence="Apache-2.0",
        fusions=ONE_DATE,
        patch_size=14,
        grid=37,
    ),
    dinov2_sat=Publication(
        title="DINOv2 ViT-L/16, trained on satellite images",
        file="compressed_SSLlarge.pth or SSLlarge.pth of s3://dataforgood-fb-data/forests/v1/models/",
        licence="Apache-2.0",
        fusions=ONE_DATE,
        patch_size=16,
        grid=14,
    ),
    dofa=Publication(
        title="DOFA ViT-B/16",
        file="a ViT-B file of https://huggingface.co/earthflow/DOFA or https://huggingface.co/torchgeo/dofa",
        licence="CC-BY-4.0",
        fusions=ONE_DATE,
        patch_size=16,
        grid=14,
    ),
    croma=Publication(
        title="CROMA ViT-B/8",
        file="the base file of https://huggingface.co/antofuller/CROMA or https://huggingface.co/torchgeo/croma",
        licence="MIT",
        fusions=ALL_DATES,
        patch_size=8,
        grid=15,
    ),
    prithvi=Publication(
        title="Prithvi-EO-2.0 300M",
        file="the .pt file of https://huggingface.co/ibm-nasa-geospatial/Prithvi-EO-2.0-300M, or of …-300M-TL",
        licence="Apache-2.0",
        fusions=ALL_DATES,
        patch_size=16,
        grid=14,
        multiple=16,
    ),
    satmae=Publication(
        title="SatMAE ViT-L/16, temporal",
        file="pretrain_fmow_temporal.pth of https://zenodo.org/records/7369797",
        licence="CC-BY-NC-4.0 by the authors' repository; the record names none",
        fusions=ALL_DATES,
        patch_size=16,
        grid=14,
        multiple=32,
    ),
)
"""`model.encoder` → what was published."""

DEFECTS: Mapping[str, str] = immutabledict(
    few_bands="inputs of fewer bands than three are refused",
    band_order="weights of bands go to bands by their place, whatever they measure",
    normalisation="inputs are scaled as the experiment says, without the mean and deviation of pretraining",
    rgb_embeddings="embeddings of bands that the model never saw are frozen and slowed down as if it had",
    s1_wavelength="Sentinel-1 has the wavelength of its instrument, not the one of pretraining",
    day_of_year="the day of the year is given as a share of a year",
    timestamps="years are not counted from 2002, days of the year stand for months, hours are 0",
    layer_decay="no layer decay where all dates are one sequence",
)
"""What mode `published` repeats of the reference's adaptation → what it does."""


@dataclasses.dataclass(frozen=True)
class Foundation:
    """How an encoder other than the masked autoencoder is used (docs/foundation_models.md).

    Attributes:
      mode: what the encoder is fed: bands, units, normalisation and dates of its own pretraining (`pretrained`), or
        what arXiv 2508.10894 fed it, with the defects of that (`published`).
      repaired: defects that mode `published` does not repeat, by the names in docs/foundation_models.md.
      freeze: whether finetuning leaves the pretrained parameters as they are: it trains the heads, and the embeddings
        of bands that the encoder never saw.
      keep_norm: whether the encoder's last LayerNorm is kept.
    """

    mode: Literal["pretrained", "published"] = "pretrained"
    repaired: tuple[str, ...] = ()
    freeze: bool = False
    keep_norm: bool = True

    def repeats(self, defect: str) -> bool:
        """Returns whether a defect, a key of `DEFECTS`, is repeated."""
        return self.mode == "published" and defect not in self.repaired


AS_PRETRAINED = Foundation()
"""What nothing is said of."""
