"""Every raster of a tile lies where its frame does; what does not is named, and its way out."""

from pathlib import Path

import pytest
from rasterio import Affine
from rasterio.crs import CRS

from data_prep.errors import TileError
from data_prep.readers.accepted import accepting
from data_prep.readers.registration import (
    Place,
    check_against_metadata,
    check_frame,
    check_registered,
    commonest,
    reprojected,
    same_crs,
)

UTM = CRS.from_epsg(32632)
KILOMETRES = CRS.from_proj4("+proj=utm +zone=32 +datum=WGS84 +units=km +no_defs")
TURNED = Affine(8, 6, 500, 6, -8, 900)


def place(a=10.0, b=0.0, c=500.0, d=0.0, e=-10.0, f=900.0, *, crs=UTM, pixel=10.0, side=8):
    return Place(Path("other.tif"), crs, Affine(a, b, c, d, e, f), pixel, side)


FRAME = place()
ELSEWHERE = {
    "half a pixel": (place(c=505.0), r"north-west corner: expected \(500.0, 900.0\) as in .*, found \(505.0, 900.0\)"),
    "a quarter of a pixel south": (place(f=897.5), "north-west corner"),
    "the next zone": (place(crs=CRS.from_epsg(32633)), "coordinate system, as in .*: expected EPSG:32632, found EPSG:"),
    "kilometres": (place(0.01, 0, 0.5, 0, -0.01, 0.9, crs=KILOMETRES), "coordinate system, as in"),
    "south up": (place(e=10.0, f=820.0), "north-west corner"),
    "south up from the same corner": (place(e=10.0), r"affine: expected \(10.0, 0.0, 0.0, -10.0\) as in"),
    "east to west": (place(a=-10.0), "affine: .* pixels off"),
    "turned": (Place(Path("other.tif"), UTM, TURNED, 10.0, 8), "affine"),
    "sheared": (place(b=0.5), "affine"),
    "rows and columns exchanged": (place(0.0, 10.0, 500.0, -10.0, 0.0, 900.0), "affine"),
    "other pixels": (place(a=11.0), "ground sample distance: expected 10 m, found 11 m"),
    "no number": (place(c=float("nan")), "north-west corner"),
    "no number of pixels": (place(e=float("nan")), "ground sample distance"),
    "no coordinate system": (place(crs=None), "coordinate system, as in .*: expected EPSG:32632, found none"),
    "degrees": (place(1e-4, 0, 9, 0, -1e-4, 48, crs=CRS.from_epsg(4326)), "coordinate system"),
}


@pytest.mark.parametrize(("other", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_raster_elsewhere_is_named_with_its_way_out(other, message):
    with pytest.raises(TileError, match=rf"^other.tif: {message}.*--accept=place"):
        check_registered(FRAME, other)
    with accepting({"place"}):
        check_registered(FRAME, other)


def test_pixels_of_another_size_are_at_the_same_place():
    check_registered(FRAME, place(a=2.5, e=-2.5, pixel=2.5, side=32))
    check_registered(place(a=2.5, e=-2.5, pixel=2.5, side=32), FRAME)
    check_registered(FRAME, place(c=500.05))  # what rounding does


FRAMES = {
    "feet": (place(crs=CRS.from_epsg(2263)), "ground sample distance: expected 10 m, found 3.048 m .*US survey foot"),
    "kilometres": (place(crs=KILOMETRES), "ground sample distance: expected 10 m, found 10000 m .*kilometre"),
    "degrees": (place(crs=CRS.from_epsg(4326)), "coordinate system: expected a projected one, .*found EPSG:4326"),
    "none": (place(crs=None), "coordinate system: expected a projected one, in metres, found none"),
    "south up": (place(e=10.0), "orientation: expected north up"),
    "turned": (Place(Path("other.tif"), UTM, TURNED, 10.0, 8), "orientation: expected north up"),
}


@pytest.mark.parametrize(("frame", "message"), FRAMES.values(), ids=FRAMES)
def test_what_cannot_be_the_frame_of_a_tile_is_named(frame, message):
    with pytest.raises(TileError, match=f"^other.tif: {message}.*--accept=place"):
        check_frame(frame)


def test_a_coordinate_system_may_be_written_in_two_ways():
    assert same_crs(UTM, CRS.from_wkt(UTM.to_wkt(version="WKT1_ESRI")))
    local = CRS.from_wkt(f'LOCAL_CS["{UTM.to_wkt().split(chr(34))[1]}",UNIT["metre",1]]')
    assert same_crs(UTM, local)
    assert not same_crs(CRS.from_epsg(2154), local)


UNNAMED = "+proj=utm +zone=32 +ellps=GRS80 +towgs84=0,0,0,0,0,0,0 +units=m +no_defs"


@pytest.mark.parametrize(
    "other", [UNNAMED, UNNAMED.replace("+towgs84=0,0,0,0,0,0,0 ", ""), "EPSG:25832+7837", "EPSG:3044"]
)
def test_a_datum_without_name_heights_and_the_order_of_axes_make_no_other_place(other):
    first, second = CRS.from_epsg(25832), CRS.from_string(other)
    assert same_crs(first, second)
    assert same_crs(second, first)
    for another in (32632, 25833, 23032):
        assert not same_crs(CRS.from_epsg(another), second)


def test_the_place_of_most_dates_counts():
    odd = place(c=700.0)
    assert commonest([odd, FRAME, FRAME]) == FRAME
    assert commonest([odd, FRAME]) == odd
    assert commonest([]) is None


def test_where_metadata_tell_the_frame_a_silent_raster_lies_there():
    check_against_metadata(FRAME, Place(Path("a.tif"), None, Affine.identity(), 10.0, 8))
    with pytest.raises(TileError, match="coordinate system"):
        check_against_metadata(FRAME, place(crs=None))


def test_a_frame_in_another_coordinate_system_of_its_region():
    lambert = Place(Path("frame"), CRS.from_epsg(2154), Affine(1, 0, 6e5, 0, -1, 6.6e6), 1.0, 1000)
    in_utm = reprojected(lambert, CRS.from_epsg(32631))
    assert in_utm.crs == CRS.from_epsg(32631)
    back = reprojected(in_utm, CRS.from_epsg(2154))
    assert back.transform.almost_equals(lambert.transform, 1e-3)
    assert reprojected(lambert, CRS.from_epsg(4326)) == lambert
