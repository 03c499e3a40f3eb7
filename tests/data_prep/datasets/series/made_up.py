"""Made-up tables of fields, and what describes them."""

import datetime
import textwrap

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from data_prep.__main__ import main

BANDS = ("B02", "B08")
CROPS = {"wheat": 7, "maize": 5, "rape": 3, "beet": 1}
"""Crop → fields that have it."""
PLACES = [f"field_{number:02d}" for number in range(sum(CROPS.values()))]
DATES = [datetime.datetime(2020, month, 1) for month in (1, 2, 3, 4)]
NODATA = 65535

DESCRIPTION = """
from data_prep.series import *
from mmae_jax.spec import Modality, Target

S2 = Modality(("B02", "B08"), "uint16", "reflectance", 10.0, size=1, scale=1e-4, nodata=65535, value_range=(0, 20000))
S1 = Modality(("VV",), "float32", "sigma0, dB", 10.0, size=1, decibel=True)
s2 = Columns("S2-{band}", S2)
s1 = Columns("S1-{band}", S1, missing=(0,), convert=Decibels(20, -83))
crop = Label("crop", Target("classif", ("wheat", "maize", "rape", "beet"), "crop"))
whole = dict(
    name="fields", table="fields.parquet", place="id", date="date", modalities={"s2": s2, "s1": s1},
    coordinates=Points(), targets={"crop": crop}, splits=Folds(3, "region"),
)
"""


def long_table(**changes):
    """Returns column → values of a row for each place and date; `changes` replace columns."""
    rng = np.random.default_rng(0)
    rows = [(place, date) for place in range(len(PLACES)) for date in DATES]
    crops = np.repeat(list(CROPS), list(CROPS.values()))
    number = len(rows)
    columns = {
        "id": [PLACES[place] for place, _ in rows],
        "date": [date for _, date in rows],
        "S2-B02": rng.integers(100, 3000, number).astype(np.uint16),
        "S2-B08": rng.integers(100, 3000, number).astype(np.uint16),
        "S1-VV": rng.integers(1000, 9000, number),
        "crop": [str(crops[place]) for place, _ in rows],
        "region": [f"r{place // 2}" for place, _ in rows],
        "lon": [10 + place / 100 for place, _ in rows],
        "lat": [50 - place / 100 for place, _ in rows],
    }
    return {name: None if values is None else list(values) for name, values in (columns | changes).items()}


def write(folder, columns, name="fields.parquet"):
    """Writes a table in the format that its name tells; returns its path."""
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    if name.endswith(".csv"):
        csv.write_csv(table, folder / name)
    else:
        parquet.write_table(table, folder / name, row_group_size=13)
    return folder / name


def describe(folder, changes="", base=DESCRIPTION):
    """Writes a description in which `changes`, keyword arguments of `Series`, stand in place of those of `base`."""
    spec = folder / "spec.py"
    spec.write_text(f"{base}\nchanged = dict({textwrap.dedent(changes)})\ndataset = Series(**whole | changed)\n")
    return spec


def prepare(folder, columns=None, changes="", *flags, name="fields.parquet"):
    """Prepares a table; returns exit code and folder of shards."""
    if columns is not None:
        write(folder, columns, name)
    out = folder / "shards"
    return main(["series", f"--spec={describe(folder, changes)}", f"--out_dir={out}", *flags]), out
