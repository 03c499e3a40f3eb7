import dataclasses
import gc
import itertools
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from mmae_jax import metrics, report
from mmae_jax.report.display import calendar, display_bands, limits, to_image
from mmae_jax.report.reconstruction import MISSING, rows_shown
from mmae_jax.tasks import TASKS

CLASSES = ("Abies", "Fagus", "Larix", "Pseudotsuga with a long name")


@pytest.fixture
def images() -> report.Reconstruction:
    """Three dates of four bands; the left half is masked, one corner is missing."""
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(3, 4, 12, 12)).astype(np.float32)
    valid = np.ones((3, 12, 12), bool)
    valid[:, :2, :2] = False
    return report.Reconstruction(
        bands=("B02", "B03", "B04", "B08"),
        unit="reflectance",
        patch=6,
        labels=tuple(f"2020-0{month}-01" for month in range(1, 4)),
        truth=truth,
        masked=np.broadcast_to(np.arange(12) < 6, (3, 1, 12, 12)),
        values=truth + 1,
        valid=valid,
    )


@pytest.fixture
def multilabel() -> metrics.ClassScores:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, (50, 4))
    targets[:, 2] = 0
    return metrics.multilabel_scores(
        targets - 0.5 + generator.normal(size=(50, 4)) - 2 * (targets.sum(0) == 0), targets
    )


def segment(num_classes: int) -> metrics.ClassScores:
    generator = np.random.default_rng(0)
    confusion = generator.integers(0, 10, (num_classes, num_classes)) + 90 * np.eye(num_classes, dtype=int)
    confusion[1] = 0
    return metrics.scores_from_confusion(confusion, TASKS["segment"].metrics)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def assert_legible(figure: Figure) -> None:
    """Nothing written leaves the figure, and no two tick labels of an axis overlap."""
    assert report.to_rgb(figure).std() > 5
    renderer = figure.canvas.get_renderer()
    drawn, (width, height) = figure.get_tightbbox(renderer), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.01
    for axes in figure.axes:
        boxes = [label.get_window_extent(renderer) for label in axes.get_yticklabels() if label.get_text()]
        boxes.sort(key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (("B02", "B03", "B04", "B05", "B08"), (2, 1, 0)),
        (("NIR", "G", "B", "R"), (3, 1, 2)),
        (("red", "green", "blue"), (0, 1, 2)),
        (("nir", "r", "g"), (0, 1, 2)),
        (("VV", "VH"), (0,)),
        (("DSM", "DTM"), (0,)),
        (("B04", "B03", "B11"), (0,)),
    ],
)
def test_display_bands(bands, expected):
    assert display_bands(bands) == expected


def test_a_cloudy_date_leaves_the_others_bright():
    season = np.array([0.1, 0.15, 0.3, 0.35, 0.2]).reshape(5, 1, 1, 1)
    clear = season + np.linspace(0, 0.02, 100).reshape(1, 1, 10, 10)
    cloudy = clear[:2] + 0.7
    np.testing.assert_allclose(limits(np.concatenate([clear, cloudy])), limits(clear))
    np.testing.assert_allclose(limits(clear), np.percentile(clear, (2, 98))[:, None])


def test_limits_ignore_missing_pixels_and_outliers():
    pixels = np.linspace(0, 1, 1000).reshape(1, 1, 10, 100)
    pixels = np.concatenate([pixels, np.full_like(pixels, np.nan)], axis=1)
    pixels[0, 0, 0, 0] = 1e6
    np.testing.assert_allclose(limits(pixels), [[0.02, 0], [0.98, 1]], atol=2e-3)


@pytest.mark.parametrize("bands", [1, 3])
def test_to_image_of_constant_bands_is_finite(bands):
    pixels = np.full((2, bands, 4, 5), 7.0)
    image = to_image(pixels, limits(pixels))
    assert image.shape == (2, 4, 5, 3)
    assert np.isfinite(image).all()


def test_each_sample_is_shown_at_some_of_its_dates_with_data():
    valid = np.ones((3, 6, 1, 1), bool)
    valid[1, 1:] = valid[2] = False
    samples, dates = rows_shown(valid, dates=3)
    assert list(zip(samples.tolist(), dates.tolist(), strict=True)) == [(0, 0), (0, 2), (0, 5), (1, 0), (2, 0)]


def test_calendar_of_days_of_the_year():
    days = calendar(np.array([[2020, 60, 10], [2019, 60, 0]], np.int16))
    assert [str(day) for day in days] == ["2020-02-29", "2019-03-01"]


def test_reconstruction_names_columns_dates_bands_and_unit(images):
    figure = report.reconstruction("s2", dataclasses.replace(images, own_frame=True))
    assert_legible(figure)
    written = texts(figure)
    assert set(images.labels) <= set(written)
    assert {"truth", "masked input", "reconstruction", "error", "no data"} <= set(written)
    for part in ("B04, B03, B02", "[reflectance]", "are those of the truth"):
        assert any(part in text for text in written)
    assert written.count("mean 1") == 3


