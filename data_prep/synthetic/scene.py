"""`python -m data_prep synthetic scene`: the forest of the quickstart as one area of files in two projections.

Aerial images tile it in EPSG:25832. Each date of Sentinel-2 has a file in EPSG:32631 for the western part and one in
EPSG:32632 for the eastern part; Sentinel-1 has one in EPSG:32632.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.warp
from tqdm import tqdm

from data_prep.arguments import path, positive, seed
from data_prep.datasets.treesatai_ts.contract import CONTRACT, GENERA
from data_prep.errors import DataPrepError
from data_prep.synthetic import frame
from data_prep.synthetic.geopackage import square, write_table
from data_prep.synthetic.landscape import draw_flight, expose
from data_prep.synthetic.satellites import Ground, optical, radar
from data_prep.synthetic.stands import BLOCK, CELL, Woods

WEST, NORTH = 330_000.0, 5_760_000.0
BLOCK_METERS = 60
CELL_METERS = 10.0
CELLS = BLOCK // CELL
FILE_BLOCKS = 10
"""Blocks along a side of an aerial file."""
OVERLAP_METERS = 300.0
"""Of the files of two zones."""
YEAR = 2018
NONE = 255
"""Of the map of genera: more than half of a pixel has none."""
ZONES = {"T31UGT": "EPSG:32631", "T32ULC": "EPSG:32632"}
LARGER = 1
"""Blocks around the area that satellites see, too."""

DESCRIPTION = '''\
"""A made-up forest of {meters} m × {meters} m: an aerial image, and a year of Sentinel-1 and -2."""

from data_prep.scenes import Images, Scene

SCENE = Scene(
    sensors={{
        "aerial": Images("aerial/*.tif", date="{year}-07-01"),
        "s2": Images("s2/{{date}}_*.tif", masks="masks/{{date}}_*.tif"),
        "s1_asc": Images("s1_asc/{{date}}.tif"),
        "s1_des": Images("s1_des/{{date}}.tif"),
    }},
)
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("--out_dir", type=path, required=True, help="new folder for the scene")
    parser.add_argument("--meters", type=positive, default=3000, help="side of the area, a multiple of 60 m")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the landscape")
    parser.add_argument("--s2_dates", type=positive, default=40, help="Sentinel-2 dates")
    parser.add_argument("--s1_dates", type=positive, default=35, help="Sentinel-1 dates of each orbit")
    parser.set_defaults(
        run=lambda options: write(**{name: value for name, value in vars(options).items() if name != "run"})
    )


def write(out_dir: Path, *, meters: int, seed: int, s2_dates: int, s1_dates: int) -> None:
    """Writes a scene to `out_dir`, which appears when all is there; the bytes depend on the arguments only.

    Beside the images, `truth/` has the most frequent genus of each satellite pixel, and the proportions of all genera
    in each tile of 60 m.

    Args:
      out_dir: folder that does not exist yet.
      meters: side of the area.
      seed: seed of the landscape.
      s2_dates: dates of Sentinel-2.
      s1_dates: dates of Sentinel-1 in each orbit direction.

    Raises:
      DataPrepError: `out_dir` exists, or the side is no multiple of a tile's.
    """
    if meters % BLOCK_METERS:
        raise DataPrepError(f"--meters: expected a multiple of {BLOCK_METERS}, found {meters}")
    blocks = meters // BLOCK_METERS
    with frame.new_folder(out_dir, blocks**2, fewest=1) as folder:
        for name in ("aerial", "s2", "masks", "s1_asc", "s1_des", "truth"):
            (folder / name).mkdir()
        ground = _write_aerial(folder / "aerial", Woods(seed, blocks + 2 * LARGER), blocks, seed)
        _write_truth(folder / "truth", ground, blocks)
        _write_satellites(folder, ground, meters, np.random.default_rng([seed, 3]), s2_dates, s1_dates)
        (folder / "scene.py").write_text(DESCRIPTION.format(meters=meters, year=YEAR), encoding="utf-8")


def _write_aerial(folder: Path, woods: Woods, blocks: int, seed: int) -> Ground:
    """Writes the aerial images, and returns the forest as satellites see it, with the blocks around the area."""
    cells = woods.blocks * CELLS
    ground = Ground(np.zeros((cells, cells, 16), np.float32), np.zeros((cells, cells)), np.zeros((cells, cells)))
    flight = draw_flight(np.random.default_rng([seed, 2]))
    files = range(0, blocks, FILE_BLOCKS)
    with tqdm(total=woods.blocks**2, unit="tile") as bar:
        inside = range(LARGER, LARGER + blocks)
        for row in range(woods.blocks):
            for column in range(woods.blocks):
                if row not in inside or column not in inside:
                    _add(ground, woods, row, column)
                    bar.update()
        for top in files:
            for left in files:
                _write_aerial_file(folder, woods, ground, flight, (top, left), blocks, bar)
    return ground


def _write_aerial_file(
    folder: Path,
    woods: Woods,
    ground: Ground,
    flight: np.ndarray,
    corner: tuple[int, int],
    blocks: int,
    bar: tqdm,
) -> None:
    height, width = (min(FILE_BLOCKS, blocks - first) for first in corner)
    image = np.empty((4, height * BLOCK, width * BLOCK), np.uint8)
    for row in range(height):
        for column in range(width):
            at = corner[0] + row + LARGER, corner[1] + column + LARGER
            cover, relief = _add(ground, woods, *at)
            rng = np.random.default_rng([woods.seed, 4, *at])
            rows, columns = (slice(each * BLOCK, (each + 1) * BLOCK) for each in (row, column))
            image[:, rows, columns] = expose(rng, flight, cover, relief)
            bar.update()
    name = f"r{corner[0]:03d}_c{corner[1]:03d}.tif"
    place = WEST + corner[1] * BLOCK_METERS, NORTH - corner[0] * BLOCK_METERS
    _write(folder / name, image, 0.2, place, "EPSG:25832", CONTRACT.modalities["aerial"].bands)


def _add(ground: Ground, woods: Woods, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Puts a block on the ground that satellites see; returns cover and brightness of its aerial pixels."""
    block = woods.block(row, column)
    at = tuple(slice(each * CELLS, (each + 1) * CELLS) for each in (row, column))
    ground.shares[at], ground.shift[at], ground.vigour[at] = block.shares, block.shift, block.vigour
    return block.cover, block.relief


