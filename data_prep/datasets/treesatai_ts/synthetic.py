"""Made-up raw data in the published layout of TreeSatAI-TS: file names, formats, keys and irregularities."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import rasterio
from rasterio.crs import CRS

from data_prep.arguments import positive
from data_prep.datasets.treesatai_ts.contract import GENERA
from data_prep.datasets.treesatai_ts.read import CSV_COLUMNS
from data_prep.synthetic import frame
from data_prep.synthetic.landscape import SIDE, Forest, grow, observe_optical, observe_radar, photograph

SPECIES = {
    "Betula": ("Betula_spec.",),
    "Cleared": ("Cleared_0",),
    "Quercus": ("Quercus_robur", "Quercus_petraea", "Quercus_rubra"),
    "Larix": ("Larix_decidua", "Larix_kaempferi"),
    "Fraxinus": ("Fraxinus_excelsior",),
    "Alnus": ("Alnus_spec.",),
    "Pseudotsuga": ("Pseudotsuga_menziesii",),
    "Prunus": ("Prunus_spec.",),
    "Fagus": ("Fagus_sylvatica",),
    "Acer": ("Acer_pseudoplatanus",),
    "Abies": ("Abies_alba",),
    "Pinus": ("Pinus_sylvestris", "Pinus_nigra", "Pinus_strobus"),
    "Tilia": ("Tilia_spec.",),
    "Picea": ("Picea_abies",),
    "Populus": ("Populus_spec.",),
}
"""First parts of the published tile names of each genus."""

FIRST_SENTINEL_YEAR = 2017

OVERPASS_SECONDS = {"asc": 62_216, "des": 20_980, "s2": 38_671}
"""UTC second of the day at which the satellites pass."""

UTM32 = "+proj=utm +zone=32 +ellps=GRS80 +units=m +no_defs"
"""As published: EPSG:25832 without its code."""


@dataclasses.dataclass(frozen=True)
class _Site:
    """What names the files of a tile."""

    name: str
    year: int
    proportions: np.ndarray

    @property
    def aerial(self) -> str:
        return f"{self.name}.tif"

    @property
    def sentinel_year(self) -> int:
        return max(self.year, FIRST_SENTINEL_YEAR)

    @property
    def sentinel(self) -> str:
        return f"{self.name}_{self.sentinel_year}.h5"

    @property
    def csv_line(self) -> list[str]:
        return [self.aerial, self.sentinel, f"{self.year}0701", *(f"{value:.5f}" for value in self.proportions)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--s2_dates", type=positive, default=40, help="Sentinel-2 dates per tile, ± 25 %%")
    parser.add_argument("--s1_dates", type=positive, default=35, help="Sentinel-1 dates per tile and orbit, ± 25 %%")


def write(out_dir: Path, *, tiles: int, seed: int, s2_dates: int, s1_dates: int) -> None:
    """Writes made-up tiles to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Args:
      out_dir: folder that does not exist yet; until all is written, the files are in its sibling `<out_dir>.partial`.
      tiles: number of tiles, at least 3; 2/3 go to split train, 1/6 each to val and test.
      seed: seed of the landscape; tile number i is the same whatever `tiles`.
      s2_dates: Sentinel-2 dates per tile, ± 25 %.
      s1_dates: Sentinel-1 dates per tile and orbit direction, ± 25 %.

    Raises:
      DataPrepError: `out_dir` exists already, or there are too few tiles for three splits.
    """
    with frame.new_folder(out_dir, tiles) as folder:
        for name in ("aerial", "sentinel-ts"):
            (folder / name).mkdir()
        write_tile = functools.partial(_write_tile, folder, seed, s2_dates, s1_dates)
        sites = frame.each(write_tile, tiles)
        for split, members in frame.split(sites).items():
            frame.write_csv(folder / f"{split}.csv", CSV_COLUMNS, [site.csv_line for site in members])


def _write_tile(folder: Path, seed: int, s2_dates: int, s1_dates: int, index: int) -> _Site:
    rng = np.random.default_rng([seed, index])
    forest = grow(rng)
    species = rng.choice(SPECIES[GENERA[forest.main]])
    agency = rng.choice(["BI", "WEFL"])
    name = f"{species}_{rng.integers(1, 10)}_{10_000 + index}_{agency}_NLF"
    site = _Site(name, int(rng.integers(2011, 2021)), forest.proportions)
    _write_aerial(folder / "aerial" / site.aerial, photograph(rng, forest), rng)
    with h5py.File(folder / "sentinel-ts" / site.sentinel, "w") as file:
        _write_radar(file, "asc", rng, forest, site.sentinel_year, s1_dates, index)
        _write_radar(file, "des", rng, forest, site.sentinel_year, s1_dates, index)
        _write_optical(file, rng, forest, site.sentinel_year, s2_dates, index)
    return site


def _write_aerial(path: Path, pixels: np.ndarray, rng: np.random.Generator) -> None:
    west, north = np.round(rng.uniform([400_000, 5_700_000], [650_000, 5_950_000]), 1)
    profile = {"width": SIDE, "height": SIDE, "count": 4, "dtype": "uint8", "interleave": "pixel", "blockysize": 6}
    georeference = {"crs": CRS.from_proj4(UTM32), "transform": rasterio.Affine(0.2, 0, west, 0, -0.2, north)}
    with rasterio.open(path, "w", "GTiff", **profile, **georeference) as file:
        file.write(pixels)


def _days(rng: np.random.Generator, mean: int, revisit: int = 3) -> np.ndarray:
    """Sorted days of year, unevenly spaced, some twice: overpasses every `revisit` days of which some are lost."""
    count = max(1, int(rng.integers(round(0.75 * mean), round(1.25 * mean) + 1)))
    overpasses = np.arange(rng.integers(1, revisit + 1), 366, revisit)
    repeated = count // 10  # two products of one day
    chosen = rng.choice(overpasses, count - repeated, replace=count > len(overpasses))
    return np.sort(np.concatenate([chosen, rng.choice(chosen, repeated)]))


def _write_optical(
    file: h5py.File, rng: np.random.Generator, forest: Forest, year: int, mean_dates: int, index: int
) -> None:
    days = _days(rng, mean_dates)
    pixels, masks = observe_optical(rng, forest, days)
    if index % 8 == 3:  # some tiles have one mask per band
        masks = np.repeat(masks.max(1, keepdims=True), 10, 1)
    names = [_optical_product(rng, year, int(day)) for day in days]
    _write_series(file, "sen-2", pixels, names)
    file.create_dataset("sen-2-masks", data=masks)


def _write_radar(
    file: h5py.File, orbit: str, rng: np.random.Generator, forest: Forest, year: int, mean_dates: int, index: int
) -> None:
    days = _days(rng, mean_dates)
    pixels = observe_radar(rng, forest, days)
    damaged = rng.integers(0, [len(days), 2, 6, 6], (3, 4))
    if index % 4 == 1:
        pixels[tuple(damaged[0])] = np.nan
    if index % 4 == 2:
        pixels[tuple(damaged[1:].T)] = 0.0
    names = [_radar_product(rng, year, int(day), OVERPASS_SECONDS[orbit]) for day in days]
    _write_series(file, f"sen-1-{orbit}", pixels, names)


def _write_series(file: h5py.File, key: str, pixels: np.ndarray, names: Sequence[str]) -> None:
    file.create_dataset(f"{key}-data", data=pixels)
    file.create_dataset(f"{key}-products", data=names, dtype=h5py.string_dtype())


def _optical_product(rng: np.random.Generator, year: int, day: int) -> str:
    satellite, orbit = rng.choice(["A", "B"]), rng.choice(["008", "108"])
    taken, processed = _stamp(year, day, OVERPASS_SECONDS["s2"]), _stamp(year, day, OVERPASS_SECONDS["s2"] + 4000)
    return f"S2{satellite}_MSIL2A_{taken}_N0211_R{orbit}_T32UMD_{processed}"


def _radar_product(rng: np.random.Generator, year: int, day: int, second: int) -> str:
    satellite, orbit = rng.choice(["A", "B"]), rng.integers(3_000, 30_000)
    take, unique = rng.integers(0, 1 << 24), rng.integers(0, 1 << 16)
    start, end = _stamp(year, day, second), _stamp(year, day, second + 25)
    return f"S1{satellite}_IW_GRDH_1SDV_{start}_{end}_{orbit:06d}_{take:06X}_{unique:04X}"


def _stamp(year: int, day: int, second: int) -> str:
    moment = datetime.datetime(year, 1, 1) + datetime.timedelta(days=day - 1, seconds=second)
    return moment.strftime("%Y%m%dT%H%M%S")
