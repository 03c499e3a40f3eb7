"""Made-up raw data in the layouts of S2-NAIP: published (folders or archives) and stacked, with shuffled images."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import io
import shutil
import tarfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from data_prep.arguments import positive
from data_prep.datasets.s2_naip_urban.contract import CONTRACT_WITH_LANDSAT
from data_prep.datasets.s2_naip_urban.files import TILES_PER_ARCHIVE, Position
from data_prep.datasets.s2_naip_urban.sensors import SENSORS
from data_prep.synthetic import city, frame

LAYOUTS = ("published", "archives", "stacked")
EPSG = 32612
FIRST = (958, -6050)
"""Column and row of the first tile; archives of 32 × 32 tiles end between the second and the third column."""

UNUSED_BANDS = {"_32.tif": 3}
"""B01, B09, B10 of Sentinel-2, at 40 m."""


@dataclasses.dataclass(frozen=True)
class _Series:
    """Images `[T, bands, 64, 64]` of one sensor in stored order, and the names of their scenes."""

    images: np.ndarray
    scenes: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--layout", choices=LAYOUTS, default="published", help="as published or stacked for MAESTRO")
    parser.add_argument("--s2_dates", type=positive, default=24, help="most Sentinel-2 images of a tile")


def write(out_dir: Path, *, tiles: int, seed: int, layout: str, s2_dates: int) -> None:
    """Writes made-up tiles to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Every fourth tile has few Sentinel-2 images, every fifth no Landsat, every seventh no Sentinel-1.

    Args:
      out_dir: folder that does not exist yet.
      tiles: number of tiles, at least 3; about 2/3 train, 1/6 val, 1/6 test.
      seed: seed of the cities; tile number i is the same whatever `tiles` and `layout`.
      layout: one of `LAYOUTS`.
      s2_dates: most Sentinel-2 images of a tile.

    Raises:
      DataPrepError: `out_dir` exists already, or there are too few tiles for three splits.
    """
    with frame.new_folder(out_dir, tiles) as folder:
        scenes: dict[str, dict[str, list[str]]] = {}
        for index in frame.progress(range(tiles)):
            place = Position(EPSG, FIRST[0] + index % 4, FIRST[1] - index // 4)
            name = f"{place.epsg}_{place.column}_{place.row}"
            scenes[name] = _write_tile(folder, name, np.random.default_rng([seed, index]), index, layout, s2_dates)
        if layout == "stacked":
            _write_dates(folder, scenes)
        else:
            _write_tables(folder, scenes)
        if layout == "archives":
            _archive(folder)
        frame.write_names(folder, "name", frame.split(list(scenes)))


def _write_tile(
    folder: Path, name: str, rng: np.random.Generator, index: int, layout: str, s2_dates: int
) -> dict[str, list[str]]:
    """Writes the rasters of one tile; returns the scenes of each folder."""
    cover = city.build(rng)
    day = datetime.date(int(rng.integers(2019, 2022)), 5, 1) + datetime.timedelta(days=int(rng.integers(0, 120)))
    _write_png(folder / "naip" / f"{name}.png", city.photograph(rng, cover))
    scenes = {"naip": [f"m_3808553_ne_12_060_{day:%Y%m%d}_{day + datetime.timedelta(days=92):%Y%m%d}"]}
    for modality, series in _observe(rng, cover, day, 5 if index % 4 == 3 else s2_dates).items():
        if (modality, index % 5) == ("landsat", 4) or (modality, index % 7) == ("s1", 6):
            continue
        sensor = SENSORS[modality]
        scenes[sensor.folder] = series.scenes
        bands = CONTRACT_WITH_LANDSAT.modalities[modality].bands
        for ending, (part, side) in (sensor.stacked if layout == "stacked" else sensor.parts).items():
            chosen = series.images[:, [bands.index(band) for band in part]]
            step = city.CELLS // side
            _write_tif(folder / sensor.folder / f"{name}{ending}", chosen[..., ::step, ::step], name)
        if modality == "s2" and layout != "stacked":
            for ending, count in UNUSED_BANDS.items():
                unused = np.ones((len(series.images), count, 16, 16), np.uint16)
                _write_tif(folder / sensor.folder / f"{name}{ending}", unused, name)
    return scenes


def _observe(rng: np.random.Generator, cover: np.ndarray, day: datetime.date, s2_dates: int) -> dict[str, _Series]:
    """Returns what satellites see within two months of the flight, in no order."""

    def days(count: int) -> list[datetime.date]:
        return [day + datetime.timedelta(days=int(gap)) for gap in rng.integers(-60, 61, count)]

    s2, s1, landsat = days(s2_dates), days(int(rng.integers(2, 9))), days(int(rng.integers(4, 9)))
    optical = city.observe_optical(rng, cover, np.array([d.timetuple().tm_yday for d in s2]))
    coarse = city.observe_optical(rng, cover, np.array([d.timetuple().tm_yday for d in landsat]))
    levels = np.concatenate([coarse, coarse[:, :1]], 1) // 2 + 5000
    return {
        "s2": _Series(
            _coarsened(optical, "s2"), [f"S2A_MSIL1C_{d:%Y%m%d}T180921_N0207_R084_T12SVJ_{d:%Y%m%d}T202312" for d in s2]
        ),
        "s1": _Series(
            city.observe_radar(rng, cover, len(s1)),
            [f"S1A_IW_GRDH_1SDV_{d:%Y%m%d}T012345_{d:%Y%m%d}T012410_027000_030A1B_5C2D" for d in s1],
        ),
        "landsat": _Series(
            _coarsened(levels, "landsat"),
            [f"LC08_L1TP_038033_{d:%Y%m%d}_{d + datetime.timedelta(12):%Y%m%d}_01_T1" for d in landsat],
        ),
    }


def _coarsened(images: np.ndarray, modality: str) -> np.ndarray:
    """Bands that are published at 20 m get equal values in 2 × 2 pixels, so that both layouts hold the same."""
    images = images.copy()
    bands = CONTRACT_WITH_LANDSAT.modalities[modality].bands
    for part, side in SENSORS[modality].parts.values():
        step = city.CELLS // side
        chosen = [bands.index(band) for band in part]
        images[:, chosen] = images[:, chosen, ::step, ::step].repeat(step, -2).repeat(step, -1)
    return images


def _write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", "PNG", *pixels.shape[:0:-1], len(pixels), dtype="uint8", ZLEVEL=1) as file:
            file.write(pixels)


def _write_tif(path: Path, images: np.ndarray, tile: str) -> None:
    """Writes images `[T, bands, side, side]` band after band, one image after the other."""
    path.parent.mkdir(exist_ok=True)
    stacked = images.reshape(-1, *images.shape[2:])
    epsg, column, row = map(int, tile.split("_"))
    pixel = 640 / stacked.shape[-1]
    georeference = {
        "crs": f"EPSG:{epsg}",
        "transform": rasterio.Affine(pixel, 0, column * 640, 0, -pixel, -row * 640),
    }
    profile = {"width": stacked.shape[-1], "height": stacked.shape[-1], "count": len(stacked), "compress": "lzw"}
    with rasterio.open(path, "w", "GTiff", dtype=stacked.dtype, **profile, **georeference) as file:
        file.write(stacked)


def _write_tables(folder: Path, scenes: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Writes one table a sensor; each also lists a tile that is not there, as the published ones list rural tiles."""
    for sensor in ("naip", *(sensor.folder for sensor in SENSORS.values())):
        index = [] if sensor == "naip" else ["index"]
        with (folder / f"{sensor}.csv").open("w", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["projection", "col", "row", *index, f"{sensor}_scene"])
            for tile in [f"{EPSG}_1_-6000", *scenes]:
                place = Position.of(tile)
                for number, scene in enumerate(scenes.get(tile, scenes[next(iter(scenes))]).get(sensor, ())):
                    lines.writerow([f"EPSG:{place.epsg}", place.column, place.row, *([number] if index else []), scene])


def _write_dates(folder: Path, scenes: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    folders = {"naip": "naip"} | {sensor.folder: sensor.dates_folder for sensor in SENSORS.values()}
    for tile, sensors in scenes.items():
        for sensor, names in sensors.items():
            path = folder / "dates" / folders[sensor] / f"{tile}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(names) + "\n")


def _archive(folder: Path) -> None:
    """Moves the files of each sensor into archives of 32 × 32 tiles."""
    for sensor in ("naip", *(sensor.folder for sensor in SENSORS.values())):
        for path in sorted((folder / sensor).iterdir()):
            place = Position.of("_".join(path.stem.split("_")[:3]))
            utm = str(place.epsg)
            archive = (
                folder
                / f"{sensor}_{utm}"
                / (f"{utm}_{place.column // TILES_PER_ARCHIVE}_{place.row // TILES_PER_ARCHIVE}.tar")
            )
            archive.parent.mkdir(exist_ok=True)
            with tarfile.open(archive, "a") as file:
                member = tarfile.TarInfo(f"{sensor}/{path.name}")
                member.size = path.stat().st_size
                file.addfile(member, io.BytesIO(path.read_bytes()))
        shutil.rmtree(folder / sensor)
