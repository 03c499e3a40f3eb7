"""Names in a description: those that files, tables, TFDS and configs take, no two of them alike."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from data_prep.readers.splits import check_split
from mmae_jax.checks.names import NAME
from mmae_jax.spec import SpecError

if TYPE_CHECKING:
    from data_prep.datasets.folder.description import Folder
    from data_prep.datasets.series.description import Series

VERSION = re.compile(r"\d+\.\d+\.\d+")
RESERVED = ("name", "crs", "transform", "ref_date")


def check_names(folder: Folder | Series) -> None:
    """Raises a `SpecError` at the first name that cannot be one, or that differs from another by case alone."""
    _check_name("name", folder.name)
    if not isinstance(folder.version, str) or not VERSION.fullmatch(folder.version):
        raise SpecError(f"version: expected three numbers like 1.0.0, found {folder.version!r}")
    for field, names in (("modalities", folder.modalities), ("targets", folder.targets)):
        for name in names:
            _check_name(field, name)
            if field == "modalities" and name in RESERVED:
                raise SpecError(f"{field}: expected a name that no other part of a record has, found {name!r}")
        _check_different(field, names)
    fields: dict[str, str] = {}
    for name, source in folder.targets.items():
        _check_name(f"targets.{name}.target.field", source.target.field)
        if source.target.field in (*RESERVED, *folder.modalities) or source.target.field in fields:
            raise SpecError(
                f"targets.{name}.target.field: expected a name that no other part of a record has, "
                f"found {source.target.field!r}"
            )
        fields[source.target.field] = name
        _check_labels(f"targets.{name}.target.classes", source.target.classes)
    for name, files in folder.modalities.items():
        _check_labels(f"modalities.{name}.sensor.bands", files.sensor.bands)
        _check_labels(f"modalities.{name}.sensor.mask_channels", files.sensor.mask_channels)


def _check_name(field: str, name: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise SpecError(f"{field}: expected a letter, then letters, digits and underscores, found {name!r}")


def _check_labels(field: str, labels: object) -> None:
    """Classes and bands may have any name, but columns of tables are looked up by it."""
    if not isinstance(labels, tuple | list):
        return  # told where the contract is checked
    for label in labels:
        if not isinstance(label, str) or not label or label != label.strip():
            raise SpecError(f"{field}: expected names without spaces around them, found {label!r}")
    _check_different(field, labels)


def _check_different(field: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise SpecError(f"{field}: expected different names, found {seen[name.casefold()]!r} and {name!r}")
        seen[name.casefold()] = name


def check_shares(shares: Mapping[str, float]) -> None:
    """Raises a `SpecError` unless `shares` maps names of splits to numbers above 0 that add up to 1."""
    numbers = list(shares.values()) if isinstance(shares, Mapping) else []
    if not all(isinstance(share, int | float) and share > 0 for share in numbers) or abs(sum(numbers) - 1) > 1e-6:
        raise SpecError(f"splits.shares: expected shares above 0 that add up to 1, found {shares!r}")
    for split in shares:
        check_split(str(split), "splits.shares")
