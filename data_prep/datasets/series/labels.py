"""Labels of places: classes by name, value or frequency, and numbers."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from immutabledict import immutabledict

from data_prep.datasets.folder.description import Fractions
from data_prep.datasets.folder.targets import known_labels, number
from data_prep.datasets.series.description import Label, Series
from data_prep.datasets.series.observations import read
from data_prep.datasets.series.places import attribute
from data_prep.errors import DataPrepError
from mmae_jax import tasks
from mmae_jax.spec.error import choices


def resolved(series: Series, paths: Sequence[Path]) -> Series:
    """Returns a description whose targets name their classes, also those that a table has to be counted for.

    Raises:
      DataPrepError: the table cannot be read, or a column has fewer classes than are to be kept.
    """
    open_ones = {name: label for name, label in series.targets.items() if label.commonest is not None}
    if not open_ones:
        return series
    # no values are read for that
    bare = dataclasses.replace(
        series, modalities={}, targets=open_ones, date=None, steps=None, coordinates=None, splits=Fractions({})
    )
    content = read(bare, paths)
    counted = {
        name: _with_commonest(f"targets.{name}", label, attribute(content, label.column).values)
        for name, label in open_ones.items()
    }
    return dataclasses.replace(series, targets=immutabledict({**series.targets, **counted}))


def _with_commonest(field: str, label: Label, values: Sequence[object]) -> Label:
    named = {str(value): name for value, name in (label.values or {}).items()}
    counts = collections.Counter(str(value) for value in values if value is not None)
    classes = collections.Counter[str]()
    for value, places in counts.items():
        if (name := named.get(value, value)) is not None:
            classes[name] += places
    assert label.commonest is not None, "asked for those that have it"
    if len(classes) < label.commonest:
        raise DataPrepError(
            f"{field}.commonest: expected at most the {len(classes)} classes of the table, found {label.commonest}"
        )
    kept = sorted(classes, key=lambda name: (-classes[name], name))[: label.commonest]
    meant: dict[int | str, str | None] = {
        value: name if (name := named.get(value, value)) in kept else None for value in sorted(counts)
    }
    target = dataclasses.replace(label.target, classes=tuple(kept))
    return dataclasses.replace(label, target=target, values=immutabledict(meant), commonest=None)


def stored_labels(label: Label, values: Sequence[object], places: Sequence[str], where: str) -> list[float]:
    """Returns the label of each place as stored: the index of its class, or a number; none where a cell is empty.

    Raises:
      DataPrepError: a value is no label; names it and the place.
    """
    target = label.target
    if tasks.of(target).numeric:
        return [
            math.nan if value is None else number(str(value), f"{where}: place {place}: {label.column}")
            for value, place in zip(values, places, strict=True)
        ]
    known = known_labels(target, label.values)
    found: list[float] = []
    for value, place in zip(values, places, strict=True):
        if value is not None and value not in known:
            raise DataPrepError(
                f"{where}: place {place}: {label.column}: expected a class ({choices(known)}), found {value!r}; "
                "values= tells what each means, None for none"
            )
        found.append(target.missing_value if value is None else known[str(value)])
    return found
