"""The command: what it writes, what it computes once, and mistakes in one line."""

import csv

import numpy as np
import pytest

from mmae_jax.command_line import program
from mmae_jax.embeddings import write
from mmae_jax.evaluate.protocols.knn import NearestNeighbours
from tests.evaluate.conftest import TARGET


@pytest.fixture
def computed(monkeypatch):
    """Numbers of the samples of each computation of vectors."""
    numbers, embed = [], write.embed

    def counted(model, source, pooling, ranges, *others):
        numbers.append(sum(map(len, ranges)))
        return embed(model, source, pooling, ranges, *others)

    monkeypatch.setattr(write, "embed", counted)
    return numbers


def test_results_have_controls_and_differences_and_vectors_are_computed_once(evaluate, computed, tmp_path):
    arguments = ["--label_fractions=0.5,1", "--against=OTHER"]
    code, said, found = evaluate(*arguments)
    assert code == 0
    assert sorted(computed) == [3] * 8 + [12] * 4, "of two models, the untrained one, and band statistics"
    of = [(row["of"], row["label_fraction"]) for row in found["results"]]
    kinds = ("checkpoint", "RUN1", "untrained", "band_statistics")
    assert of == [(kind, fraction) for kind in kinds for fraction in (0.5, 1.0)] + [("majority", 1.0)]
    first = found["results"][0]
    assert (first["target"], first["kind"], first["samples"], first["groups"]) == (TARGET, "multilabel", 3, 3)
    score = first["scores"]["micro_ap"]
    assert score["low"] <= score["value"] <= score["high"]
    assert len(first["per_class"]["f1"]) == len(first["classes"]) == len(first["confusion"])
    assert sum(one["count"] for one in first["calibration"]["bins"]) == 3 * len(first["classes"])
    assert {one["against"] for one in found["differences"]} == {*kinds[1:], "majority"}
    by_key = {(one["against"], one["label_fraction"], one["metric"]): one["value"] for one in found["differences"]}
    controls = next(row for row in found["results"] if (row["of"], row["label_fraction"]) == ("untrained", 0.5))
    apart = score["value"] - controls["scores"]["micro_ap"]["value"]
    assert by_key["untrained", 0.5, "micro_ap"] == pytest.approx(apart)
    assert found["data"]["splits"] == {"test": 3, "train": 12, "val": 3}
    assert "majority" in said
    assert str(tmp_path / "out" / "results.json") in said
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert float(rows[0]["value"]) == pytest.approx(next(iter(first["scores"].values()))["value"], rel=1e-5)
    with np.load(tmp_path / "out" / "predictions.npz") as arrays:
        assert arrays["0/logits"].shape == (3, len(first["classes"]))
    computed.clear()
    assert evaluate(*arguments, out="again")[2]["results"] == found["results"]
    assert computed == []


def test_heads_are_scored_the_same_whatever_the_batch(evaluate):
    arguments = ("--protocol=finetuned", "--no-controls")
    found = [evaluate(*arguments, f"--batch={batch}", out=f"by{batch}")[2]["results"] for batch in (2, 3)]
    for one, other in zip(*found, strict=True):
        assert one["of"] == "checkpoint"
        for metric, score in one["scores"].items():
            assert score == pytest.approx(other["scores"][metric], rel=1e-6), metric


def test_samples_of_a_group_that_is_evaluated_are_not_learnt_from(evaluate):
    _, _, whole = evaluate("--no-controls")
    code, said, _ = evaluate("--no-controls", "--group_by=^", out="none")
    assert code == 1
    assert "expected samples with a value to learn from, found none" in said
    assert whole["results"][0]["chosen"]["neighbours"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ["--protocol=kn"],
            2,
            "argument --protocol: expected some of finetuned, knn, linear, dense, attentive, found 'kn'; did",
        ),
        (["--preset=x"], 2, "argument --preset: invalid choice: 'x'"),
        (["--target=trees"], 2, "--target: expected one of treesat_mlc, treesat_mlc_thresh, found trees"),
        (["--label_fractions=1,2"], 2, "--label_fractions: expected shares above 0 and up to 1, found 2"),
        (["--seeds=a"], 2, "argument --seeds: expected numbers such as 0,1, found 'a'"),
        (["--batch=0"], 2, "--batch: expected 1 or more, found 0"),
        (["--group_by=("], 2, "--group_by: expected such as 5km, or a regular expression, found '('"),
        (["--config.seed=1"], 2, "--config.seed=1: overrides a field of --config, found none"),
        (["--split=tst"], 1, ": expected a split tst, found "),
        (["--split=train"], 1, "--split: expected another one than train, from which knn learns"),
    ],
)
def test_mistakes_are_told_in_a_line(evaluate, tmp_path, arguments, code, line):
    found, said, _ = evaluate(*arguments)
    assert found == code
    assert line in said
    assert not (tmp_path / "out").exists()


def test_results_that_are_there_are_left_alone(evaluate, tmp_path):
    (tmp_path / "out").mkdir()
    out = tmp_path / "out"
    assert evaluate()[:2] == (1, f"error: --out: {out} exists already; delete it, or choose another")
    assert not list(out.iterdir())


def test_an_export_needs_a_folder(capsys):
    assert program.main(["evaluate", "--checkpoint=RUN", "--protocol=knn"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "error: --out: expected a folder to write, as RUN is no workdir of a run; found none"


def test_a_share_of_the_labels_is_one_of_those_to_choose_by_too(evaluate, monkeypatch):
    """Protocols that learn from both in the end would have all labels of one split otherwise."""
    learnt, fit = [], NearestNeighbours.fit

    def told(self, target, train, val, seed):
        learnt.append((len(train.targets), len(val.targets)))
        return fit(self, target, train, val, seed)

    monkeypatch.setattr(NearestNeighbours, "fit", told)
    assert evaluate("--label_fractions=0.25,1", "--no-controls")[0] == 0
    assert learnt == [(3, 1), (12, 3)]
