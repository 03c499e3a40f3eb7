"""A sheet shows tiles of every split with all sensors, dates and labels; as a picture and as a page."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

from data_prep.__main__ import main
from data_prep.preview.cards import Card, Sheet, Shown, _spread, read_sheet
from data_prep.preview.page import write_page
from data_prep.preview.picture import sheet_figure
from mmae_jax import spec
from tests.browser import needs_browser, rendered
from tests.experiments import experiment


@pytest.fixture(scope="module")
def sheet(synthetic_shards):
    return read_sheet(synthetic_shards, [], 6)


@pytest.fixture
def made_up():
    """Two tiles of the tiny contract: one lacks a sensor, one has pixels without class."""
    classes = np.zeros((8, 8), np.uint8)
    classes[:4] = 9
    classes[4:, 4:] = 1
    cards = []
    for name in ("one", "two"):
        image = np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
        series = {key: [Shown("2020-01-01", image, 0.5, 0.0)] for key in experiment().dataset.modalities}
        series["s2"] = series["s2"] if name == "one" else []
        periods = dict.fromkeys(series, "2020-01-01")
        cards.append(Card(name, "train", series, periods, {"trees": "oak, pine"}, {"cover": classes}))
    return Sheet(experiment().dataset, cards)


def test_tiles_are_of_every_split_and_show_all_sensors(sheet):
    assert [card.split for card in sheet.cards].count("train") == 4
    assert {card.split for card in sheet.cards} == {"train", "val", "test"}
    for card in sheet.cards:
        assert set(card.series) == set(sheet.dataset.modalities)
        assert len(card.series["s2"]) == 3
        assert card.series["s2"][0].pixels.shape == (3, 6, 6)
        days = [one.day for one in card.series["s2"]]
        assert days == sorted(days)
        assert re.fullmatch(r"\d+ dates, \d{4}-\d\d-\d\d – \d{4}-\d\d-\d\d", card.period["s2"])
        present = set(card.labels["treesat_mlc_thresh"].split(", "))
        assert present <= set(sheet.dataset.targets["treesat_mlc_thresh"].classes)


def test_a_tile_without_a_sensor_has_a_page(made_up, tmp_path):
    write_page(made_up, "made up", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_cloudy_dates_are_left_out_where_others_are_there(sheet):
    assert all(one.masked == 0 for card in sheet.cards for one in card.series["s2"])


@pytest.mark.parametrize(
    ("totals", "number", "expected"),
    [
        ({"train": 320, "val": 80, "test": 80}, 24, (16, 4, 4)),
        ({"train": 10, "val": 1, "test": 2}, 8, (6, 1, 1)),
        ({"train": 2, "val": 1}, 8, (2, 1)),
        ({"train": 100, "val": 1}, 1, (1, 1)),
    ],
)
def test_splits_have_tiles_by_their_share_and_at_least_one(totals, number, expected):
    assert tuple(_spread(totals, number).values()) == expected


def test_a_picture_has_a_row_for_each_tile_and_names_what_is_absent(made_up):
    figure = sheet_figure(made_up, "title")
    assert len(figure.axes) == 2 * 5  # four sensors and a map
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["–"]
    assert [axes.get_title(loc="left") for axes in figure.axes[:5]] == ["aerial", "s2", "s1_asc", "s1_des", "cover"]
    assert figure.axes[0].get_xlabel() == "2020-01-01, 50 % valid"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["water", "wood"]


def test_maps_of_classes_and_of_numbers_leave_out_what_is_not_known(made_up):
    striped = made_up.maps("cover")[0][:4]
    assert np.ptp(striped, axis=-1).max() == 0  # grey
    numbers = spec.Target("regression", (), "height", size=8, dtype="float32")
    dataset = made_up.dataset
    cards = [Card("one", "train", {}, {}, {}, {"height": np.array([[1.0, np.nan], [2.0, 3.0]])})]
    found = Sheet(spec.Dataset("d", "1", 8.0, dataset.modalities, dataset.targets.set("height", numbers)), cards)
    shaded = found.maps("height")[0]
    assert np.ptp(shaded[0, 1]) == 0 < np.ptp(shaded[0, 0])


def test_the_command_writes_a_picture_or_a_page(synthetic_shards, tmp_path, capsys):
    for name in ("sheet.png", "sheet.html"):
        assert main(["preview", str(synthetic_shards), f"--out={tmp_path / name}", "--tiles=3", "--split=val"]) == 0
        assert capsys.readouterr().out == f"wrote {tmp_path / name}\n"
    assert imread(tmp_path / "sheet.png").std() > 0.05
    assert {path.name for path in tmp_path.iterdir()} == {"sheet.png", "sheet.html"}


@needs_browser
def test_a_browser_shows_the_page_without_complaint(synthetic_shards, tmp_path):
    out = tmp_path / "sheet.html"
    assert main(["preview", str(synthetic_shards), f"--out={out}", "--tiles=3"]) == 0
    found = rendered(out)
    assert found["console"] == found["broken"] == found["loaded"] == []
    assert found["images"] >= 3 * 10 - 3
    assert (found["links"], found["dead"]) == (3, 0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--split=nowhere", "has no split 'nowhere'; found"),
        ("--out=sheet.pdf", "--out: expected a file that ends in .png or .html, found sheet.pdf"),
        ("--tiles=0", "expected a positive whole number, found '0'"),
    ],
)
def test_mistakes_are_one_line(synthetic_shards, capsys, argument, message):
    assert main(["preview", str(synthetic_shards), argument]) != 0
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
