"""Opens a scene: reads its description and all headers, says what is missing, and refuses what contradicts."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import logging
import os
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from data_prep.errors import DataPrepError, TileError
from data_prep.readers.accepted import accepting
from data_prep.readers.dates import stored_date
from data_prep.scenes.described.description import Images
from data_prep.scenes.described.description import Scene as Description
from data_prep.scenes.described.load import load
from data_prep.scenes.described.sources import Moment, day
from data_prep.scenes.files import environment, state
from data_prep.scenes.frame import build_frame, frame_bounds
from data_prep.scenes.seen import Recent
from data_prep.scenes.sensor import PlacedSensor
from data_prep.scenes.series import Acquisition, read_series
from mmae_jax.contract.codec import Record
from mmae_jax.data.crops import Cell
from mmae_jax.data.records import DataError
from mmae_jax.scenes.scene import Frame, Scene
from mmae_jax.spec import Experiment, Modality, SpecError
from mmae_jax.spec.error import choices

_log = logging.getLogger(__name__)
SENTINEL2 = re.compile(r"B(0[1-9]|8A|1[0-2])")
"""Names of its bands."""
NEW_BASELINE = Moment(2022, 1, 25)
_Series = Mapping[str, Sequence[Acquisition]]


@dataclasses.dataclass
class FileScene:
    """A scene of files; `mmae_jax.scenes.scene.Scene` says what it does."""

    frame: Frame
    files: Sequence[str]
    ref_date: tuple[int, int, int]
    sensors: tuple[PlacedSensor, ...]
    _recent: Recent = dataclasses.field(default_factory=Recent, repr=False)

    def read(self, start: Cell, cells: int) -> Record:
        """Returns the record of a square; as the protocol says."""
        record: Record = {"name": f"{start[0]}_{start[1]}", "ref_date": np.array(self.ref_date, np.int16)}
        with environment():
            for sensor in self.sensors:
                try:
                    record[sensor.name] = sensor.read(self.frame, start, cells, self._recent)
                except TileError as error:
                    raise DataError(str(error)) from error
                except ValueError as error:
                    raise DataError(f"{sensor.name}: square at {start}: {error}") from error
        return record


def open_scene(path: str | Path, experiment: Experiment, accept: Set[str] = frozenset()) -> Scene:
    """Returns the scene that a file describes (docs/scenes.md), for a model of an experiment.

    What is missing is said in the log.

    Args:
      path: a Python file that sets `SCENE`, YAML, or a STAC item collection.
      experiment: tells the sensor contract, and which modalities are used.
      accept: names of `data_prep.readers.accepted.CHECKS` whose findings are right after all.

    Raises:
      DataPrepError: description or files contradict the contract or each other; names field or file.
    """
    path = Path(path)
    with accepting(accept):
        described = load(path, experiment.dataset)
        try:
            scene = _open(path.absolute().parent, described, experiment)
            said = hashlib.sha256(repr((described, sorted(accept))).encode()).hexdigest()
            scene.files = [f"{path.name} {said}", *scene.files]
            return scene
        except DataPrepError:
            raise
        except SpecError as error:
            raise DataPrepError(f"{path}: {error}") from error


def _open(folder: Path, described: Description, experiment: Experiment) -> FileScene:
    contract = experiment.dataset
    used = list(dict.fromkeys(map(experiment.modality_name, experiment.inputs)))
    names = [name for name in described.sensors if name in used]
    if not names:
        raise DataPrepError(f"sensors: expected some of {choices(used)}, which the model sees, found none of them")
    if missing := [name for name in used if name not in names]:
        _log.warning("the scene has no %s: predictions are made without", ", ".join(missing))
    reference = described.reference or _reference(experiment, names)
    read = dict.fromkeys([*names, reference])
    found = {name: read_series(folder, name, contract.modalities[name], described.sensors[name]) for name in read}
    for name in names:
        _warn_of_baseline(name, contract.modalities[name], described.sensors[name], found[name])
    frame = build_frame(described, reference, found[reference], contract.tile_meters / contract.size_gcd)
    series = _in_range(described, {name: found[name] for name in names})
    sensors = {name: _placed(name, experiment, described, each, frame) for name, each in series.items()}
    absent = [name for name in used if name not in sensors]
    no_images = tuple(
        PlacedSensor(name, contract.modalities[name], _pixels(experiment, name), None, ()) for name in absent
    )
    ref_date = described.ref_date and day(described.ref_date, "ref_date")
    first = next(iter(sensors.values())).series[0][0].moment
    files = sorted(
        {layer.path for each in sensors.values() for kept in each.series for layer in (*kept[0].layers, *kept[0].masks)}
    )
    return FileScene(
        frame,
        [f"{_below(folder, file)} {state(file)}" for file in files],
        stored_date(ref_date or first),
        (*sensors.values(), *no_images),
    )


def _warn_of_baseline(name: str, sensor: Modality, images: Images, series: Sequence[Acquisition]) -> None:
    """Says where nothing tells the offset that products of Sentinel-2 have since 25 January 2022 (docs/checks.md)."""
    if not all(map(SENTINEL2.fullmatch, sensor.bands)) or images.offset is not None or images.offsets:
        return
    late = [layer for each in series if each.moment >= NEW_BASELINE for layer in each.layers]
    silent = [layer.path for layer in late if layer.conversion.offset == 0]
    if silent:
        _log.warning(
            "%s: %s states no offset, but products of Sentinel-2 have -0.1 since 2022-01-25: "
            "say offsets={'2022-01-25': -0.1}, or offset=0 where it is taken off",
            name,
            silent[0],
        )


def _below(folder: Path, file: str) -> str:
    """Returns the name of a file that is the same wherever the folder is."""
    return file if "://" in file else os.path.relpath(file, folder)


def _reference(experiment: Experiment, names: Sequence[str]) -> str:
    order = [experiment.model.ref_input, *experiment.inputs]
    return next(name for each in order if each is not None and (name := experiment.modality_name(each)) in names)


def _pixels(experiment: Experiment, name: str) -> int:
    return experiment.dataset.modalities[name].size // experiment.dataset.size_gcd


def _in_range(described: Description, series: _Series) -> _Series:
    """Returns the acquisitions from `start` to `end`; sensors with one date for all files are kept.

    Raises:
      DataPrepError: there are none.
    """
    start = day(described.start, "start") if described.start else Moment.min
    end = day(described.end, "end") + datetime.timedelta(days=1) if described.end else Moment.max
    if not start < end:
        raise DataPrepError(f"end: expected a day after start, {described.start}, found {described.end}")
    kept = {
        name: each if described.sensors[name].date else [one for one in each if start <= one.moment < end]
        for name, each in series.items()
    }
    dated = [name for name in series if not described.sensors[name].date]
    if dated and not any(kept[name] for name in dated):
        moments = [one.moment for name in dated for one in series[name]]
        raise DataPrepError(
            f"start, end: expected images from {described.start} to {described.end}, found those of "
            f"{min(moments):%Y-%m-%d} to {max(moments):%Y-%m-%d}"
        )
    for name in series:
        if not kept[name]:
            _log.warning(
                "%s: no images from %s to %s: predictions are made without", name, described.start, described.end
            )
    return {name: each for name, each in kept.items() if each}


def _placed(
    name: str, experiment: Experiment, described: Description, series: Sequence[Acquisition], frame: Frame
) -> PlacedSensor:
    """Returns a sensor with its acquisitions that touch the scene.

    Raises:
      DataPrepError: none does; names the sensor and where its first file is.
    """
    sensor = experiment.dataset.modalities[name]
    resampling, bounds = described.sensors[name].resampling, frame_bounds(frame)
    everywhere = PlacedSensor.of(name, sensor, _pixels(experiment, name), resampling, series, frame.crs)
    found = everywhere.within(bounds)
    first = everywhere.series[0][1].placed[0]
    if not found.series:
        expected, elsewhere = (", ".join(f"{value:.0f}" for value in each) for each in (bounds, first.bounds))
        raise DataPrepError(
            f"sensors.{name}: expected images that touch the scene ({expected}), "
            f"found {first.layer.path} at ({elsewhere})"
        )
    if outside := [each[0] for each in everywhere.series if not each[1].touching(bounds)]:
        _log.warning(
            "%s: skipped %d dates whose images are outside the scene, the first %s",
            name,
            len(outside),
            outside[0].layers[0].path,
        )
    return found
