"""What can be wrong with raw data or with a preparation command."""

from mmae_jax.spec import SpecError


class DataPrepError(SpecError):
    """Preparation cannot go on; the message names the file or flag, what was expected and what was found."""


class TileError(DataPrepError):
    """One tile cannot be used; it is reported and skipped, or fatal with `--strict`. The message names the file."""
