"""Raw files that point elsewhere: nothing outside the raw folder is read, nobody is called, and the file is named."""

import argparse
import contextlib
import dataclasses
import fcntl
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from data_prep.datasets.flair2.patches import Patch as AreaPatch
from data_prep.datasets.flair_hub import splits as flair_hub
from data_prep.datasets.folder.description import Column, Files, Folder, Fractions, Raster, Table
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.datasets.pastis_hd.metadata import Patch, read_patches
from data_prep.datasets.pastis_hd.read import SERIES, target_path
from data_prep.datasets.pureforest import read as pureforest
from data_prep.datasets.s2_naip_urban import files as s2_naip
from data_prep.datasets.treesatai_ts import read as treesatai_ts
from data_prep.errors import DataPrepError
from data_prep.readers.accepted import accepting
from data_prep.readers.splits import SplitFiles
from mmae_jax.spec import Modality, Target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells which files are read")

SECRET = "tile,split,sort,private.key\na,train,x,0\n"
TARGETS = {
    "cover": Raster("cover/{tile}.tif", Target("segment", ("x", "y"), "cover", missing_value=255, size=8)),
    "csv": Column("labels.csv", Target("classif", ("x", "y"), "sort")),
    "gpkg": Column("labels.gpkg", Target("regression", (), "tonnes")),
    "json": Column("labels.geojson", Target("regression", (), "metres")),
}
S2 = Modality(("B02",), "uint8", "reflectance", 10.0, size=8, mask_channels=("cloud",))
FILES = Files("s2/{tile}_{date}.tif", S2, masks="clouds/{tile}_{date}.tif")
IMAGE = "s2/a_20200105.tif"
SERIES_KEYS = {"sen-1-asc": (2, "float32"), "sen-1-des": (2, "float32"), "sen-2": (10, "uint16")}
PRODUCT = "S2A_MSIL2A_20190103T104431_N0211_R008_T32UMD_20190103T115449"


@dataclasses.dataclass
class Outside:
    """What is outside the raw folder: a folder with a secret, and a server."""

    folder: Path
    url: str
    requests: list[str]
    reads: list[int]

    @property
    def secret(self) -> Path:
        return self.folder / "private.key"

    def read(self) -> int:
        """Number of times that any process has read from a file in the folder since it was last asked."""
        found = len(self.reads)
        self.reads.clear()
        return found


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 (as the base class has it)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    reads: list[int] = []
    found = Outside(folder, f"http://127.0.0.1:{server.server_port}", requests, reads)
    found.secret.write_text(SECRET)
    write_raster(folder / "other.tif")
    before = signal.signal(signal.SIGIO, lambda number, _: reads.append(number))
    watched = os.open(folder, os.O_RDONLY)
    fcntl.fcntl(watched, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MULTISHOT)
    yield found
    os.close(watched)
    signal.signal(signal.SIGIO, before)
    server.shutdown()
    server.server_close()


