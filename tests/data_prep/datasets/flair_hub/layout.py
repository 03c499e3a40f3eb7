"""A slow, independent reading of the published layout of FLAIR-HUB, and changes to it."""

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio

FOLDERS = {
    "aerial": ("AERIAL_RGBI", 4),
    "aerial_rlt": ("AERIAL-RLT_PAN", 1),
    "dem": ("DEM_ELEV", 2),
    "spot": ("SPOT_RGBI", 4),
    "s2": ("SENTINEL2_TS", 10),
    "s1_asc": ("SENTINEL1-ASC_TS", 2),
    "s1_des": ("SENTINEL1-DESC_TS", 2),
}
TABLES = {name: folder.split("_")[0] for name, (folder, _) in FOLDERS.items()} | {"dem": "AERIAL"}
SPLITS = ("train", "val", "test")


def patches(raw_dir: Path, name: str = "train") -> list[str]:
    return (raw_dir / f"{name}.csv").read_text().split()[1:]


def file_of(raw_dir: Path, patch: str, folder: str) -> Path:
    domain, area, position = patch.split("_")
    if folder == "AERIAL-RLT_PAN":
        domain = domain.split("-")[0] + "-195X"
    return raw_dir / f"{domain}_{folder}" / area / f"{domain}_{folder}_{area}_{position}.tif"


def table(raw_dir: Path, published: str) -> Path:
    return raw_dir / "GLOBAL_ALL_MTD" / f"GLOBAL_{published}_MTD_DATES.gpkg"


def sql(path: Path, statement: str, *values: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        layer = database.execute("SELECT table_name FROM gpkg_contents").fetchone()[0]
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')  # calls functions that only GDAL has
        return database.execute(statement.format(layer=f'"{layer}"'), values).fetchall()


def slow_dates(raw_dir: Path, patch: str, name: str) -> list[list[int]]:
    column = "date" if TABLES[name] in ("AERIAL", "AERIAL-RLT", "SPOT") else "acquisition_dates"
    [(text,)] = sql(table(raw_dir, TABLES[name]), f"SELECT {column} FROM {{layer}} WHERE patch_id = ?", patch)
    texts = [text]
    if text.startswith("{"):
        numbered = json.loads(text)
        texts = [numbered[str(number)] for number in range(1, len(numbered) + 1)]
    days = [datetime.datetime.strptime(text[:6] + text[6:].replace("00", "01"), "%Y%m%d") for text in texts]
    return [[day.year, int(day.strftime("%j")), 0] for day in days]


def slow_pixels(path: Path, dates: int, bands: int) -> np.ndarray:
    with rasterio.open(path) as file:
        assert file.count == dates * bands
        return np.array([[file.read(date * bands + band + 1) for band in range(bands)] for date in range(dates)])


def area_of(patch: str) -> str:
    return patch.rpartition("_")[0] + "_%"


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with rasterio.open(path) as file:
        pixels, profile = change(file.read()), file.profile
    profile.update(count=len(pixels), height=pixels.shape[1], width=pixels.shape[2], dtype=pixels.dtype)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
