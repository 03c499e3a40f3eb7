"""What a table tells of places in each of their rows, and has to tell alike."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.datasets.series.observations import Content


@dataclasses.dataclass(frozen=True)
class Attribute:
    """A column by place.

    Attributes:
      values: what the first row of each of P places tells; None where its cell is empty.
      faults: number of a place → what is wrong, where rows tell different things.
    """

    values: list[object]
    faults: dict[int, str]


def attribute(content: Content, column: str) -> Attribute:
    """Returns a column of a table by place."""
    coded = content.attributes[column].dictionary_encode("encode")
    codes, known = np.asarray(coded.indices), coded.dictionary.to_pylist()
    _, first = np.unique(content.rows, return_index=True)  # every place has a row
    values = codes[first]
    changed = np.flatnonzero(codes != values[content.rows])
    faults: dict[int, str] = {}
    for row in changed.tolist():
        place = int(content.rows[row])
        one, other = known[values[place]], known[codes[row]]
        faults.setdefault(place, f"{column}: expected one value of a place in all its rows, found {one} and {other}")
    return Attribute([_given(known[value]) for value in values], faults)


def _given(value: object) -> object:
    return None if isinstance(value, float) and np.isnan(value) else value
