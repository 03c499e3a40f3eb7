"""The acquisitions of a sensor: which files were taken at one time, of one place or of several beside each other."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep.datasets.folder.offsets import check_offsets
from data_prep.errors import DataPrepError
from data_prep.readers.values import mask_sensor
from data_prep.scenes.conversion import as_in_files, conversion
from data_prep.scenes.described import stac
from data_prep.scenes.described.description import Images
from data_prep.scenes.described.sources import Moment, Source, find_sources
from data_prep.scenes.layers import Layer, read_layers
from mmae_jax.spec import Modality

ONE_PASS = datetime.timedelta(minutes=10)
"""In which a satellite or an aircraft takes the images of one acquisition; orbits take longer."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """What was taken at one time.

    Attributes:
      moment: time of the first image.
      layers: images, sorted by path; where several have values, the first one is used.
      masks: their masks, likewise.
    """

    moment: Moment
    layers: tuple[Layer, ...]
    masks: tuple[Layer, ...] = ()


def read_series(folder: Path, name: str, sensor: Modality, images: Images) -> list[Acquisition]:
    """Returns the acquisitions of a sensor in order of time.

    Raises:
      DataPrepError: files are absent, cannot be read, or contradict the contract; names field and file.
      SpecError: the description contradicts the contract.
    """
    field = f"sensors.{name}"
    files = as_in_files(field, sensor, images)
    check_offsets(field, files, images.offsets)
    conversion(field, sensor, files, files.offset)  # that it can be done is asked before files are opened
    if images.items is not None:
        sources = stac.find_assets(folder, field, images, sensor.bands)
    else:
        sources = find_sources(folder, f"{field}.pattern", images, images.pattern, sensor.bands)
    _check_products(field, sources, sensor.bands)
    layers = _layers(sources, field, sensor, images)
    masks = _masks(folder, field, sensor, images)
    acquisitions = []
    for moment, members in _passes(layers):
        own = [mask for mask in masks if moment <= mask.moment <= moment + ONE_PASS]
        if masks and not own:
            _log.warning("%s: skipped %s: expected a mask, found none of %s", field, moment, images.masks[0])
            continue
        acquisitions.append(Acquisition(moment, _in_order(members), _in_order(own)))
    if not acquisitions:
        raise DataPrepError(f"{field}.masks: expected masks of the times of the images, found none at any of them")
    _say_twice(field, acquisitions)
    return acquisitions


def _layers(sources: Sequence[Source], field: str, sensor: Modality, images: Images) -> list[Layer]:
    shown = tqdm(sources, desc=f"headers of {field}", unit="file", delay=3, leave=False)
    return [layer for source in shown for layer in read_layers(source, field, sensor, images)]


def _masks(folder: Path, field: str, sensor: Modality, images: Images) -> list[Layer]:
    if not sensor.mask_channels or not images.masks:
        if sensor.mask_channels:
            _log.warning(
                "%s.masks: none given: every image counts as free of %s", field, ", ".join(sensor.mask_channels)
            )
        return []
    of_masks = mask_sensor(sensor)
    plain = Images(masks=images.masks, date=images.date, dates=images.dates)
    sources = find_sources(folder, f"{field}.masks", images, images.masks, sensor.mask_channels)
    _check_products(f"{field}.masks", sources, sensor.mask_channels)
    return _layers(sources, f"{field}.masks", of_masks, plain)


def _check_products(field: str, sources: Iterable[Source], bands: Sequence[str]) -> None:
    """Raises a `DataPrepError` where an image of several files, each of one band, lacks one or has one twice."""
    products = collections.defaultdict(list)
    for source in sources:
        if source.band is not None:
            products[source.product].append(source)
    for members in products.values():
        found = [source.band for source in members]
        wrong = next((band for band in bands if found.count(band) != 1), None)
        if wrong is not None:
            what = "two" if wrong in found else "none"
            raise DataPrepError(f"{field}: expected a file of band {wrong} like {members[0].path}, found {what}")


def _passes(layers: Iterable[Layer]) -> list[tuple[Moment, list[Layer]]]:
    """Returns the images of each acquisition, and when it begins, in order of time."""
    found: list[tuple[Moment, list[Layer]]] = []
    for layer in sorted(layers, key=lambda each: each.moment):
        if not found or layer.moment > found[-1][0] + ONE_PASS:
            found.append((layer.moment, []))
        found[-1][1].append(layer)
    return found


def _in_order(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    return tuple(sorted(layers, key=lambda layer: (layer.path, layer.moment)))


def _say_twice(field: str, acquisitions: Iterable[Acquisition]) -> None:
    """Says which files are never used, as another one covers the same place at the same time."""
    twice = []
    for acquisition in acquisitions:
        first: dict[object, str] = {}
        for layer in acquisition.layers:
            path = first.setdefault((layer.grid, layer.channels), layer.path)
            if path != layer.path:
                twice.append(f"{layer.path} (as {path})")
    if twice:
        _log.warning(
            "%s: %d files cover the place of another at its time: the first by name is used, not %s",
            field,
            len(twice),
            twice[0],
        )
