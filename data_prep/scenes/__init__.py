"""Whole areas, described by a short file: GeoTIFFs and STAC items of several sensors, each on its own grid.

from data_prep.scenes import Images, Scene

SCENE = Scene(sensors={"s2": Images("s2/{date}.tif")})
"""

from data_prep.scenes.described.description import Images, Scene
from data_prep.scenes.opening import open_scene

__all__ = ["Images", "Scene", "open_scene"]
