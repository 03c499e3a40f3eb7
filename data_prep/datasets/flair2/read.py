"""FLAIR#2 as released in 2023: 77,762 patches of 102.4 m in France with land cover by pixel.

Published layout (HF IGNF/FLAIR; Garioud et al. 2023, arXiv 2310.13336): `flair_aerial_train/D004_2021/Z1_NN/img/*.tif`
of five bands, the last of which is the height above ground; `flair_labels_train/…/msk/*.tif`;
`flair_sen_train/…/sen/SEN2_sp_*` with the Sentinel-2 series of a whole area; the same for `test`; and two JSON files
that tell where each patch lies in its area and when its aerial image was taken.

The same patches in the files of FLAIR-HUB, as in arXiv 2508.10894: `flair_hub --version=flair2`. Land cover has the
classes of FLAIR-HUB here too. Of the Sentinel-2 area, what lies on the patch is stored: 10 × 10 pixels around its
centre, as in FLAIR-HUB; the 40 × 40 of the release's own baseline show 300 m around it that no other raster has.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from data_prep.datasets.flair2.classes import TO_COSIA
from data_prep.datasets.flair2.contract import CONTRACT
from data_prep.datasets.flair2.patches import Patch, list_tiles
from data_prep.datasets.flair_hub.classes import UNDEFINED
from data_prep.datasets.flair_hub.contract import FINE_SIDE
from data_prep.datasets.flair_hub.rasters import georeference, missing, of_pixels, read_image
from data_prep.errors import TileError, naming_errors
from data_prep.readers import dates
from data_prep.readers.raw import expect, load_npy
from data_prep.readers.registration import Place
from data_prep.readers.values import check_known, percents
from data_prep.shards.records import Record
from data_prep.shards.task import Source

PRODUCT_DATE = 2
"""Index of the sensing start among the `_`-separated tokens of a product name."""
NDSM_BAND = 4
"""Index of the height; before it are the bands of the aerial image."""

IMAGE = dataclasses.replace(CONTRACT.modalities["aerial"], bands=("R", "G", "B", "NIR", "nDSM"))
"""What an aerial file holds: heights beside the bands of the image."""


def read_tile(raw_dir: Path, patch: Patch) -> tuple[Record, int]:
    """Returns the record of a patch; no date is dropped.

    Values stay as published, dates in order of time, classes are those of FLAIR-HUB by name. The area may lack its
    Sentinel-2 series and the patch its labels, which are undefined then.

    Raises:
      TileError: a file is absent, damaged or not as published; names file, expected and found.
    """
    image_path = patch.path(raw_dir, 0, "img", f"IMG_{patch.number}.tif")
    image = read_image(image_path, IMAGE, "uint8")
    if image is None:
        raise TileError(f"{image_path}: not found")
    taken = np.array([patch.date], np.int16)
    expect(image_path, "bands", NDSM_BAND + 1, (NDSM_BAND + 1) * len(image.pixels))
    labels, places = _read_labels(patch.path(raw_dir, 1, "msk", f"MSK_{patch.number}.tif"))
    return {
        "name": patch.name,
        **georeference([image.place, *places]),
        "ref_date": taken[0],
        "aerial": {"pixels": image.pixels[:, :NDSM_BAND], "dates": taken},
        "ndsm": {"pixels": image.pixels[:, NDSM_BAND:], "dates": taken},
        "s2": _read_s2(raw_dir, patch),
        "cosia": labels,
    }, 0


def _read_labels(path: Path) -> tuple[np.ndarray, list[Place]]:
    """Returns the classes, and where they lie if there are any."""
    image = read_image(path, of_pixels(1), "uint8")
    if image is None:
        return np.full((FINE_SIDE, FINE_SIDE), UNDEFINED, np.uint8), []
    expect(path, "bands", 1, len(image.pixels))
    labels, largest = image.pixels[0, 0], len(TO_COSIA)
    check_known(path, labels, range(1, largest + 1), f"classes 1 to {largest}")
    return TO_COSIA[labels - 1], [image.place]


def _read_s2(raw_dir: Path, patch: Patch) -> Record:
    modality = CONTRACT.modalities["s2"]
    data_path, mask_path = patch.sentinel(raw_dir, "data.npy"), patch.sentinel(raw_dir, "masks.npy")
    if not data_path.exists():
        return missing(modality)
    taken = _read_products(patch.sentinel(raw_dir, "products.txt"))
    pixels = _cut(data_path, patch, len(taken), len(modality.bands))
    whole = (pixels == np.rint(pixels)) & (pixels >= 0) & (pixels <= np.iinfo(np.uint16).max)
    if not whole.all():
        raise TileError(f"{data_path}: expected whole numbers 0 to 65535, found {pixels[~whole][0]}")
    mask = _cut(mask_path, patch, len(taken), len(modality.mask_channels))
    order = dates.chronological(taken)
    return {
        "pixels": pixels[order].astype(np.uint16),
        "dates": taken[order],
        "mask": percents(mask_path, mask[order]),
    }


def _read_products(path: Path) -> np.ndarray:
    if not path.exists():
        raise TileError(f"{path}: not found, though there are images that need its dates")
    with naming_errors(path):
        names = path.read_text(encoding="utf-8").split()
    try:
        return dates.from_products(names, PRODUCT_DATE)
    except ValueError as error:
        raise TileError(f"{path}: {error}") from error


def _cut(path: Path, patch: Patch, acquisitions: int, channels: int) -> np.ndarray:
    """Returns the part `[T, channels, 10, 10]` of an area's array that lies on the patch."""
    area, half = load_npy(path), CONTRACT.modalities["s2"].size // 2
    if area.ndim != 4 or area.shape[:2] != (acquisitions, channels):
        expected = f"{acquisitions} dates (as in products.txt) of {channels} × rows × columns"
        raise TileError(f"{path}: expected {expected}, found {' × '.join(map(str, area.shape))}")
    row, column = patch.centroid
    part = area[..., max(row - half, 0) : row + half, max(column - half, 0) : column + half]
    if part.shape[2:] != (2 * half, 2 * half):
        found = " × ".join(map(str, area.shape[2:]))
        raise TileError(
            f"{path}: expected {2 * half} × {2 * half} pixels around row {row}, column {column} (its centroid), "
            f"found an array of {found} pixels that ends before"
        )
    return np.array(part)


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has: none."""


def source(_options: argparse.Namespace) -> Source:
    """Returns how to read the dataset."""
    return Source(
        contract=CONTRACT,
        target_fields={"cosia": ((FINE_SIDE, FINE_SIDE), "uint8")},
        record_bytes=1_300_000,
        list_tiles=list_tiles,
        read_tile=read_tile,
        metadata_files=("*.json",),
    )
