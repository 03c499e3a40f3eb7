"""Tables in JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.inside import check_file


def read_json(path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
      DataPrepError: the file cannot be read, or an object names a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            numbers = " and ".join(str(number) for number, name in enumerate(names, 1) if name == twice)
            raise DataPrepError(f"{path}: {twice}: expected once, found as entries {numbers} of {len(pairs)}")
        return found

    check_file(path)
    with naming_errors(path, DataPrepError):
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
