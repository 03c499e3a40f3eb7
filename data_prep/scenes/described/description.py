"""What a user's file says about a scene: which images there are of each sensor, and what is in them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from immutabledict import immutabledict

from data_prep.datasets.folder.description import check_dates
from data_prep.datasets.folder.patterns import BESIDE_EACH_OTHER
from mmae_jax.config import from_plain, to_plain
from mmae_jax.spec import SpecError

RESAMPLINGS = ("nearest", "bilinear", "cubic", "average")
ANY_TEXT = re.compile(r"\*|\{(?!band\})")
"""What stands for other names in a pattern: files have to be listed then."""


_NOTHING: immutabledict[str, Any] = immutabledict()


@dataclasses.dataclass(frozen=True)
class Images:
    """The images of one sensor, of any dates, in any coordinate systems, grids and tilings.

    Files are those of `pattern`, or the assets of the STAC `items`. Of files, exactly one of `{date}` in the pattern,
    `date_regex`, `dates` and `date` tells when they were taken.

    Attributes:
      pattern: path from the description's folder, or `s3://…`, `gs://…`, `https://…`; `{date}`, `{band}` (one file per
        band), `*` and `**` stand for what varies. Several patterns may be given.
      items: STAC item collection: a JSON file beside the description.
      assets: band → key of its asset; `{"*": key}` where one asset has all bands. By default, assets are called like
        the bands.
      bands: bands of the files in their order, where files do not name them; by default those of the contract.
      date: date of all files.
      dates: dates of the images in each file, band by band within each date.
      date_regex: finds the date in a file's name, by its first group.
      date_format: how names write dates, in the codes of `strptime`.
      masks: like `pattern`, files of the sensor's `mask_channels` (percent).
      dtype: data type of the files, if it is not that of the contract.
      unit: unit of the files' values, if it is not that of the contract.
      scale: multiplies the files' values to give the unit, if it is not the contract's.
      offset: added after scaling, if it is not the contract's.
      offsets: day → offset from that day on.
      nodata: value of missing pixels, where files do not say it.
      resampling: how pixels are brought to the grid of the scene: by default linear, averaged where images are finer.
    """

    pattern: tuple[str, ...] = ()
    items: str | None = None
    assets: immutabledict[str, str] = _NOTHING
    bands: tuple[str, ...] = ()
    date: str | None = None
    dates: tuple[str, ...] = ()
    date_regex: str | None = None
    date_format: str = "%Y%m%d"
    masks: tuple[str, ...] = ()
    dtype: str | None = None
    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    offsets: immutabledict[str, float] = _NOTHING
    nodata: float | None = None
    resampling: str | None = None


@dataclasses.dataclass(frozen=True)
class Scene:
    """Images of one area.

    Attributes:
      sensors: name of a modality of the contract → its images; others of the contract are missing.
      reference: the sensor that tells area and grid; by default the one that predictions are made on.
      crs: coordinate system of the scene, in metres; by default that of the reference.
      region: west, south, east and north of the part that is used; all by default.
      region_crs: coordinate system of `region`; by default the scene's.
      start: first day that is used.
      end: last day that is used. Sensors with one `date` are used whatever it is.
      ref_date: date from which others are counted; by default the first one of the first sensor.
    """

    sensors: immutabledict[str, Images]
    reference: str | None = None
    crs: str | None = None
    region: tuple[float, ...] = ()
    region_crs: str | None = None
    start: str | None = None
    end: str | None = None
    ref_date: str | None = None


def checked(found: Any) -> Scene:
    """Returns a description, from its own class or plain mappings and lists, whose fields have the right types.

    Raises:
      SpecError: a field is unknown, of another type, or contradicts another one; the message begins with its name.
    """
    plain = to_plain(found)
    sensors = plain.get("sensors") if isinstance(plain, Mapping) else None
    for images in sensors.values() if isinstance(sensors, Mapping) else ():
        for name in ("pattern", "masks", "dates", "bands"):  # one may be written without brackets
            if isinstance(images, dict) and isinstance(images.get(name), str):
                images[name] = [images[name]]
    scene: Scene = from_plain(Scene, plain, "")
    if not scene.sensors:
        raise SpecError("sensors: expected at least one, found none")
    for name, images in scene.sensors.items():
        _check_images(f"sensors.{name}", images)
    if scene.region and (
        len(scene.region) != 4 or not (scene.region[0] < scene.region[2] and scene.region[1] < scene.region[3])
    ):
        raise SpecError(f"region: expected west, south, east, north, found {list(scene.region)}")
    return scene


def _check_images(field: str, images: Images) -> None:
    if bool(images.pattern) == bool(images.items):
        raise SpecError(f"{field}: expected a pattern of files or items of STAC, found {_both(images.pattern)}")
    if images.resampling not in (None, *RESAMPLINGS):
        raise SpecError(f"{field}.resampling: expected one of {', '.join(RESAMPLINGS)}, found {images.resampling!r}")
    if images.items:
        return
    check_dates(field, images.date_format, images.date_regex)
    for name in ("pattern", "masks"):
        for pattern in getattr(images, name):
            _check_pattern(f"{field}.{name}", pattern)
    given = [name for name in ("date_regex", "dates", "date") if getattr(images, name)]
    given += ["{date} in the pattern"] if all("{date}" in pattern for pattern in images.pattern) else []
    if len(given) != 1:
        raise SpecError(
            f"{field}: expected one of {{date}} in the pattern, date_regex, dates and date, "
            f"found {' and '.join(given) or 'none'}"
        )


def _both(given: object) -> str:
    return "both" if given else "none"


def _check_pattern(field: str, pattern: str) -> None:
    if unknown := set(re.findall(r"\{(.*?)\}", pattern)) - {"date", "band"}:
        raise SpecError(f"{field}: expected no other fields than {{date}} and {{band}}, found {{{min(unknown)}}}")
    if "{band}*" in pattern or "*{band}" in pattern or BESIDE_EACH_OTHER.search(pattern):
        raise SpecError(f"{field}: expected text between {{band}} and *, which stands for any text, found {pattern!r}")
    if "://" not in pattern and (pattern.startswith("/") or ".." in pattern.split("/")):
        raise SpecError(f"{field}: expected a path below the description's folder, found {pattern!r}")
    if "://" in pattern and not pattern.startswith(("s3://", "gs://", "https://")):
        raise SpecError(f"{field}: expected a path, s3://…, gs://… or https://…, found {pattern!r}")
    if pattern.startswith("https://") and ANY_TEXT.search(pattern):
        raise SpecError(f"{field}: expected the names of files, as https lists none, found {pattern!r}")
