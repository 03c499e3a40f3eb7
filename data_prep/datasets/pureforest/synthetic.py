"""Made-up raw data in the published layout of PureForest: stands of one species, their crowns and the ground below."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio

from data_prep.datasets.pureforest.contract import CLASSES
from data_prep.errors import DataPrepError
from data_prep.synthetic import frame
from data_prep.synthetic.genera import GENERA, Genus

SIDE = 250
"""Aerial pixels per side, 0.2 m each."""
METERS = 50
POINTS = 12_000
"""About 5 points a square metre: an eighth of the published density."""
GROUND, VEGETATION, NOISE = 2, 5, 7
WEST, NORTH = 770_550, 6_277_600

COLUMNS = (
    *("patch_id", "french_department_id", "annotation_id", "split"),
    *("bdforetv3_index", "name_latin", "class_name", "class_index"),
)


@dataclasses.dataclass(frozen=True)
class Species:
    """Name in the files, class index, the genus it looks like, height of the trees and depth of their crowns in m."""

    name: str
    index: int
    genus: Genus
    height: float
    crown_depth: float


SPECIES = (
    Species("Quercus_pubescens", 0, GENERA["Quercus"], 14.0, 3.0),
    Species("Quercus_ilex", 1, GENERA["Tilia"], 8.0, 1.5),
    Species("Fagus_sylvatica", 2, GENERA["Fagus"], 26.0, 4.0),
    Species("Pinus_pinaster", 5, GENERA["Pinus"], 19.0, 5.0),
    Species("Pinus_nigra_laricio", 7, GENERA["Picea"], 22.0, 9.0),
    Species("Larix_decidua", 11, GENERA["Larix"], 24.0, 12.0),
)


@dataclasses.dataclass(frozen=True)
class _Patch:
    """One patch: its number, split and species."""

    number: int
    split: str
    species: Species

    @property
    def patch_id(self) -> str:
        return f"{self.species.name}-C{self.species.index}-{self.number // 10}_{self.number % 10}_{self.number}"

    @property
    def stem(self) -> str:
        return f"{self.split.upper()}-{self.patch_id}"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has: none."""


def write(out_dir: Path, *, tiles: int, seed: int) -> None:
    """Writes made-up patches to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Every fifth patch has no point cloud. Clouds hold some points above and below all surfaces, classified as noise.

    Args:
      out_dir: folder that does not exist yet.
      tiles: number of tiles, at least 3; about 2/3 train, 1/6 val, 1/6 test.
      seed: seed of the forests; patch number i shows the same whatever `tiles`.

    Raises:
      DataPrepError: `out_dir` exists already, there are too few patches for three splits, or laspy is not installed.
    """
    with frame.new_folder(out_dir, tiles) as folder:
        splits = [name for name, members in frame.split(range(tiles)).items() for _ in members]
        patches = []
        for number, split in enumerate(frame.progress(splits)):
            rng = np.random.default_rng([seed, number])
            patch = _Patch(number, split, SPECIES[rng.integers(len(SPECIES))])
            patches.append(patch)
            _write_patch(folder, patch, rng)
        _write_table(folder / "metadata" / "PureForest-patches.csv", patches)


def _write_patch(folder: Path, patch: _Patch, rng: np.random.Generator) -> None:
    west, north = WEST + METERS * (patch.number % 10), NORTH - METERS * (patch.number // 10)
    terrain, canopy = _relief(rng, patch.species)
    image = folder / "imagery" / patch.split / f"{patch.stem}.tiff"
    image.parent.mkdir(parents=True, exist_ok=True)
    profile = {"width": SIDE, "height": SIDE, "count": 4, "dtype": "uint8", "crs": "EPSG:2154"}
    with rasterio.open(image, "w", "GTiff", transform=rasterio.Affine(0.2, 0, west, 0, -0.2, north), **profile) as file:
        file.write(_photograph(rng, patch.species, canopy))
        file.descriptions = ("Infrared", "Red", "Green", "Blue")
    if patch.number % 5 != 4:
        cloud = folder / "lidar" / patch.split / f"{patch.stem}.laz"
        cloud.parent.mkdir(parents=True, exist_ok=True)
        _write_cloud(cloud, rng, terrain, canopy, (west, north))


def _relief(rng: np.random.Generator, species: Species) -> tuple[np.ndarray, np.ndarray]:
    """Returns altitude of the ground and height of the canopy above it in metres, `[250, 250]` each."""
    rows, columns = np.indices((SIDE, SIDE)) / SIDE
    slopes = rng.uniform(-15, 15, 2)
    terrain = rng.uniform(20, 1500) + slopes[0] * rows + slopes[1] * columns + np.sin(6 * rows + 4 * columns)
    centres = rng.uniform(0, METERS, (90, 2)) / METERS
    squared = np.full((SIDE, SIDE), np.inf)
    for row, column in centres:
        squared = np.minimum(squared, (rows - row) ** 2 + (columns - column) ** 2)
    metres = np.sqrt(squared) * METERS
    canopy = species.height * rng.uniform(0.8, 1.1) - species.crown_depth * (metres / 3) ** 2
    return terrain, np.where(metres < 3.5, canopy.clip(0), 0.0)


def _photograph(rng: np.random.Generator, species: Species, canopy: np.ndarray) -> np.ndarray:
    """Returns an aerial image uint8 `[4, 250, 250]` (NIR, R, G, B)."""
    infrared, green, blue, red = species.genus.aerial
    light = 0.6 + 0.5 * canopy / max(canopy.max(), 1)
    grey = np.array([infrared, red, green, blue])[:, None, None] * light * rng.normal(1, 0.05, (4, 1, 1))
    return (grey * rng.normal(1, 0.08, canopy.shape)).clip(0, 255).astype(np.uint8)


def _write_cloud(
    path: Path, rng: np.random.Generator, terrain: np.ndarray, canopy: np.ndarray, corner: tuple[int, int]
) -> None:
    """Writes a LAS 1.4 cloud of point format 8: crowns, ground (less of it below crowns) and a few wrong points."""
    try:
        import laspy
    except ImportError as error:
        raise DataPrepError("point clouds need laspy and lazrs: install the extra prep, mmae_jax[prep]") from error
    down, right = rng.uniform(0, METERS, (2, POINTS))
    cell = (np.minimum((down * 5).astype(int), SIDE - 1), np.minimum((right * 5).astype(int), SIDE - 1))
    tall = canopy[cell] > 1
    penetrates = ~tall | (rng.random(POINTS) < 0.15)
    height = np.where(penetrates, 0.0, canopy[cell] * rng.uniform(0.7, 1.0, POINTS))
    classes = np.where(penetrates, GROUND, VEGETATION)
    wrong = rng.integers(0, POINTS, 10)
    height[wrong], classes[wrong] = rng.choice([-30.0, 200.0], 10), NOISE
    header = laspy.LasHeader(version="1.4", point_format=8)
    header.creation_date = datetime.date(2022, 1, 1)  # not today: the bytes depend on the seed only
    header.scales, header.offsets = np.full(3, 0.01), np.array([WEST, NORTH, 0.0])
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = corner[0] + right, corner[1] - down, terrain[cell] + height
    cloud.classification = classes.astype(np.uint8)
    cloud.write(str(path))


def _write_table(path: Path, patches: Sequence[_Patch]) -> None:
    lines = []
    for patch in patches:
        species = patch.species
        names = (species.name.replace("_", " "), tuple(CLASSES)[species.index], species.index)
        lines.append((patch.patch_id, 66, patch.number // 10, patch.split, 0, *names))
    frame.write_csv(path, COLUMNS, lines)
