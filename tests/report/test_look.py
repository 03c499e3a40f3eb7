"""What a report computes by the models of a run, and what is said of runs that are not whole."""

import shutil

import jax
import numpy as np
import pytest

from mmae_jax.command_line.program import main
from mmae_jax.report.html import Absent
from mmae_jax.report.look import Look, pictured
from mmae_jax.report.sections import SECTIONS
from mmae_jax.report.workdir import open_run
from tests.experiments import experiment


@pytest.fixture(scope="module")
def look(finished_run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
        yield Look(open_run(finished_run, "run"), 2)


def test_pictures_are_of_the_finest_colour_image():
    assert pictured(experiment()) == "aerial"


def test_tiles_are_spread_over_the_test_split(look):
    tiles = look.tiles
    assert (tiles.split, tiles.total, len(tiles.names)) == ("test", 3, 2)
    assert tiles.shown == "s2"
    assert tiles.pictures.shape == (2, 6, 6, 3)
    assert 0 <= np.nanmin(tiles.pictures) < np.nanmax(tiles.pictures) <= 1


def test_predictions_are_probabilities_of_the_last_phase(look):
    phase, found = look.predictions
    assert phase == "finetune"
    assert found["treesat_mlc_thresh"].shape == (2, 15)
    assert (found["treesat_mlc_thresh"] > 0).all()
    assert (found["treesat_mlc_thresh"] < 1).all()


def test_vectors_are_of_the_pretrained_encoder(look):
    phase, tiles, patches = look.vectors
    assert phase == "pretrain"
    assert tiles.shape == (2, 16)
    assert patches.shape == (2, 3, 3, 16)


def test_reconstructions_are_in_the_units_of_the_data(look):
    samples, found = look.reconstructions
    for name, images in found.items():
        assert images.truth.shape == images.values.shape == images.masked.shape
        valid = np.broadcast_to(samples.pixels_valid[name][:, :, None], images.truth.shape)
        spread = images.truth[valid].std()
        assert abs(images.values[valid].mean() - images.truth[valid].mean()) < spread
    assert np.percentile(found["s2"].truth, 90) < 1, "reflectance"


@pytest.mark.parametrize("title", ["Reconstructions", "Predictions", "Embeddings"])
def test_sections_show_what_was_computed(look, title):
    assert SECTIONS[title](look._run, look).count("<img") >= 2


@pytest.fixture
def part_of_a_run(finished_run, tmp_path):
    """A run that was killed in its first phase, whose shards are gone."""
    shutil.copytree(finished_run / "pretrain", tmp_path / "run" / "pretrain")
    (tmp_path / "run" / "pretrain" / "result.json").unlink()
    return tmp_path / "run"


def test_an_unfinished_run_is_reported_as_far_as_it_is(part_of_a_run, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(part_of_a_run), f"--out={out}", "--tiles=2"]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {out} (0.0 MB)")
    page = out.read_text()
    assert "no phase is finished" in page
    assert "treesatai_ts" in page


def test_what_is_not_finished_predicts_nothing(part_of_a_run):
    with pytest.raises(Absent, match=r"no phase that predicts \(probe or finetune\) is finished"):
        _ = Look(open_run(part_of_a_run, "run"), 2).predictions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--out=report.html"), "nowhere: no such folder; expected the workdir of a run"),
        (
            ("tests", "--out=report.html"),
            "tests: no run: expected checkpoints in pretrain/checkpoints or a later phase, found none",
        ),
        (("tests", "--out=report.pdf"), "--out: expected a file that ends in .html, found report.pdf"),
        (("tests", "--out=nowhere/report.html"), "--out: nowhere is no folder; make it first"),
        (("tests", "tests", "--out=report.html"), "expected each run once, found one twice"),
        (("tests", "--out=report.html", "--tiles=0"), "--tiles: expected 1 or more, found 0"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    assert main(["report", *arguments]) != 0
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
