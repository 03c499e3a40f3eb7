"""Where the repository is, and published samples that are no part of it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""

SAMPLES = ROOT.parent / "shared" / "samples"
"""Real tiles beside the repository; tests that need them are skipped where they are not."""
