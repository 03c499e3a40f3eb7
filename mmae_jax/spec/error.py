"""What is raised for a user's mistake, and how its message shows values and choices."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

LONGEST = 50
"""Characters of a value in a message."""
CHOICES = 64
"""Characters of the choices in a message."""


class SpecError(ValueError):
    """A configuration or contract cannot be used; the message names the field, what was expected and what was found."""


def shown(value: object) -> str:
    """Returns a value as a message shows it: on one line, shortened where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of an object of any class in a config file, or of an integer too long to be written
        text = f"{type(value).__name__} that cannot be written"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def first_line(text: object) -> str:
    """Returns the first line of a library's message, or of what it raised; empty where it says nothing."""
    return next(iter(str(text).splitlines()), "")


def choices(names: Iterable[object]) -> str:
    """Returns names as a message lists them: with commas, the first ones where they are many."""
    return textwrap.shorten(", ".join(map(str, names)), CHOICES, placeholder=" …") or "none"
