"""The command that repeats what was found, wherever that is written."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection


def repeating(name: str, left_out: Collection[str], *added: str) -> str:
    """Returns the command of this process for one claim or table.

    Args:
      name: of the claim or table; a Python file is named as it was typed.
      left_out: options that are others elsewhere.
      added: arguments that stand for them.
    """
    options = [argument for argument in sys.argv[2:] if argument.startswith("--")]
    typed = next((argument for argument in sys.argv[2:] if argument.endswith(f"{name}.py")), name)
    kept = [argument for argument in options if argument.partition("=")[0] not in left_out]
    return shlex.join(["python", "-m", "mmae_jax", "claims", typed, *kept, *added])