def test_reconstruction_hatches_what_is_masked_and_keeps_what_is_given(images):
    axes = report.reconstruction("s2", images).axes[0]
    truth, masked, values, error = (image.get_array() for image in axes.images[:4])
    no_data = [int(MISSING[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    for image in (truth, masked, values, error):
        np.testing.assert_allclose(image[:2, :2], np.broadcast_to(no_data, (2, 2, 3)))
    assert axes.collections[0].get_hatch()
    assert len(axes.collections[0].get_paths()) == 3 * 2  # the two patches of the left half
    assert len(axes.collections[2].get_segments()) == 3 * 2 * 2  # between them and those of the right half
    np.testing.assert_array_equal(masked[:, 6:], truth[:, 6:])
    np.testing.assert_array_equal(values[:, 6:], truth[:, 6:])
    assert np.mean(values[2:, :6] >= truth[2:, :6]) == 1
    assert (error[2:, :6].std(axis=(0, 1)) < 1e-6).all()  # everywhere the same, and no white
    assert error[2:, :6].mean() < 0.5
    assert (error[:, 6:] == 1).all()


def test_reconstruction_of_bands_masked_apart(images):
    masked = np.zeros((3, 4, 12, 12), bool)
    masked[:, 2, :, :6] = True
    axes = report.reconstruction("s2", dataclasses.replace(images, masked=masked)).axes[0]
    image = axes.images[1].get_array()
    assert not axes.collections[0].get_paths()
    np.testing.assert_allclose(image[2:, :6, 0], 0, atol=1e-6)
    assert image[2:, :6, 1:].std() > 0.1


@pytest.mark.parametrize("missing", ["everything", "nothing"])
def test_reconstruction_with_one_flag_per_date(images, missing):
    valid = np.full((3, 1, 1), missing == "nothing")
    assert_legible(report.reconstruction("s2", dataclasses.replace(images, valid=valid)))


def test_class_scores_are_sorted_with_support(multilabel):
    figure = report.class_scores("trees", multilabel, CLASSES, "f1")
    assert_legible(figure)
    (axes,) = figure.axes
    lengths = [bar.get_width() for bar in axes.patches]
    assert lengths == sorted(lengths, reverse=True)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert set(labels) == set(CLASSES)
    assert labels[-1] == "Larix"
    assert "not scored" in texts(figure)
    assert {f"{count:,}" for count in multilabel.support} <= set(texts(figure))
    assert axes.get_xlabel() == "F1"


def test_class_scores_of_nothing():
    scores = metrics.multilabel_scores(np.zeros((0, 4)), np.zeros((0, 4)))
    for figure in (report.class_scores("none", scores, CLASSES, "ap"), report.confusion("none", scores, CLASSES)):
        assert_legible(figure)


@pytest.mark.parametrize(("num_classes", "numbers"), [(2, True), (20, True), (21, False)])
def test_confusion_is_in_percent_of_the_true_class(num_classes, numbers):
    scores = segment(num_classes)
    figure = report.confusion("crops", scores, [f"a class with name {index}" for index in range(num_classes)])
    assert_legible(figure)
    matrix = np.ma.filled(figure.axes[0].get_images()[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(matrix.sum(1)[[0, *range(2, num_classes)]], 100)
    assert np.isnan(matrix[1]).all()
    assert bool(figure.axes[0].texts) == numbers
    assert figure.axes[0].get_xlabel() == "predicted class"


def test_confusion_of_multilabel_has_found_missed_and_false(multilabel):
    figure = report.confusion("trees", multilabel, CLASSES)
    assert_legible(figure)
    assert {"found", "missed", "false"} <= set(texts(figure))
    ends = np.asarray([bar.get_x() + bar.get_width() for bar in figure.axes[0].patches[-4:]])
    np.testing.assert_allclose(ends, np.where(multilabel.confusion.reshape(4, 4)[:, 1:].any(1), 100, 0))


def test_training_curves_begin_with_the_loss_over_epochs_and_mark_the_checkpoint():
    entries = [{"phase": "probe", "step": 1, "epoch": 1, "split": "train", "other": 1.0}]
    for step in range(2, 11, 2):
        head = {"phase": "finetune", "step": step, "epoch": -(-step // 4)}
        entries.append(head | {"split": "train", "learning_rate": 1e-5, "loss": 1 / step})
        if step % 4 == 0:
            entries.append(head | {"split": "val", "trees/f1": 0.5, "loss": None if step == 4 else 2 / step})
    figure = report.training_curves("finetune", entries, chosen_step=4)
    assert_legible(figure)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "trees/F1", "learning rate"]
    train, val, chosen = figure.axes[0].lines
    assert [line.get_label() for line in (train, val, chosen)] == ["train", "val", "chosen"]
    np.testing.assert_allclose(train.get_xdata(), [0.5, 1, 1.5, 2, 2.5])
    assert list(val.get_xdata()) == [2]
    assert set(chosen.get_xdata()) == {1}
    assert figure.axes[0].get_xlabel() == "epoch"


def test_training_curves_of_another_phase_name_what_there_is():
    with pytest.raises(ValueError, match=r"probe.*pretrain"):
        report.training_curves("probe", [{"phase": "pretrain", "step": 1, "epoch": 0, "split": "train", "loss": 1.0}])


def test_save_png_replaces_and_leaves_nothing_beside(tmp_path, images):
    path = tmp_path / "figures" / "s2.png"
    for _ in range(2):
        report.save_png(report.reconstruction("s2", images), path)
    assert [file.name for file in path.parent.iterdir()] == ["s2.png"]
    assert imread(path).std() > 0.02


def test_to_rgb_has_the_size_of_the_figure(images):
    figure = report.reconstruction("s2", images)
    rgb = report.to_rgb(figure)
    assert rgb.dtype == np.uint8
    width, height = figure.get_size_inches() * figure.dpi
    assert rgb.shape == (round(height), round(width), 3)


def test_figures_do_not_outlive_their_use(images):
    figure = report.reconstruction("s2", images)
    report.to_rgb(figure)
    alive = weakref.ref(figure)
    del figure
    gc.collect()
    assert alive() is None
    assert plt.get_fignums() == []
