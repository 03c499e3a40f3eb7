"""How fast data preparation is."""