def _write_truth(folder: Path, ground: Ground, blocks: int) -> None:
    edge = LARGER * CELLS
    shares = ground.shares[edge:-edge, edge:-edge]
    genera = shares[..., :-1].argmax(-1).astype(np.uint8)
    genera[shares[..., -1] > 0.5] = NONE
    _write(folder / "genera.tif", genera[None], CELL_METERS, (WEST, NORTH), "EPSG:25832", ("genus",), nodata=NONE)
    proportions = shares.reshape(blocks, CELLS, blocks, CELLS, -1).mean((1, 3)).reshape(blocks**2, -1)
    columns = {name: proportions[:, index].astype(np.float64) for index, name in enumerate(GENERA)}
    squares = [
        square(WEST + column * BLOCK_METERS, NORTH - row * BLOCK_METERS, BLOCK_METERS)
        for row in range(blocks)
        for column in range(blocks)
    ]
    names = [f"{row}_{column}" for row in range(blocks) for column in range(blocks)]
    write_table(folder / "tiles.gpkg", {"tile": names, **columns}, squares, "EPSG:25832")


def _write_satellites(
    folder: Path, ground: Ground, meters: int, rng: np.random.Generator, s2_dates: int, s1_dates: int
) -> None:
    place = WEST - LARGER * BLOCK_METERS, NORTH + LARGER * BLOCK_METERS
    for day in tqdm(_days(rng, s2_dates), unit="date", desc="Sentinel-2"):
        pixels, masks = optical(rng, ground, day)
        for name, values, bands in (
            ("s2", pixels, CONTRACT.modalities["s2"].bands),
            ("masks", masks, ("snow", "cloud")),
        ):
            missing = 0 if name == "s2" else None
            _write_zones(folder / name, _date(day), values, place, meters, bands, missing)
    for orbit in ("s1_asc", "s1_des"):
        for day in tqdm(_days(rng, s1_dates), unit="date", desc="Sentinel-1"):
            file = folder / orbit / f"{_date(day)}.tif"
            bands = CONTRACT.modalities[orbit].bands
            _write(file, radar(rng, ground, day), CELL_METERS, place, "EPSG:32632", bands)


