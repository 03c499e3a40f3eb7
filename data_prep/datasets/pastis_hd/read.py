"""PASTIS-HD: French farmland in patches of 1280 m, one SPOT image and a year of Sentinel-1 and -2, crops by parcel.

Published layout (IGNF/PASTIS-HD; Sainte Fare Garnot and Landrieu 2021, arXiv 2107.07933; with Sentinel-1: Sainte Fare
Garnot et al. 2022, arXiv 2112.07558; with SPOT: Astruc et al. 2024, arXiv 2404.08351): `metadata.geojson` and a file
per patch and sensor. PASTIS (no SPOT, no Sentinel-1) and PASTIS-R (no SPOT) are read alike: without a file, missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.windows import Window

from data_prep.arguments import add_filter_percent
from data_prep.datasets.pastis_hd.contract import CONTRACT
from data_prep.datasets.pastis_hd.metadata import FILE, LAMBERT_93, NUM_FOLDS, Patch, official_fold, read_patches
from data_prep.errors import DataPrepError, TileError
from data_prep.readers import dates
from data_prep.readers.accepted import refuse
from data_prep.readers.inside import inside
from data_prep.readers.raw import expect, load_npy, open_raster
from data_prep.readers.registration import Place, check_against_metadata, check_frame, reprojected
from data_prep.readers.splits import SPLITS, SplitFiles, read_column
from data_prep.readers.statements import read_pixels
from data_prep.readers.values import check_classes
from data_prep.shards.records import Record
from data_prep.shards.task import Source
from mmae_jax.spec import Modality

SPOT_DATE = dates.from_compact("20190701")
FRANCE = (-400_000, 1_300_000), (6_000_000, 7_300_000)
"""Eastings and northings of its mainland in Lambert-93, of which its UTM zones have no northing."""
SIGNLESS, INFINITY = np.uint16(0x7FFF), np.uint16(0x7C00)
"""Bits of a float16."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Where a modality's time series is: `{folder}/{prefix}_{patch}.npy`, dates in the metadata's `table`."""

    folder: str
    prefix: str
    table: str

    def path(self, raw_dir: Path, patch: Patch) -> Path:
        """Returns the file of a patch."""
        return inside(raw_dir, self.folder, f"{self.prefix}_{patch.name}.npy")


SERIES = {
    "s2": Series("DATA_S2", "S2", "dates-S2"),
    "s1_asc": Series("DATA_S1A", "S1A", "dates-S1A"),
    "s1_des": Series("DATA_S1D", "S1D", "dates-S1D"),
}


def spot_path(raw_dir: Path, patch: Patch) -> Path:
    """Returns the SPOT image of a patch."""
    return inside(raw_dir, "DATA_SPOT", "PASTIS_SPOT6_RVB_1M00_2019", f"SPOT6_RVB_1M00_2019_{patch.name}.tif")


def target_path(raw_dir: Path, patch: Patch) -> Path:
    """Returns the classes of a patch."""
    return inside(raw_dir, "ANNOTATIONS", f"TARGET_{patch.name}.npy")


def list_tiles(files: SplitFiles, raw_dir: Path) -> dict[str, list[Patch]]:
    """Returns the patches of each split: those of the split files, or where there are none, of the official fold.

    Raises:
      DataPrepError: the metadata or a split file cannot be read, or split files are absent and no fold is chosen.
    """
    patches = read_patches(raw_dir)
    none_there = not any(path.exists() for path in files.paths(raw_dir).values())
    if none_there and files.fold is not None and files.filter_percent is None:
        return official_fold(patches.values(), files.fold, raw_dir)
    way_out = f"or choose one of the dataset's own folds with --fold=1 … {NUM_FOLDS} alone"
    paths = files.require(raw_dir, "PASTIS-HD", way_out)
    return {
        split: [_listed(path, image, patches) for image in read_column(path, "image")] for split, path in paths.items()
    }


def _listed(path: Path, image: str, patches: dict[str, Patch]) -> Patch:
    if not image.isdecimal():
        raise DataPrepError(f"{path}: image: expected the number of a patch, found {image!r}")
    return patches.get(image) or Patch(image, None, None)


def read_tile(raw_dir: Path, patch: Patch) -> tuple[Record, int]:
    """Returns the record of a patch; no date is dropped.

    Acquisitions are put in chronological order. Infinite backscatter becomes NaN, other values stay as published. A
    modality without a file is missing; Sentinel-2 and the classes must be there.

    Raises:
      TileError: a file is damaged or not as published; names file, property, expected and found.
    """
    if patch.properties is None:
        raise TileError(f"{raw_dir / FILE}: patch {patch.name}: not found")
    frame = _frame(raw_dir, patch)
    record = {
        "name": patch.name,
        "crs": LAMBERT_93,
        "transform": np.array(frame.transform[:6], np.float64),
        "ref_date": np.array(SPOT_DATE, np.int16),
        "spot": _read_spot(spot_path(raw_dir, patch), frame),
        "pastis_seg": _read_target(target_path(raw_dir, patch)),
    }
    return record | {name: _read_series(raw_dir, patch, name) for name in SERIES}, 0