def write_raster(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"count": 1, "height": 8, "width": 8, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", "GTiff", transform=rasterio.Affine(10, 0, 500, 0, -10, 900), **profile) as file:
        file.write(np.ones((1, 8, 8), np.uint8))


@pytest.fixture
def raw(tmp_path) -> Path:
    raw = tmp_path / "raw"
    for name in (IMAGE, "clouds/a_20200105.tif", "cover/a.tif"):
        write_raster(raw / name)
    (raw / "labels.csv").write_text("tile,sort\na,x\n")
    (raw / "splits.csv").write_text("tile,split\na,train\n")
    (raw / "sentinel-ts").mkdir()
    with h5py.File(raw / "sentinel-ts/a.h5", "w") as file:
        for key, (bands, dtype) in SERIES_KEYS.items():
            file[f"{key}-data"] = np.zeros((1, bands, 6, 6), dtype)
            file[f"{key}-products"] = [PRODUCT.replace("MSIL2A", "A_B_C") if "1" in key else PRODUCT]
        file["sen-2-masks"] = np.zeros((1, 2, 6, 6), np.float32)
    return raw


def read_folder(raw, target="cover", splits=None):
    folder = Folder("d", 80.0, {"s2": FILES}, splits or Fractions({"train": 1.0}), {target: TARGETS[target]})
    (tile,) = list_tiles(folder, raw)["train"]
    return read_tile(folder, raw, tile)


def read_sentinel(raw, aerial="a.tif", sentinel="a.h5"):
    source = treesatai_ts.source(argparse.Namespace(filter_percent=None))
    return source.read_tile(raw, treesatai_ts.Tile(aerial, sentinel, (2019, 1, 0), (0.0,) * 15))


def series(raw):
    return treesatai_ts.isolated.call(treesatai_ts.read_sentinel, raw / "sentinel-ts/a.h5")


def vrt(source):
    band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
    place = "<SRS>EPSG:32632</SRS><GeoTransform>500, 10, 0, 900, 0, -10</GeoTransform>"
    return f'<VRTDataset rasterXSize="8" rasterYSize="8">{place}{band}</VRTDataset>'


def simple(name):
    return f"<SimpleSource><SourceFilename>{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"


DISGUISES = {
    "a VRT of bytes": lambda out: vrt("").replace(
        'band="1">',
        f'band="1" subClass="VRTRawRasterBand"><SourceFilename relativetoVRT="0">{out.secret}</SourceFilename>',
    ),
    "a VRT of a file": lambda out: vrt(simple(out.folder / "other.tif")),
    "a VRT of a URL": lambda out: vrt(simple(f"/vsicurl/{out.url}/a.tif")),
    "a VRT of an archive at a URL": lambda out: vrt(simple(f"/vsizip//vsicurl/{out.url}/a.zip/a.tif")),
    "a VRT that warps": lambda out: (
        vrt("")
        .replace("<VRTDataset", '<VRTDataset subClass="VRTWarpedDataset"', 1)
        .replace(
            "</VRTDataset>",
            f"<GDALWarpOptions><SourceDataset>{out.folder}/other.tif</SourceDataset></GDALWarpOptions></VRTDataset>",
        )
    ),
    "a WMS": lambda out: (
        f'<GDAL_WMS><Service name="WMS"><ServerUrl>{out.url}/?</ServerUrl><Layers>a</Layers></Service><DataWindow>'
        "<SizeX>8</SizeX><SizeY>8</SizeY></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"
    ),
    "a WMTS": lambda out: (
        f"<GDAL_WMTS><GetCapabilitiesUrl>{out.url}/wmts</GetCapabilitiesUrl><Layer>a</Layer></GDAL_WMTS>"
    ),
    "a WCS": lambda out: f"<WCS_GDAL><ServiceURL>{out.url}/?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>",
    "a tile index": lambda out: (
        f"<GDALTileIndexDataset><IndexDataset>{out.folder}/other.gpkg</IndexDataset></GDALTileIndexDataset>"
    ),
    "a STAC asset": lambda out: (
        '{"type": "Feature", "stac_version": "1.0.0", "stac_extensions": ["tiled-assets"], "assets": {"a": '
        f'{{"href": "/vsicurl/{out.url}/a.tif"}}}}}}'
    ),
    "a name": lambda out: f"{out.folder}/other.tif",
}


@pytest.mark.parametrize("file", [IMAGE, "clouds/a_20200105.tif", "cover/a.tif"], ids=["image", "mask", "label"])
@pytest.mark.parametrize("content", DISGUISES.values(), ids=DISGUISES)
def test_an_image_that_is_none(raw, outside, file, content):
    (raw / file).write_text(content(outside))
    refused(outside, file, lambda: read_folder(raw))


def link(raw, name, target):
    (raw / name).unlink(missing_ok=True)
    (raw / name).parent.mkdir(parents=True, exist_ok=True)
    (raw / name).symlink_to(target)


def link_folder(raw, out):
    (raw / "cover/a.tif").unlink()
    (raw / "cover").rmdir()
    (out.folder / "a.tif").write_bytes((raw / IMAGE).read_bytes())
    out.read()
    (raw / "cover").symlink_to(out.folder)


PASTIS = Patch("1", {}, None)
LINKS = {
    "an image": ("s2/a_20200105.tif", "other.tif", read_folder),
    "a mask": ("clouds/a_20200105.tif", "other.tif", read_folder),
    "a label": ("cover/a.tif", "other.tif", read_folder),
    "a table of labels": ("labels.csv", "private.key", lambda raw: read_folder(raw, "csv")),
    "a table of splits": ("splits.csv", "private.key", lambda raw: read_folder(raw, splits=Table("splits.csv"))),
    "a vector file": ("labels.gpkg", "private.key", lambda raw: read_folder(raw, "gpkg")),
    "an HDF5 file": ("sentinel-ts/a.h5", "private.key", lambda raw: read_sentinel(raw, "../raw/s2/x.tif")),
    "published splits": ("train.csv", "private.key", lambda raw: SplitFiles().require(raw, "x")),
    "metadata": ("metadata.geojson", "private.key", read_patches),
    "a series": ("DATA_S2/S2_1.npy", "private.key", lambda raw: SERIES["s2"].path(raw, PASTIS)),
    "classes": ("ANNOTATIONS/TARGET_1.npy", "private.key", lambda raw: target_path(raw, PASTIS)),
    "products": (
        "flair_sen_train/D/A/sen/SEN2_sp_D-A_products.txt",
        "private.key",
        lambda raw: AreaPatch(False, "D/A", "1", (0, 0), (2020, 1, 0)).sentinel(raw, "products.txt"),
    ),
    "an archive": (
        "naip_32612/32612_0_0.tar",
        "private.key",
        lambda raw: s2_naip.find(raw, "naip", "32612_1_1", ".png"),
    ),
    "a point cloud": (
        "imagery/train/TRAIN-Quercus_ilex-C1-0_0_0.tiff",
        "other.tif",
        lambda raw: pureforest.read_tile(raw, pureforest.Tile("train", "TRAIN-Quercus_ilex-C1-0_0_0")),
    ),
    "a patch": (
        "D_AERIAL_RGBI/A/D_AERIAL_RGBI_A_1.tif",
        "other.tif",
        lambda raw: flair_hub.Patch("D_A_1").path(raw, "AERIAL_RGBI"),
    ),
}


@pytest.mark.parametrize(("name", "target", "read"), LINKS.values(), ids=LINKS)
def test_a_link_out_of_the_raw_folder(raw, outside, name, target, read):
    if name == "labels.gpkg":
        pytest.importorskip("pyogrio")
    link(raw, name, outside.folder / target)
    refused(outside, "", lambda: read(raw))


def test_a_linked_folder_and_links_that_are_accepted(raw, outside):
    link_folder(raw, outside)
    with pytest.raises(DataPrepError, match=r"cover/a\.tif: expected a file below"):
        read_folder(raw)
    with accepting({"links"}):
        assert read_folder(raw)[0]["cover"].max() == 1


def test_links_within_the_raw_folder_and_to_it_are_none_of_this(raw, outside, tmp_path):
    link(raw, "cover/a.tif", "../s2/a_20200105.tif")
    (tmp_path / "linked").symlink_to(raw)
    assert read_folder(tmp_path / "linked")[0]["cover"].max() == 1


@pytest.mark.parametrize("ending", [".msk", ".ovr", ".aux.xml"])
@pytest.mark.parametrize("how", ["link", "vrt"])
def test_files_beside_an_image(raw, outside, ending, how):
    beside = f"{IMAGE}{ending}"
    if how == "link":
        link(raw, beside, outside.folder / "other.tif")
    else:
        (raw / beside).write_text(vrt(simple(f"/vsicurl/{outside.url}/a.tif")))
    with contextlib.suppress(DataPrepError):
        read_folder(raw)
    untouched(outside)


def test_accepted_links_leave_the_statements_of_a_file_beside_an_image(raw):
    scale = '<PAMDataset><PAMRasterBand band="1"><Scale>0.5</Scale></PAMRasterBand></PAMDataset>'
    (raw / f"{IMAGE}.aux.xml").write_text(scale)
    for accepted in (set(), {"links"}):
        with (
            accepting(accepted),
            pytest.raises(DataPrepError, match=r"scale: expected 1 as the contract says, found 0\.5"),
        ):
            read_folder(raw)


@pytest.mark.parametrize("name", ["labels.gpkg", "labels.geojson"])
def test_a_vector_file_that_is_none(raw, outside, name):
    pytest.importorskip("pyogrio")
    (raw / name).write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="private"><SrcDataSource>CSV:{outside.secret}</SrcDataSource>'
        f"</OGRVRTLayer></OGRVRTDataSource>"
    )
    refused(outside, name, lambda: read_folder(raw, "gpkg" if name.endswith("gpkg") else "json"))


