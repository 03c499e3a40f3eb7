"""FLAIR-HUB: 241,100 patches of 102.4 m in France, of seven sensors and with land cover and crop maps.

Published layout (IGNF/FLAIR-HUB; Garioud et al. 2025, arXiv 2506.07080): one folder per domain and modality, e.g.
`D012-2019_AERIAL_RGBI/AF-S1-27/D012-2019_AERIAL_RGBI_AF-S1-27_5-10.tif`, and tables of dates in `GLOBAL_ALL_MTD`.
`--version=flair2` is its subset FLAIR#2.
"""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path

import numpy as np
from immutabledict import immutabledict

from data_prep.arguments import add_filter_percent, path
from data_prep.datasets.flair_hub.classes import NO_LPIS, UNDEFINED
from data_prep.datasets.flair_hub.contract import CONTRACT, CONTRACT_FLAIR2, FINE_SIDE
from data_prep.datasets.flair_hub.date_tables import DAY_TABLES, SERIES_TABLES, date_tables, table_path
from data_prep.datasets.flair_hub.rasters import Image, georeference, missing, of_pixels, read_image
from data_prep.datasets.flair_hub.splits import OFFICIAL_SPLITS, Patch, SplitChoice, domains
from data_prep.errors import DataPrepError, TileError
from data_prep.problems import Problem, report
from data_prep.readers import dates
from data_prep.readers.raw import expect
from data_prep.readers.registration import Place
from data_prep.readers.splits import SplitFiles
from data_prep.readers.values import check_classes, percents, quantised
from data_prep.shards.records import Record
from data_prep.shards.task import Source

FOLDERS = immutabledict(
    aerial="AERIAL_RGBI",
    aerial_rlt="AERIAL-RLT_PAN",
    dem="DEM_ELEV",
    spot="SPOT_RGBI",
    s2="SENTINEL2_TS",
    s1_asc="SENTINEL1-ASC_TS",
    s1_des="SENTINEL1-DESC_TS",
)
"""Published name of each modality."""

