"""FLAIR-HUB."""
