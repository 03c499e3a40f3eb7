"""STAC item collections: which assets are images of a sensor, when they were taken, and what items say of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.inside import inside
from data_prep.scenes.described.description import Images
from data_prep.scenes.described.sources import Moment, Source, Stated, check_not_virtual, day
from mmae_jax.spec import Dataset
from mmae_jax.spec.error import choices

if TYPE_CHECKING:
    import pystac

REMOTE = ("s3://", "gs://", "https://")
ALL_BANDS = "*"


def read_items(path: Path) -> list[pystac.Item]:
    """Returns the items of a collection, sorted by time and name.

    Raises:
      DataPrepError: it is none, or has none; names the file.
    """
    try:
        import pystac
    except ImportError as error:
        raise DataPrepError(f"{path}: needs pystac to be read: pip install 'mmae_jax[predict]'") from error
    with naming_errors(path, DataPrepError):
        found = json.loads(path.read_text(encoding="utf-8"))
        features = found.get("features") if isinstance(found, dict) else None
        items = [pystac.Item.from_dict(each) for each in features] if isinstance(features, list) else None
    if items is None:
        raise DataPrepError(f"{path}: expected a STAC item collection, with features, found none")
    if not items:
        raise DataPrepError(f"{path}: expected STAC items, found none")
    return sorted(items, key=lambda item: (_moment(path, item), item.id))


def find_assets(folder: Path, field: str, images: Images, bands: Sequence[str]) -> list[Source]:
    """Returns the assets of a sensor in order of time and name; arguments and errors as of `find_sources`."""
    assert images.items is not None, "asked of items"
    path = inside(folder, images.items)
    sources = [source for item in read_items(path) for source in _sources(path, field, item, images, bands)]
    if not sources:
        raise DataPrepError(f"{field}: {path}: expected items with assets {choices(bands)}, found none; say assets=…")
    return sources


def sensors_of(path: Path, contract: Dataset) -> Mapping[str, Mapping[str, str]]:
    """Returns the description of a collection that is a scene of its own: sensors whose bands are assets.

    Raises:
      DataPrepError: there is none, or two have the same bands; names the file.
    """
    keys = {key for item in read_items(path) for key in _named(item)}
    found = [name for name, modality in contract.modalities.items() if set(map(str.lower, modality.bands)) <= keys]
    bands = [set(contract.modalities[name].bands) for name in found]
    if not found or any(bands.count(each) > 1 for each in bands):
        raise DataPrepError(
            f"{path}: expected assets called like the bands of one sensor ({choices(contract.modalities)}), "
            f"found those of {choices(found)}; describe the scene by a Python file with items={path.name!r}"
        )
    return {name: {"items": path.name} for name in found}


def _sources(path: Path, field: str, item: pystac.Item, images: Images, bands: Sequence[str]) -> Iterator[Source]:
    """Yields the assets of an item: one with all bands, or one for each; none where it has none of them."""
    moments, named = (_moment(path, item),), _named(item)
    if ALL_BANDS in images.assets:
        if asset := item.assets.get(images.assets[ALL_BANDS]):
            yield Source(_href(path, asset), moments, (item.id,), None, _stated(asset))
        return
    keys = {band: images.assets.get(band, named.get(band.lower(), "")) for band in bands}
    lacking = [band for band, key in keys.items() if key not in item.assets]
    if len(lacking) == len(keys):
        return
    if lacking:
        raise DataPrepError(
            f"{field}: {path}: item {item.id}: expected an asset of band {lacking[0]}, found {choices(item.assets)}; "
            "say assets={…}"
        )
    for band, key in keys.items():
        asset = item.assets[key]
        yield Source(_href(path, asset), moments, (item.id,), band, _stated(asset))


def _named(item: pystac.Item) -> dict[str, str]:
    """Returns names of bands, in small letters → keys of assets: keys themselves, and names of an asset's one band."""
    names = {}
    for key, asset in item.assets.items():
        described = _bands(asset)
        if len(described) == 1 and described[0].get("name"):
            names[str(described[0]["name"]).lower()] = key
    return names | {key.lower(): key for key in item.assets}


def _bands(asset: pystac.Asset) -> list[Mapping[str, Any]]:
    """Returns what an asset says of its bands, in any version of STAC."""
    fields = asset.extra_fields
    parts = [fields.get(name) or [] for name in ("bands", "raster:bands", "eo:bands")]
    number = max(map(len, parts))
    return [
        {key: value for part in parts if index < len(part) for key, value in part[index].items()}
        for index in range(number)
    ]


def _stated(asset: pystac.Asset) -> Stated:
    described = _bands(asset) or [{}]
    shared = asset.extra_fields
    scales, offsets = (
        tuple(each.get(name, each.get(f"raster:{name}", shared.get(f"raster:{name}"))) for each in described)
        for name in ("scale", "offset")
    )
    nodata = described[0].get("nodata", shared.get("nodata"))
    return Stated(scales, offsets, None if nodata is None else float(nodata))


def _href(path: Path, asset: pystac.Asset) -> str:
    """Returns where an asset is: below the collection's folder, or at a URL of the collection's."""
    check_not_virtual(asset.href, "")
    return asset.href if asset.href.startswith(REMOTE) else str(inside(path.parent, asset.href.removeprefix("./")))


def _moment(path: Path, item: pystac.Item) -> Moment:
    text = item.properties.get("datetime") or item.properties.get("start_datetime")
    return day(str(text), f"{path}: item {item.id}: datetime")
