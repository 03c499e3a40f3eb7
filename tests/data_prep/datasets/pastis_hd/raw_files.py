"""Reads and changes raw files of made-up patches."""

import json

import numpy as np
import rasterio

NAMES = ("10000", "20000", "30000", "40000", "10001")
"""Of the made-up patches, in folds 1 to 5."""


def metadata(raw_dir):
    features = json.loads((raw_dir / "metadata.geojson").read_text())["features"]
    return {feature["properties"]["id"]: feature for feature in features}


def published_arrays(raw_dir, name):
    """Modality → pixels and dates of a patch, as its files have them."""
    properties = metadata(raw_dir)[name]["properties"]
    arrays = {}
    for modality, key in (("s2", "S2"), ("s1_asc", "S1A"), ("s1_des", "S1D")):
        days = [properties[f"dates-{key}"][str(index)] for index in range(len(properties[f"dates-{key}"]))]
        arrays[modality] = np.load(raw_dir / f"DATA_{key}" / f"{key}_{name}.npy"), [day_of_year(day) for day in days]
    with rasterio.open(
        raw_dir / "DATA_SPOT" / "PASTIS_SPOT6_RVB_1M00_2019" / f"SPOT6_RVB_1M00_2019_{name}.tif"
    ) as file:
        arrays["spot"] = file.read()[None, :, :1280, :1280], [(2019, 182, 0)]
    return arrays


def day_of_year(compact):
    text = str(compact)
    day = np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    return int(text[:4]), int((day - np.datetime64(f"{text[:4]}-01-01")).astype(int)) + 1, 0


def replace(path, content):
    path.unlink()  # not the original it is a link to
    path.write_bytes(content)


def save(path, array):
    path.unlink()
    np.save(path, array)


def with_table(raw_dir, name, table, change):
    path = raw_dir / "metadata.geojson"
    collection = json.loads(path.read_text())
    for feature in collection["features"]:
        if feature["id"] == name:
            feature["properties"][table] = change(feature["properties"][table])
    replace(path, json.dumps(collection).encode())