def _write_zones(
    folder: Path,
    date: str,
    values: np.ndarray,
    place: tuple[float, float],
    meters: int,
    bands: tuple[str, ...],
    nodata: int | None,
) -> None:
    """Writes an image as a file for each zone; those of the western one were resampled by the nearest pixel."""
    west, east = ZONES
    half = int((meters / 2 + LARGER * BLOCK_METERS) // CELL_METERS)
    overlap = int(OVERLAP_METERS / 2 // CELL_METERS)
    first = max(0, half - overlap)
    eastern = place[0] + first * CELL_METERS, place[1]
    _write(folder / f"{date}_{east}.tif", values[..., first:], CELL_METERS, eastern, ZONES[east], bands, nodata=nodata)
    part = np.ascontiguousarray(values[..., : half + overlap])
    height, width = part.shape[1:]
    bounds = place[0], place[1] - height * CELL_METERS, place[0] + width * CELL_METERS, place[1]
    left, bottom, right, top = rasterio.warp.transform_bounds(ZONES[east], ZONES[west], *bounds, densify_pts=21)
    left, top = np.floor(left / CELL_METERS) * CELL_METERS, np.ceil(top / CELL_METERS) * CELL_METERS
    shape = int(np.ceil((top - bottom) / CELL_METERS)), int(np.ceil((right - left) / CELL_METERS))
    # what no pixel covers has the mask's own value for it, which no percent is
    outside = 0 if nodata is not None else NONE
    turned = np.full((len(part), *shape), outside, part.dtype)
    rasterio.warp.reproject(
        part,
        turned,
        src_transform=rasterio.Affine(CELL_METERS, 0, place[0], 0, -CELL_METERS, place[1]),
        src_crs=ZONES[east],
        dst_transform=rasterio.Affine(CELL_METERS, 0, left, 0, -CELL_METERS, top),
        dst_crs=ZONES[west],
        src_nodata=outside,
        dst_nodata=outside,
    )
    _write(folder / f"{date}_{west}.tif", turned, CELL_METERS, (left, top), ZONES[west], bands, nodata=outside)


def _write(
    file: Path,
    pixels: np.ndarray,
    pixel: float,
    place: tuple[float, float],
    crs: str,
    bands: tuple[str, ...],
    **profile: Any,
) -> None:
    count, height, width = pixels.shape
    own = {"photometric": "minisblack", "alpha": "no", "compress": "deflate", "zlevel": 1, "tiled": True} | profile
    georeference = {"crs": crs, "transform": rasterio.Affine(pixel, 0, place[0], 0, -pixel, place[1])}
    with rasterio.open(file, "w", "GTiff", width, height, count, dtype=pixels.dtype, **georeference, **own) as image:
        image.write(pixels)
        for index, name in enumerate(bands, 1):
            image.set_band_description(index, name)


def _days(rng: np.random.Generator, number: int) -> list[int]:
    """Returns days of the year: overpasses every three days, of which some are lost."""
    overpasses = np.arange(rng.integers(1, 4), 366, 3)
    return sorted(rng.choice(overpasses, min(number, len(overpasses)), replace=False).tolist())


def _date(day: int) -> str:
    return f"{datetime.date(YEAR, 1, 1) + datetime.timedelta(days=day - 1):%Y%m%d}"
