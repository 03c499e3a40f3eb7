"""Which bands of a file are those of the contract: by name where the file names them, else by order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import rasterio
from rasterio.enums import ColorInterp

from data_prep.errors import TileError
from data_prep.readers.accepted import is_accepted
from data_prep.readers.band_names import Meaning, is_counted, meaning
from mmae_jax.spec.error import choices


def find_bands(
    path: str, file: rasterio.DatasetReader, bands: Sequence[str], order: Sequence[str], dates: int
) -> list[int]:
    """Returns where the wanted bands are in a file, 0-based, those of one date after those of another.

    Args:
      path: the file, for messages.
      file: the same, open.
      bands: names of the contract.
      order: bands of a file in their order by the description, where the file does not name them.
      dates: images in the file.

    Raises:
      TileError: a band is absent, or there are more bands than the description says.
    """
    count = file.count - has_opacity(file, len(order) * dates)
    names = file.descriptions[:count]
    if dates == 1 and any(names) and not is_counted(names) and not is_accepted("bands"):
        found = [_named(band, names) for band in bands]
        if all(index is not None for index in found):
            return [index for index in found if index is not None]
        if any(index is not None for index in found):
            lacking = bands[found.index(None)]
            raise TileError(
                f"{path}: band names: expected {lacking}, found {choices(name or 'nothing' for name in names)}"
            )
    if count != len(order) * dates:
        of_dates = f" × {dates} dates" if dates != 1 else ""
        raise TileError(f"{path}: expected {len(order)} bands{of_dates} ({choices(order)}), found {count}")
    return [date * len(order) + order.index(band) for date in range(dates) for band in bands]


def has_opacity(file: rasterio.DatasetReader, bands: int) -> bool:
    """Returns whether a file has a band of opacity after its own."""
    return bool(file.count == bands + 1 and file.colorinterp[-1] == ColorInterp.alpha)


def _named(band: str, names: Sequence[str | None]) -> int | None:
    """Returns the one name that is, or means, the same as that of a band; None where there is none."""
    same = [index for index, name in enumerate(names) if _letters(name) == _letters(band)]
    if not same:
        wanted = meaning(band)
        same = [index for index, name in enumerate(names) if name and _agree(wanted, meaning(name))]
    return same[0] if len(same) == 1 else None


def _agree(wanted: Meaning, found: Meaning) -> bool:
    if wanted.number and found.number:
        return wanted.number == found.number
    return bool(wanted.kinds) and wanted.kinds == found.kinds and len(wanted.kinds) == 1


def _letters(name: str | None) -> str:
    return re.sub(r"[^a-z0-9]", "", (name or "").lower())