def _frame(raw_dir: Path, patch: Patch) -> Place:
    """Returns where the SPOT image lies, which the outline of the patch tells.

    Raises:
      TileError: the outline is no square of a patch's size in France.
    """
    spot, where = CONTRACT.modalities["spot"], f"{raw_dir / FILE}: patch {patch.name}"
    transform = rasterio.Affine(*patch.transform(spot.size, raw_dir))
    frame = Place(Path(where), CRS.from_string(LAMBERT_93), transform, spot.ground_sample_distance, spot.size)
    check_frame(frame, north_up=False)
    corner = frame.at(0, 0)
    if not all(least <= value <= most for value, (least, most) in zip(corner, FRANCE, strict=True)):
        expected = " and ".join(f"{least} to {most}" for least, most in FRANCE)
        refuse("place", f"{where}: north-west corner: expected {expected} ({LAMBERT_93}), found {corner}")
    return frame


def _read_spot(path: Path, frame: Place) -> Record:
    """Returns the fields of the image, of which the first 1280 rows and columns lie on the patch."""
    modality = CONTRACT.modalities["spot"]
    if not path.exists():
        return _missing(modality)
    with open_raster(path) as file:
        expect(path, "bands", len(modality.bands), file.count)
        expect(path, "dtype", modality.dtype, file.dtypes[0])
        if min(file.shape) < modality.size:
            expect(path, "size", f"at least {(modality.size, modality.size)}", file.shape)
        place = Place.of(path, file, modality.ground_sample_distance, modality.size)
        # the patch is a square of the UTM grid, which an image may follow instead of Lambert-93
        check_against_metadata(reprojected(frame, place.crs) if place.crs else frame, place)
        pixels = read_pixels(path, file, modality, window=Window(0, 0, modality.size, modality.size))
    return {"pixels": pixels[None], "dates": np.array([SPOT_DATE], np.int16)}


def _read_series(raw_dir: Path, patch: Patch, name: str) -> Record:
    series, modality = SERIES[name], CONTRACT.modalities[name]
    path = series.path(raw_dir, patch)
    if name != "s2" and not path.exists():
        return _missing(modality)
    pixels = _load(path, modality.dtype, (None, len(modality.bands), modality.size, modality.size))
    days = patch.dates(series.table, raw_dir)
    expect(path, f"dates in {series.table}", len(pixels), len(days))
    order = dates.chronological(days)
    pixels = np.array(pixels[order])  # into memory once, instead of from the disk for each block
    if pixels.dtype == np.float16:
        # numpy takes ten times as long to ask float16 for infinity as integers for its bits
        pixels[(pixels.view(np.uint16) & SIGNLESS) == INFINITY] = np.nan
    return {"pixels": pixels, "dates": days[order]}


def _missing(modality: Modality) -> Record:
    shape = (0, len(modality.bands), modality.size, modality.size)
    return {"pixels": np.empty(shape, modality.dtype), "dates": np.empty((0, 3), np.int16)}


def _read_target(path: Path) -> np.ndarray:
    target = CONTRACT.targets["pastis_seg"]
    classes = np.array(_load(path, target.dtype, (None, target.size, target.size))[0])
    check_classes(path, classes, target)
    return classes


def _load(path: Path, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
    array = load_npy(path)
    expect(path, "dtype", dtype, array.dtype.name)
    expect(path, "number of axes", len(shape), array.ndim)
    expect(path, "shape", tuple(size or found for size, found in zip(shape, array.shape, strict=True)), array.shape)
    if not len(array):
        raise TileError(f"{path}: shape: expected at least one layer, found {array.shape}")
    return array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    add_filter_percent(parser)
    parser.add_argument(
        "--fold",
        type=int,
        choices=range(1, NUM_FOLDS + 1),
        help="use the splits <split>_fold_N.csv, or without them the official fold N by metadata.geojson",
    )


def source(options: argparse.Namespace) -> Source:
    """Returns the dataset with the splits that `options` choose."""
    files = SplitFiles(filter_percent=options.filter_percent, fold=options.fold)
    return Source(
        contract=CONTRACT,
        target_fields={"pastis_seg": ((128, 128), "uint8")},
        record_bytes=26_000_000,
        list_tiles=functools.partial(list_tiles, files),
        read_tile=read_tile,
        metadata_files=(FILE, *(files.name(split) for split in SPLITS)),
        compressed=False,
    )
