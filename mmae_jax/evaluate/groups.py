"""Samples that depend on each other: crops of a tile, tiles of a place, tiles whose names have something in common."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import SpecError

BLOCK = re.compile(r"(?P<km>\d+(\.\d+)?)\s*km")
KM_PER_DEGREE = 111.195
"""Along a meridian of a sphere of 6371 km."""


@dataclasses.dataclass(frozen=True)
class GroupBy:
    """What samples of a group have in common, as `--group_by` says it.

    Attributes:
      km: side of the squares on the ground whose samples are groups; None where names tell them.
      pattern: regular expression whose first parenthesis (or all of it), where it is found in a tile's name, names the
        group; the whole name where None.
    """

    km: float | None = None
    pattern: str | None = None

    @classmethod
    def parsed(cls, text: str) -> GroupBy:
        """Returns what `text` says: `5km`, or a regular expression.

        Raises:
          UsageError: it is neither.
        """
        if match := BLOCK.fullmatch(text.strip()):
            if not float(match["km"]) > 0:
                raise UsageError(f"--group_by: expected a length above 0, found {text}")
            return cls(km=float(match["km"]))
        try:
            re.compile(text)
        except re.error as error:
            raise UsageError(
                f"--group_by: expected such as 5km, or a regular expression, found {text!r}: {error}"
            ) from error
        return cls(pattern=text)

    def names(self, tiles: np.ndarray, crs: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """Returns the names of the groups of N samples, `[N]`.

        Args:
          tiles: names of their tiles `[N]`.
          crs: coordinate systems in which they lie `[N]`, empty where they are not known.
          centres: x, y of their middle in it, float64 `[N, 2]`.

        Raises:
          SpecError: a tile has no place, or a name does not match.
        """
        if self.km is not None:
            return _blocks(self.km, tiles, crs, centres)
        if self.pattern is None:
            return tiles
        return np.array([_part(self.pattern, name) for name in tiles.tolist()])


def numbered(names: np.ndarray) -> np.ndarray:
    """Returns the numbers of groups, int `[N]`: 0 … G−1."""
    return np.unique(names, return_inverse=True)[1]


def _part(pattern: str, name: str) -> str:
    found = re.search(pattern, name)
    if found is None:
        raise SpecError(f"--group_by: tile {name}: its name does not match {pattern!r}")
    return next((part for part in found.groups() if part is not None), found[0])


def _blocks(km: float, tiles: np.ndarray, crs: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Returns names of squares on the globe, in rows of equal latitude, wherever and in whichever system tiles lie."""
    for name, system in zip(tiles.tolist(), crs.tolist(), strict=True):
        if not system:
            raise SpecError(f"--group_by={km:g}km: tile {name}: where it lies is not known; group by names")
    try:
        from rasterio.crs import CRS
        from rasterio.warp import transform
    except ModuleNotFoundError as error:
        raise UsageError(f"--group_by={km:g}km needs {error.name}: pip install 'mmae_jax[predict]'") from error
    degrees = np.zeros_like(centres)
    for system in set(crs.tolist()):
        of = crs == system
        degrees[of] = np.transpose(transform(CRS.from_string(system), CRS.from_epsg(4326), *centres[of].T))
    row = np.floor(degrees[:, 1] * KM_PER_DEGREE / km)
    parallel = np.cos(np.radians((row + 0.5) * km / KM_PER_DEGREE))
    column = np.floor(degrees[:, 0] * KM_PER_DEGREE * parallel / km)
    return np.array([f"{y:.0f},{x:.0f}" for y, x in zip(row.tolist(), column.tolist(), strict=True)])
