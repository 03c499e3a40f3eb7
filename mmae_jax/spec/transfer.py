"""Where the weights of a model start from, where names do not say it."""

from __future__ import annotations

import dataclasses
from typing import Any

from immutabledict import immutabledict

NEW = "new"
"""Stands for no source: weights that are drawn."""
_NONE: immutabledict[str, Any] = immutabledict()


@dataclasses.dataclass(frozen=True)
class Transfer:
    """How the weights of `init_from`, of another experiment, are taken over (docs/weights.md).

    What is the same by name needs no mention; a head that is not there is new anyway.

    Attributes:
      inputs: input → the input of `init_from` whose weights it starts from, or `new`; that of its own name if absent.
      bands: input → its band → the band whose weights it starts from, or `new`; that of its own name if absent.
      modules: module, by its PyTorch name (`encoder.s2`, `heads.cover`) or the first part of that (`decoder`) → the
        module whose weights it starts from, or `new`; what follows from the inputs if absent.
    """

    inputs: immutabledict[str, str] = _NONE
    bands: immutabledict[str, immutabledict[str, str]] = _NONE
    modules: immutabledict[str, str] = _NONE


BY_NAME = Transfer()
"""Everything by name."""