def external_link(file, key, out):
    file[key] = h5py.ExternalLink(str(out.secret), "/data")


def soft_link(file, key, out):
    file["elsewhere"] = h5py.ExternalLink(str(out.secret), "/")
    file[key] = h5py.SoftLink("/elsewhere/data")


def external_storage(file, key, out):
    file.create_dataset(key, (1, 2, 6, 6), "float32", external=[(str(out.secret), 0, 288)])


def virtual(file, key, out):
    layout = h5py.VirtualLayout((1, 2, 6, 6), "float32")
    layout[...] = h5py.VirtualSource(str(out.secret), "data", (1, 2, 6, 6))
    file.create_virtual_dataset(key, layout)


@pytest.mark.parametrize("key", ["sen-1-asc-data", "sen-1-des-products", "sen-2-masks"])
@pytest.mark.parametrize("replace", [external_link, soft_link, external_storage, virtual])
def test_an_array_that_is_elsewhere(raw, outside, key, replace):
    with h5py.File(raw / "sentinel-ts/a.h5", "r+") as file:
        del file[key]
        replace(file, key, outside)
    outside.read()
    refused(outside, key, lambda: series(raw))


NAMES = {
    "above": "../outside/other.tif",
    "absolute": "/etc/passwd",
    "hidden above": "x/../../outside/other.tif",
    "a URL": "/vsicurl/http://127.0.0.1/a.tif",
    "nothing": "",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_in_a_table(raw, outside, name):
    refused(outside, "", lambda: read_sentinel(raw, aerial=name))
    refused(outside, "", lambda: read_sentinel(raw, sentinel=name))


def test_what_is_read_outside_is_noticed(outside):
    assert outside.secret.read_text() == SECRET
    assert outside.read() > 0
    subprocess.run(["cat", outside.secret], stdout=subprocess.DEVNULL, check=True)
    assert outside.read() > 0


def test_a_pipe_is_no_file(raw):
    for name in (IMAGE, "sentinel-ts/a.h5", "labels.csv"):
        (raw / name).unlink()
        os.mkfifo(raw / name)
    for read in (read_folder, series, lambda raw: read_folder(raw, "csv")):
        with pytest.raises(DataPrepError, match="expected a file, found a pipe or device"):
            read(raw)


def test_what_declares_terabytes_is_named_before_it_is_read(raw):
    with h5py.File(raw / "sentinel-ts/a.h5", "r+") as file:
        del file["sen-2-data"]
        file.create_dataset("sen-2-data", (1 << 32, 10, 6, 6), "uint16", chunks=(1, 10, 6, 6))
    with pytest.raises(DataPrepError, match=r"sen-2-data: expected at most 1 GiB, found 2.88e\+03 GiB"):
        series(raw)
    with rasterio.open(
        raw / IMAGE, "w", "GTiff", 1_500_000, 1_500_000, 2, dtype="uint8", SPARSE_OK=True, BIGTIFF="YES", tiled=True,
        blockxsize=16384, blockysize=16384,
    ):  # fmt: skip
        pass
    with pytest.raises(DataPrepError, match="size: expected at most 4 GiB, found 1500000 × 1500000 pixels of 2 bands"):
        read_folder(raw)


def refused(outside, file, read):
    with pytest.raises(DataPrepError) as error:
        read()
    assert file in str(error.value)
    assert "private.key\n" not in str(error.value)
    untouched(outside)


def untouched(outside):
    assert outside.read() == 0
    assert outside.requests == []
