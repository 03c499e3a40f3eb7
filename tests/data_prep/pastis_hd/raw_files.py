"""Reads and changes raw files of made-up patches."""

import json

import numpy as np

NAMES = ("10000", "20000", "30000", "40000", "10001")
"""Of the made-up patches, in folds 1 to 5."""


def metadata(raw_dir):
    features = json.loads((raw_dir / "metadata.geojson").read_text())["features"]
    return {feature["properties"]["id"]: feature for feature in features}


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
