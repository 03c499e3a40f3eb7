"""Search over fields of an experiment: trials drawn, trained by processes, compared (docs/training.md)."""
