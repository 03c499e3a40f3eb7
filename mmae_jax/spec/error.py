"""What is raised for a user's mistake."""

from __future__ import annotations


class SpecError(ValueError):
    """A configuration or contract cannot be used; the message names the field, what was expected and what was found."""
