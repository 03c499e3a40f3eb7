"""Shards of the FLAIR#2 release hold what a slow reading of its layout finds; damage is named."""

import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from configs import flair2 as config_flair2
from data_prep.__main__ import main
from data_prep.datasets.flair2 import read as flair2
from data_prep.datasets.flair2.classes import TO_COSIA
from data_prep.datasets.flair2.patches import VALIDATION_DOMAINS
from data_prep.datasets.flair_hub.classes import COSIA
from data_prep.datasets.flair_hub.contract import CONTRACT_FLAIR2
from mmae_jax.config import experiment_from_config
from mmae_jax.contract import read_contract
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records
from tests.places import SAMPLES

Prepare = Callable[..., tuple[int, str]]

LABELS = (
    *("building", "pervious surface", "impervious surface", "bare soil", "water", "coniferous", "deciduous"),
    *("brushwood", "vineyard", "herbaceous vegetation", "agricultural land", "plowed land", "swimming pool", "snow"),
    *("clear cut", "mixed", "ligneous", "greenhouse", "other"),
)
"""Published names of the labels 1 to 19."""
IGNORED_IN_COSIA = ("clear cut", "ligneous", "mixed", "other")
"""Names of 15 to 18."""
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 made-up patches of 3 areas."""
    directory = tmp_path_factory.mktemp("flair2") / "raw"
    assert main(["synthetic", "flair2", f"--out_dir={directory}", "--tiles=5", "--s2_dates=8"]) == 0
    return directory


@pytest.fixture
def raw(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "raw"))


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prepare:
    def run(raw_dir: Path, *flags: str) -> tuple[int, str]:
        code = main(["flair2", f"--raw_dir={raw_dir}", f"--out_dir={tmp_path / 'out'}", *flags])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def image_files(raw_dir: Path, split: str) -> list[Path]:
    stage = "flair_2_aerial_test" if split == "test" else "flair_aerial_train"
    found = sorted((raw_dir / stage).glob("*/*/img/*.tif"))
    return [path for path in found if split == "test" or (path.parts[-4][:4] in VALIDATION_DOMAINS) == (split == "val")]


def sibling(image: Path, stage: str, *inside: str) -> Path:
    """Returns a file of the same area in another folder of the release."""
    folder = image.parents[3].name.replace("aerial", stage)
    return image.parents[4].joinpath(folder, image.parts[-4], image.parts[-3], *inside)


def label_file(image: Path) -> Path:
    return sibling(image, "labels", "msk", image.name.replace("IMG", "MSK"))


def series_file(image: Path, part: str) -> Path:
    return sibling(image, "sen", "sen", f"SEN2_sp_{image.parts[-4]}-{image.parts[-3]}_{part}")


def name_of(image: Path) -> str:
    return f"{image.parts[-4]}_{image.parts[-3]}_{image.stem}"


def test_records_hold_the_published_values(published, prepare, tmp_path):
    code, printed = prepare(published)
    assert code == 0, printed
    centroids = json.loads((published / "flair-2_centroids_sp_to_patch.json").read_text())
    metadata = json.loads((published / "flair_aerial_metadata.json").read_text())
    for split in SPLITS:
        prepared = records(tmp_path / "out", split)
        assert sorted(prepared) == [name_of(image) for image in image_files(published, split)] != []
        for image in image_files(published, split):
            record = prepared[name_of(image)]
            with rasterio.open(image) as file:
                for band in range(4):
                    np.testing.assert_array_equal(record["aerial"]["pixels"][0, band], file.read(band + 1))
                np.testing.assert_array_equal(record["ndsm"]["pixels"][0, 0], file.read(5))
                np.testing.assert_array_equal(record["transform"], file.transform[:6])
            taken = metadata[image.stem]
            day = datetime.datetime.strptime(taken["date"] + taken["time"], "%Y-%m-%d%Hh%M")
            expected = [day.year, int(day.strftime("%j")), day.hour]
            assert day.hour != 0
            for dates in (record["ref_date"], record["aerial"]["dates"][0], record["ndsm"]["dates"][0]):
                np.testing.assert_array_equal(dates, expected)
            row, column = centroids[image.name]
            baseline = (..., slice(row - 20, row + 20), slice(column - 20, column + 20))
            for part, stored in (("data.npy", record["s2"]["pixels"]), ("masks.npy", record["s2"]["mask"])):
                around = np.load(series_file(image, part))[baseline]
                np.testing.assert_array_equal(stored, around[..., 15:25, 15:25])
            days = [name[11:19] for name in series_file(image, "products.txt").read_text().splitlines()]
            days = [datetime.datetime.strptime(day, "%Y%m%d") for day in days]
            expected = [[day.year, int(day.strftime("%j")), 0] for day in days]
            np.testing.assert_array_equal(record["s2"]["dates"], expected)
            with rasterio.open(label_file(image)) as file:
                labels = file.read(1)
            for label in np.unique(labels):
                [stored] = np.unique(record["cosia"][labels == label])
                names = [*COSIA, *IGNORED_IN_COSIA]
                assert names[stored] == LABELS[label - 1]


def test_the_contract_has_the_classes_of_flair_hub(published, prepare, tmp_path):
    assert prepare(published)[0] == 0
    contract = read_contract(tmp_path / "out")
    assert contract == flair2.CONTRACT
    assert contract.targets["cosia"] == CONTRACT_FLAIR2.targets["cosia"]
    assert contract.modalities["aerial"].bands == CONTRACT_FLAIR2.modalities["aerial"].bands
    assert sorted(TO_COSIA) == list(range(19))


@pytest.mark.parametrize("argument", ["native", "native_runlocal"])
def test_the_configuration_for_the_release_reads_its_shards(published, prepare, tmp_path, argument):
    assert prepare(published)[0] == 0
    config = config_flair2.get_config(argument)
    config.data.dir = str(tmp_path / "out")
    experiment = experiment_from_config(config)
    sample = eval_sample(experiment, open_shards(experiment).source(("train",))[0], 0)
    assert sample["inputs"]["aerial"].shape == (1, 4, 512, 512)
    assert sample["inputs"]["ndsm"].shape == (1, 1, 512, 512)
    assert sample["targets"]["cosia"].dtype == np.uint8


def test_real_patches_are_read(published, prepare, tmp_path):
    """Aerial images and labels of the release, in made-up areas."""
    real = SAMPLES / "flair2"
    if not real.is_dir():
        pytest.skip("real FLAIR#2 patches are not here")
    raw = Path(shutil.copytree(published, tmp_path / "raw"))
    targets = [*image_files(raw, "train"), *image_files(raw, "val")]
    for source, image in zip(sorted((real / "aerial").iterdir()), targets, strict=False):
        shutil.copy(source, image)
        shutil.copy(real / "mask" / source.name, label_file(image))
        with rasterio.open(source) as file:
            assert file.count == 5
    code, printed = prepare(raw)
    assert code == 0, printed
    assert "0 skipped" in printed
    record = records(tmp_path / "out")[name_of(targets[0])]
    with rasterio.open(sorted((real / "aerial").iterdir())[0]) as file:
        np.testing.assert_array_equal(record["aerial"]["pixels"][0], file.read([1, 2, 3, 4]))


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with rasterio.open(path) as file:
        pixels, profile = change(file.read()), file.profile
    profile.update(count=len(pixels), dtype=pixels.dtype)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)


def resave(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "image truncated": (lambda image: image, shorten, "cannot be read"),
    "four bands": (lambda image: image, lambda path: rewrite(path, lambda p: p[:4]), "bands: expected a multiple of 5"),
    "image dtype": (lambda image: image, lambda path: rewrite(path, np.uint16), "dtype: expected uint8, found uint16"),
    "label 0": (label_file, lambda path: rewrite(path, lambda p: p * 0), "expected classes 1 to 19, found 0"),
    "label 20": (label_file, lambda path: rewrite(path, lambda p: p * 0 + 20), "expected classes 1 to 19, found 20"),
    "series truncated": (lambda image: series_file(image, "data.npy"), shorten, "cannot be read"),
    "nine bands": (
        lambda image: series_file(image, "data.npy"),
        lambda path: resave(path, lambda data: data[:, :9]),
        "of 10 × rows × columns, found",
    ),
    "a mask less": (
        lambda image: series_file(image, "masks.npy"),
        lambda path: resave(path, lambda masks: masks[1:]),
        "(as in products.txt) of 2 × rows × columns, found",
    ),
    "a date less": (
        lambda image: series_file(image, "products.txt"),
        lambda path: path.write_text("\n".join(path.read_text().split()[1:])),
        "(as in products.txt)",
    ),
    "area too small": (
        lambda image: series_file(image, "data.npy"),
        lambda path: resave(path, lambda data: data[..., :24]),
        "expected 10 × 10 pixels around row 25, column 25 ",
    ),
    "not whole numbers": (
        lambda image: series_file(image, "data.npy"),
        lambda path: resave(path, lambda data: data + 0.5),
        "expected whole numbers 0 to 65535, found",
    ),
    "no products": (lambda image: series_file(image, "products.txt"), Path.unlink, "products.txt: not found"),
    "no masks": (lambda image: series_file(image, "masks.npy"), Path.unlink, "cannot be read"),
    "no date": (
        lambda image: series_file(image, "products.txt"),
        lambda path: path.write_text(path.read_text().replace("_2", "_x", 1)),
        "expected a date YYYYMMDD",
    ),
}


@pytest.mark.parametrize(("where", "damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_patch_is_named_and_skipped(raw, prepare, where, damage, message):
    image = image_files(raw, "val")[0]
    path = where(image)
    damage(path)
    _, printed = prepare(raw)
    line = next(line for line in printed.splitlines() if f"skipped {name_of(image)}" in line)
    assert message in line
    assert str(path.parent) in line
    assert "Traceback" not in printed


def test_an_area_may_lack_its_series_and_a_patch_its_labels(raw, prepare, tmp_path):
    image = image_files(raw, "train")[0]
    for path in series_file(image, "data.npy").parent.iterdir():
        path.unlink()
    label_file(image).unlink()
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"{len(image_files(raw, 'train'))} without s2" in printed
    record = records(tmp_path / "out")[name_of(image)]
    assert record["s2"]["pixels"].shape == (0, 10, 10, 10)
    assert set(np.unique(record["cosia"])) <= set(flair2.CONTRACT.targets["cosia"].ignored)


def test_series_out_of_order_are_sorted(raw, prepare, tmp_path):
    image = image_files(raw, "train")[0]
    path = series_file(image, "products.txt")
    names = path.read_text().split()
    path.write_text("\n".join(names[::-1]))
    assert prepare(raw)[0] == 0
    stored = records(tmp_path / "out")[name_of(image)]["s2"]
    assert (np.diff(stored["dates"][:, 1]) > 0).all()
    np.testing.assert_array_equal(stored["pixels"], np.load(series_file(image, "data.npy"))[::-1, :, 20:30, 20:30])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("flair-2_centroids_sp_to_patch.json", None, "No such file"),
        ("flair_aerial_metadata.json", "{", "cannot be read"),
        ("flair_aerial_metadata.json", "[]", "expected a JSON object with an entry for each image, found list"),
        ("flair-2_centroids_sp_to_patch.json", "{}", "expected an entry for IMG_000002.tif, found none"),
        (
            "flair_aerial_metadata.json",
            '{"IMG_000002": {"date": "2019-07-15"}}',
            "expected a date and a time like 10h20",
        ),
        ("flair-2_centroids_sp_to_patch.json", '{"IMG_000002.tif": [1]}', "IMG_000002.tif: expected [row, column]"),
        (
            "flair-2_centroids_sp_to_patch.json",
            '{"IMG_000002.tif": [1.5, 2]}',
            "IMG_000002.tif: expected [row, column]",
        ),
    ],
)
def test_damaged_metadata_is_fatal(raw, prepare, name, text, message):
    (raw / name).unlink() if text is None else (raw / name).write_text(text)
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {raw / name}: " in printed
    assert message in printed


def test_an_absent_split_is_named(raw, prepare):
    shutil.rmtree(raw / "flair_2_aerial_test")
    code, printed = prepare(raw)
    assert code == 1
    assert "expected aerial images of split test in flair_aerial_train or flair_2_aerial_test, found none" in printed
