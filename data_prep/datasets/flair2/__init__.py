"""FLAIR#2, the release of 2023."""
