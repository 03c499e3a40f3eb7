"""Which columns of a table hold which band, at which date."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data_prep.datasets.folder.patterns import PatternError, date_expression
from data_prep.datasets.series.description import Columns
from data_prep.errors import DataPrepError
from mmae_jax.spec.error import choices

FIELDS = ("band", "date", "step")
ISO = "%Y-%m-%d"


def fields(pattern: str) -> set[str]:
    """Returns the names of the fields of a pattern; raises a `PatternError` at another than `FIELDS`."""
    found = re.findall(r"\{(.*?)\}", pattern)
    if not set(found) <= set(FIELDS) or {"date", "step"} <= set(found) or len(found) != len(set(found)):
        raise PatternError(f"expected {{band}} and, in wide form, {{date}} or {{step}}, each once, found {pattern!r}")
    return set(found)


def matched(field: str, columns: Columns, date_format: str | None, header: Sequence[str]) -> dict[str, list[str]]:
    """Returns when → the column of each band, in the contract's order; `""` in long form, else `{date}` or `{step}`.

    Args:
      field: name of the modality in the description, for messages.
      columns: its description.
      date_format: how dates are written in names of columns; ISO 8601 if None.
      header: the columns of the table.

    Raises:
      DataPrepError: a column is absent, or there are two for one band and date.
    """
    bands = columns.sensor.bands
    names = [columns.names.get(band, band) for band in bands]
    expression = _expression(columns.pattern, names, date_format or ISO)
    found: dict[str, dict[str, str]] = {}
    for column in header:
        if (match := expression.fullmatch(column)) is not None:
            named = match.groupdict()
            band, when = named.get("band", names[0]), named.get("date") or named.get("step") or ""
            other = found.setdefault(when, {}).setdefault(band, column)
            if other != column:
                raise DataPrepError(f"{field}: expected one column for {band} {when}, found {other} and {column}")
    if not found:
        raise DataPrepError(f"{field}: expected columns {columns.pattern!r}, found {choices(header)}")
    for when, of_bands in found.items():
        for name in names:
            if name not in of_bands:
                at = f" at {when}, as there is {next(iter(of_bands.values()))}" if when else ""
                raise DataPrepError(f"{field}: expected a column {columns.pattern!r} for band {name}{at}, found none")
    return {when: [found[when][name] for name in names] for when in found}


def _expression(pattern: str, bands: Sequence[str], date_format: str) -> re.Pattern[str]:
    parts = {
        "{band}": f"(?P<band>{'|'.join(map(re.escape, sorted(bands, key=len, reverse=True)))})",
        "{date}": f"(?P<date>{date_expression(date_format)})",
        "{step}": r"(?P<step>\d+)",
        "*": ".*",
    }
    pieces = re.split(r"(\{.*?\}|\*)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))
