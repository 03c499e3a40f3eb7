"""Vectors that stand for tiles and patches: pooled, stored small, and written as files that other programs read."""

PER = ("tile", "patch")
POOLS = ("mean", "max", "sensor", "date")
DTYPES = ("float32", "float16", "int8")
QUANTIZATIONS = ("power", "pixel")
