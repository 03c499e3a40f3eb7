"""The made-up patches: the same everywhere, with what makes the published ones hard to read."""

import hashlib

import numpy as np
import rasterio

from data_prep.__main__ import main
from data_prep.datasets.pastis_hd.metadata import read_patches
from data_prep.datasets.pastis_hd.read import spot_path
from data_prep.synthetic.farmland import NODATA
from tests.data_prep.datasets.pastis_hd.raw_files import NAMES, published_arrays


def digests(directory):
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_bytes_of_a_patch_depend_on_seed_and_dates_only(made_up, tmp_path):
    again = tmp_path / "raw"
    flags = ("--tiles=6", "--s2_dates=18", "--s1_dates=5")
    assert main(["synthetic", "pastis_hd", f"--out_dir={again}", *flags]) == 0
    arrays = {path: digest for path, digest in digests(made_up).items() if path.endswith((".npy", ".tif"))}
    assert len(arrays) == 5 * 6
    assert arrays.items() <= digests(again).items()


def test_too_few_patches_and_an_existing_folder_are_refused(tmp_path, capsys):
    assert main(["synthetic", "pastis_hd", f"--out_dir={tmp_path / 'raw'}", "--tiles=4"]) == 1
    assert "--tiles: expected at least 5, one for each fold, found 4" in capsys.readouterr().err
    assert main(["synthetic", "pastis_hd", f"--out_dir={tmp_path}"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_made_up_patches_have_the_irregularities_of_the_published(made_up):
    arrays = {name: published_arrays(made_up, name) for name in NAMES}
    s2 = [pixels["s2"][0] for pixels in arrays.values()]
    assert len({len(pixels) for pixels in s2}) > 1
    assert any((pixels == NODATA).any() for pixels in s2)
    assert any(((pixels < 0) & (pixels > NODATA)).any() for pixels in s2)
    assert min(map(len, s2)) < 16 <= max(map(len, s2))  # fewer acquisitions than date bins
    s1 = [pixels[name] for pixels in arrays.values() for name in ("s1_asc", "s1_des")]
    assert any(np.isinf(pixels).any() for pixels, _ in s1)
    assert any(len(set(days)) < len(days) for _, days in s1)
    for pixels, _ in s1:
        finite = np.isfinite(pixels).all(1)
        decibel = pixels.astype(np.float32).transpose(1, 0, 2, 3)[:, finite]
        np.testing.assert_allclose(decibel[2], decibel[0] - decibel[1], atol=0.04)
    with rasterio.open(spot_path(made_up, read_patches(made_up)["20000"])) as file:
        assert file.shape == (1281, 1281)
