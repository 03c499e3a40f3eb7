"""A report needs nothing beside it, says what is absent, and shows what was measured."""

import re

import numpy as np
import pytest

from mmae_jax.report import html
from mmae_jax.report.html import Absent
from mmae_jax.report.look import Look
from mmae_jax.report.page import write_report
from mmae_jax.report.sections import SECTIONS
from mmae_jax.report.side_by_side import compared
from mmae_jax.report.summary import summary
from tests.browser import needs_browser, rendered
from tests.report import results


@pytest.fixture
def run(tmp_path):
    return results.run(tmp_path)


@pytest.fixture
def section(run):
    """Returns the markup of a section of a run without checkpoints and shards."""
    return lambda title, of=run: SECTIONS[title](of, Look(of, 4))


def test_text_is_escaped_and_markup_is_not():
    assert html.tag("p", "a < b", html.tag("b", '"')) == "<p>a &lt; b<b>&quot;</b></p>"
    assert html.tag_open("img", alt='"', class_="x", style=None) == '<img alt="&quot;" class="x">'
    assert html.marked("`a` < b") == "<code>a</code> &lt; b"


def test_numbers_of_a_table_stand_to_the_right():
    table = html.table(("name", "value"), [("a", 0.123456), ("b", None), ("c", 1234)])
    cells = re.findall('<td class="number">(.*?)</td>', table)
    assert cells == ["0.1235", "–", "1,234"]


def test_the_same_picture_is_the_same_bytes_and_its_text_is_text():
    from mmae_jax.report.intervals import Point, intervals

    first, second = (html.drawing(intervals([Point("oak", 0.5, 0.4, 0.6)], "f1")) for _ in range(2))
    assert first == second
    assert "data:image/svg+xml" in first


def test_scores_have_intervals_and_controls(section):
    found = section("Scores")
    assert "<b>0.500</b><small> 0.450 – 0.550</small>" in found
    for control in ("untrained", "band statistics", "majority class"):
        assert f"{control}, linear (torchgeo_bench)" in found
    assert "finetune at step 10" in found


def test_a_summary_tells_how_far_a_run_is_and_how_good(tmp_path, run):
    assert "trees</dt><dd>weighted F1 <span" in summary(run)
    assert "0.500" in summary(run)
    scored = summary(results.run(tmp_path, evaluations={}))
    assert "0.600" in scored
    assert "finetune, on test" in scored
    assert "not finished: 1 of 1 epochs" in summary(results.run(tmp_path, results={}, evaluations={}))


def test_settings_name_what_is_no_default_the_cost_and_the_machine(section):
    found = section("Settings and cost")
    assert "<td>model.inter_depth</td><td>1</td><td>3</td>" in found
    assert "2 × abacus" in found
    assert "2 device hours" in found
    assert "mmae_jax 1.2.3" in found


def test_data_are_those_of_the_contract(section):
    found = section("Data")
    for said in ("b2 b3 | b11", "oak, beech, pine", "segment", "8² pixels"):
        assert said in found


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Classes", "trees, linear"),
        ("Sensors and dates", "With every sensor"),
        ("Sensors and dates", "By clouds"),
        ("Labels", "several seeds"),
        ("Calibration", "0.031"),
        ("Training curves", "step 10"),
        ("Speed", "Medians"),
    ],
)
def test_each_section_shows_what_was_measured(section, title, said):
    found = section(title)
    assert said in found
    assert "<img" in found


@pytest.mark.parametrize("title", [title for title in SECTIONS if title not in ("Data", "Settings and cost")])
def test_each_section_says_why_it_is_left_out(section, tmp_path, title):
    nothing = results.run(tmp_path, results={}, entries=[], speed=[], goodput=[], evaluations={})
    with pytest.raises(Absent, match=r"\w+ \w+ \w+"):
        section(title, nothing)


def test_several_runs_are_compared(tmp_path, run):
    found = compared([run, results.run(tmp_path, name="second", evaluations={})])
    assert "first − second" in found
    assert "told apart" in found
    assert "second: finetune, test" in found


def test_principal_components_leave_out_what_is_missing():
    from mmae_jax.report.sections.embeddings import components

    vectors = np.random.default_rng(0).normal(size=(20, 5)) * (10, 3, 1, 1, 1)
    vectors[4, 2] = np.nan
    found, shares = components(vectors, 3)
    assert np.isnan(found[4]).all()
    assert np.isfinite(np.delete(found, 4, axis=0)).all()
    assert shares[0] > shares[1] > shares[2] > 0
    flat, of_flat = components(np.zeros((3, 2)), 3)
    assert flat.shape == (3, 3)
    assert not of_flat.any()


@needs_browser
def test_a_browser_shows_the_page_without_complaint(tmp_path, run):
    out = tmp_path / "report.html"
    size = write_report([run, results.run(tmp_path, name="<second>")], out, tiles=4)
    assert out.stat().st_size == size < 3e6
    page = out.read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "&lt;second&gt;" in page
    assert page.count("Left out:") == 2 * 3  # reconstructions, predictions and embeddings need a checkpoint
    found = rendered(out)
    assert found["console"] == found["broken"] == found["loaded"] == []
    assert found["images"] > 15
    assert found["links"] == 2 * len(SECTIONS) + 3
    assert found["dead"] == 0
    assert found["wide"] <= 0