MASK_FOLDER = "SENTINEL2_MSK-SC"
TARGET_FOLDERS = immutabledict(cosia="AERIAL_LABEL-COSIA", lpis="ALL_LABEL-LPIS")
TARGET_BANDS = immutabledict(cosia=1, lpis=3)
"""The land parcel map has three levels of detail, of which the first is used."""
ABSENT = immutabledict(cosia=UNDEFINED, lpis=NO_LPIS)
"""What fills the map of a patch that has none; ignored values."""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of a split."""
    parser.add_argument("--csv_dir", help="folder of train.csv, val.csv, test.csv (default: --raw_dir)")
    parser.add_argument("--version", choices=["flair2"], help="use the splits <split>_flair2.csv and FLAIR#2's classes")
    add_filter_percent(parser)
    parser.add_argument(
        "--official_split", choices=OFFICIAL_SPLITS, help="use this split of the publisher instead of csv files"
    )
    parser.add_argument("--flair2_areas", metavar="FILE", help="rebuild the FLAIR#2 split from its areas")


def source(options: argparse.Namespace) -> Source:
    """Returns the dataset with the chosen split.

    Raises:
      DataPrepError: options exclude each other.
    """
    csv = options.csv_dir or options.filter_percent
    if options.official_split and (csv or options.version or options.flair2_areas):
        raise DataPrepError(
            "--official_split: cannot be combined with --csv_dir, --filter_percent, --version or --flair2_areas"
        )
    if options.flair2_areas and (csv or options.version != "flair2"):
        raise DataPrepError(
            "--flair2_areas: needs --version=flair2, and cannot be combined with --csv_dir or --filter_percent"
        )
    files = SplitFiles(version=options.version, filter_percent=options.filter_percent)
    csv_dir, areas = (path(text) if text else None for text in (options.csv_dir, options.flair2_areas))
    splits = SplitChoice(files, csv_dir, options.official_split, areas)
    contract = CONTRACT_FLAIR2 if options.version == "flair2" else CONTRACT
    return Source(
        contract=contract,
        target_fields={name: ((target.size, target.size), target.dtype) for name, target in contract.targets.items()},
        record_bytes=2_600_000,
        list_tiles=functools.partial(list_tiles, splits),
        read_tile=read_tile,
        metadata_files=("*.csv", "GLOBAL_ALL_MTD/*.gpkg"),
    )


def list_tiles(splits: SplitChoice, raw_dir: Path) -> dict[str, list[Patch]]:
    """Returns the patches of each split.

    Raises:
      DataPrepError: see `SplitChoice.patches`; or a modality is there whose date table is not.
    """
    patches = splits.patches(raw_dir)
    examples = domains(patches.values())
    for name in (*DAY_TABLES, *SERIES_TABLES):
        table = table_path(raw_dir, name)
        folders = [patch.path(raw_dir, FOLDERS[name]).parent.parent for patch in examples]
        found = next((folder for folder in folders if folder.exists()), None)
        if not table.exists() and (found is not None or name == "aerial"):
            because = f", though there are images in {found} that need its dates" if found else ""
            raise DataPrepError(f"{table}: not found{because}")
    return patches


def read_tile(raw_dir: Path, patch: Patch) -> tuple[Record, int]:
    """Returns the record of a patch; no date is dropped.

    Values stay as published, dates in order of time. A modality is missing where its file is absent, and, which is
    logged, where its dates or mask are, or where elevations are damaged or too steep for steps of a centimetre.

    Raises:
      TileError: the aerial date is absent, or a file is damaged or not as published; names file, expected and found.
    """
    ref_dates = date_tables(raw_dir)["aerial"].dates(patch.name)
    record: Record = {"name": patch.name, "ref_date": ref_dates[0]}
    places: list[Place] = []
    for name, modality in CONTRACT.modalities.items():
        dtype = "float32" if name == "dem" else modality.dtype
        image = read_image(patch.path(raw_dir, FOLDERS[name]), modality, dtype)
        record[name] = missing(modality)
        if image is not None:
            places.append(image.place)
            try:
                record[name] |= _acquisitions(name, image, raw_dir, patch, places)
            except _HoleError as hole:
                report(Problem(patch.name, name, str(hole)))
    for name, folder in TARGET_FOLDERS.items():
        record[name] = np.full((FINE_SIDE, FINE_SIDE), ABSENT[name], np.uint8)
        source = patch.path(raw_dir, folder)
        image = read_image(source, of_pixels(TARGET_BANDS[name]), "uint8")
        if image is not None:
            expect(source, "bands", TARGET_BANDS[name], TARGET_BANDS[name] * len(image.pixels))
            record[name] = image.pixels[0, 0]
            check_classes(source, record[name], CONTRACT.targets[name])
            places.append(image.place)
    if not places:
        expected = patch.path(raw_dir, FOLDERS["aerial"])
        raise TileError(f"{expected}: not found, nor any other file of the patch")
    return record | georeference(places), 0


class _HoleError(Exception):
    """A modality of a patch is there but cannot be used."""


def _acquisitions(name: str, image: Image, raw_dir: Path, patch: Patch, places: list[Place]) -> Record:
    """Returns pixels, dates and what else a record holds of one modality; adds where its mask lies to `places`."""
    source = patch.path(raw_dir, FOLDERS[name])
    found = _dates(name, raw_dir, patch)
    expect(source, "acquisitions (as in the table of dates)", len(found), len(image.pixels))
    fields: Record = {"pixels": image.pixels, "dates": found}
    if name == "dem":
        fields["pixels"], fields["base"] = _elevation(source, image.pixels)
    if name == "s2":
        fields["mask"] = _mask(raw_dir, patch, len(found), places)
    order = dates.chronological(found)
    if not isinstance(order, slice):
        _log.warning("%s: %s: the dates are not in order of time; they are stored sorted", patch.name, name)
    return fields | {part: fields[part][order] for part in ("pixels", "dates", "mask") if part in fields}


def _dates(name: str, raw_dir: Path, patch: Patch) -> np.ndarray:
    tables = date_tables(raw_dir)
    if name in ("aerial", "dem"):  # elevations have no date of their own
        return tables["aerial"].dates(patch.name)
    try:
        return tables[name].dates(patch.name)
    except TileError as error:
        raise _HoleError(str(error)) from error


def _elevation(source: Path, heights: np.ndarray) -> tuple[np.ndarray, np.float32]:
    quantum = CONTRACT.modalities["dem"].quantum
    assert quantum is not None, "elevations are stored as quanta"
    try:
        return quantised(heights, quantum)
    except ValueError as error:
        raise _HoleError(f"{source}: {error}") from error


def _mask(raw_dir: Path, patch: Patch, acquisitions: int, places: list[Place]) -> np.ndarray:
    modality, source = CONTRACT.modalities["s2"], patch.path(raw_dir, MASK_FOLDER)
    image = read_image(source, of_pixels(len(modality.mask_channels), modality.size), None)
    if image is None:
        raise _HoleError(f"{source}: not found; without it clouds would be taken for clear sky")
    expect(source, "acquisitions (as in the table of dates)", acquisitions, len(image.pixels))
    places.append(image.place)
    return percents(source, image.pixels)
