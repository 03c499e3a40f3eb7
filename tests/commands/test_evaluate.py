"""`python -m mmae_jax evaluate` on a finished run: its scores are those of training and of scikit-learn."""

import csv
import json

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from mmae_jax.command_line import program as command_line
from mmae_jax.embeddings.embedded import embedded
from mmae_jax.pretrained import load
from tests import runs

TARGET = "treesat_mlc_thresh"


def evaluate(*arguments):
    return command_line.main(["evaluate", "--workers=0", "--bootstrap=20", *map(str, arguments)])


def scores(folder, of="checkpoint", protocol="finetuned"):
    found = json.loads((folder / "results.json").read_text())["results"]
    (row,) = (row for row in found if (row["of"], row["protocol"]) == (of, protocol))
    return {name: score["value"] for name, score in row["scores"].items()}


@pytest.fixture(scope="module")
def evaluated(finished_run, tmp_path_factory):
    """Results of three protocols with controls, beside the vectors that were kept."""
    folder = tmp_path_factory.mktemp("evaluated")
    places = (f"--checkpoint={finished_run}", f"--out={folder / 'out'}", f"--cache={folder / 'cache'}")
    assert evaluate(*places, "--protocol=finetuned,knn,linear") == 0
    return folder


@pytest.fixture(scope="module")
def learnt(finished_run, synthetic_shards, evaluated):
    """Vectors and targets of train, val and test."""
    options = {"targets": (TARGET,), "cache": evaluated / "cache"}
    found = [embedded(load(finished_run), synthetic_shards, (split,), **options) for split in ("train", "val", "test")]
    return [(one.vectors, one.targets[TARGET]) for one in found]


def logits(folder, protocol):
    results = json.loads((folder / "out" / "results.json").read_text())["results"]
    number = next(number for number, row in enumerate(results) if row["protocol"] == protocol)
    with np.load(folder / "out" / "predictions.npz") as arrays:
        return arrays[f"{number}/logits"], results[number]["chosen"]


def test_heads_score_as_the_run_says(finished_run, evaluated):
    said = json.loads((finished_run / "finetune" / "result.json").read_text())["scores"]["test"]
    of_heads = {name.removeprefix(f"{TARGET}/"): value for name, value in said.items() if name.startswith(TARGET)}
    found = scores(evaluated / "out")
    assert len(of_heads) == 4
    assert {name: found[name] for name in of_heads} == pytest.approx(of_heads, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("options", "devices"),
    [(("--batch=1",), 8), (("--batch=8",), 1), (("--batch=2", "--workers=2"), 8)],
    ids=lambda one: "".join(one) if isinstance(one, tuple) else f"{one} devices",
)
def test_neither_batch_nor_processes_nor_devices_change_scores(
    finished_run, evaluated, tmp_path, monkeypatch, options, devices
):
    some = jax.local_devices()[:devices]
    monkeypatch.setattr(jax, "local_devices", lambda: some)
    places = (f"--checkpoint={finished_run}", f"--out={tmp_path / 'out'}", f"--cache={tmp_path / 'cache'}")
    assert evaluate(*places, "--protocol=finetuned", "--no-controls", *options) == 0
    assert scores(tmp_path / "out") == pytest.approx(scores(evaluated / "out"), rel=1e-6, nan_ok=True)


def test_neighbours_are_those_of_scikit_learn(evaluated, learnt):
    (train, labels), _, (test, _) = learnt
    found, chosen = logits(evaluated, "knn")
    assert chosen == {"neighbours": 5, "metric": "l2"}
    shares = KNeighborsClassifier(5, algorithm="brute").fit(train, labels).predict_proba(test)
    # of a class that all have, or none, scikit-learn tells but one share
    either = [share if share.shape[1] == 2 else np.eye(2)[labels[:1, k]] for k, share in enumerate(shares)]
    expected = np.stack([share[:, 1] + np.zeros(len(test)) for share in either], axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), expected, atol=1e-6)


def test_a_linear_probe_is_that_of_scikit_learn(evaluated, learnt):
    (train, labels), (val, more), (test, _) = learnt
    found, chosen = logits(evaluated, "linear")
    vectors, targets = np.concatenate([train, val]), np.concatenate([labels, more])
    several = [k for k in range(targets.shape[1]) if len(set(targets[:, k])) == 2]
    assert several
    for k in several:
        model = LogisticRegression(C=chosen["C"], max_iter=20_000, tol=1e-8).fit(vectors, targets[:, k])
        # L-BFGS ends where a step gains little of the loss
        np.testing.assert_allclose(1 / (1 + np.exp(-found[:, k])), model.predict_proba(test)[:, 1], atol=0.02)


def test_controls_and_differences_stand_beside(evaluated):
    found = json.loads((evaluated / "out" / "results.json").read_text())
    rows = {(row["of"], row["protocol"]): row for row in found["results"]}
    untrained = [("untrained", "knn"), ("untrained", "linear")]
    controls = [*untrained, ("band_statistics", "linear"), ("majority", "majority")]
    assert set(rows) == {*controls, *(("checkpoint", name) for name in ("finetuned", "knn", "linear"))}
    support = np.array(rows["majority", "majority"]["per_class"]["support"])
    # what says the same of all samples finds a class as often as it is there
    prevalence = support / rows["majority", "majority"]["samples"]
    ap = rows["majority", "majority"]["scores"]
    assert ap["average_ap"]["value"] == pytest.approx(prevalence[support > 0].mean())
    assert ap["weighted_ap"]["value"] == pytest.approx((prevalence * support).sum() / support.sum())
    for difference in found["differences"]:
        protocols = {"band_statistics": "linear", "majority": "majority", "untrained": difference["protocol"]}
        against = difference["against"]
        pair = rows["checkpoint", difference["protocol"]], rows[against, protocols[against]]
        values = [row["scores"][difference["metric"]]["value"] for row in pair]
        assert difference["value"] == pytest.approx(values[0] - values[1])


def test_tables_hold_the_same_scores(evaluated):
    results = json.loads((evaluated / "out" / "results.json").read_text())["results"]
    rows = list(csv.DictReader((evaluated / "out" / "scores.csv").open()))
    expected = [
        (row["of"], row["protocol"], metric, score) for row in results for metric, score in row["scores"].items()
    ]
    assert [(row["of"], row["protocol"], row["metric"]) for row in rows] == [each[:3] for each in expected]
    for row, (*_, score) in zip(rows, expected, strict=True):
        for field in ("value", "low", "high"):
            assert float(row[field]) == pytest.approx(
                np.nan if score[field] is None else score[field], rel=1e-4, abs=1e-6, nan_ok=True
            )


def test_vectors_that_are_kept_are_not_computed_again(finished_run, evaluated, tmp_path, monkeypatch):
    before = set((evaluated / "cache").iterdir())
    monkeypatch.setattr("mmae_jax.embeddings.embedded.write", None)  # what computes them
    places = (f"--checkpoint={finished_run}", f"--out={tmp_path / 'out'}", f"--cache={evaluated / 'cache'}")
    assert evaluate(*places, "--protocol=knn", "--preset=olmoearth", "--label_fractions=0.5,1") == 0
    assert set((evaluated / "cache").iterdir()) == before


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # how ml_collections 1.1 reads a config file
def test_an_export_scores_as_its_run_also_by_another_config(
    finished_run, synthetic_shards, evaluated, tmp_path, capsys
):
    file = tmp_path / "weights.safetensors"
    assert command_line.main(["export", f"--workdir={finished_run}", f"--out={file}"]) == 0
    options = (f"--checkpoint={file}", "--protocol=finetuned", "--no-controls", "--batch=3")
    assert evaluate(*options, f"--shards={synthetic_shards}", f"--out={tmp_path / 'out'}") == 0
    assert scores(tmp_path / "out") == pytest.approx(scores(evaluated / "out"), rel=1e-5, nan_ok=True)
    config = (f"--config={runs.CONFIG}", f"--config.data.dir={synthetic_shards}")
    assert evaluate(*options, *config, f"--out={tmp_path / 'again'}") == 0
    assert scores(tmp_path / "again") == scores(tmp_path / "out")
    capsys.readouterr()
    assert evaluate(*options, *config) == 2
    assert "--out: expected a folder to write" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # how ml_collections 1.1 reads a config file
@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--protocol=knn", "--shards=nowhere"), 1, "nowhere"),
        (("--phase=pretrain",), 1, "has no trained head for treesat_mlc_thresh; choose a phase that trains it"),
        (("--target=treesat_mlc",), 1, "has no trained head for treesat_mlc"),
        (("--protocol=dense",), 1, "--protocol=dense: expected a target with a value for each pixel, found trees"),
        (("--protocol=knn", "--group_by=7km", "--split=tst"), 1, "expected a split tst, found "),
        (("--against=nowhere",), 1, "nowhere"),
        (("--seeds=-1",), 2, "--seeds: expected whole numbers from 0, found -1"),
        (("--label_fractions=0",), 2, "--label_fractions: expected shares above 0 and up to 1, found 0"),
        (("--config=configs/treesatai_ts.py",), 1, "has no weights for parts of this model"),
        (("--config=nothing.py",), 2, "nothing.py"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(finished_run, tmp_path, capsys, options, code, message):
    defaults = (f"--checkpoint={finished_run}", "--protocol=finetuned", f"--out={tmp_path / 'out'}")
    assert evaluate(*defaults, *options) == code
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert message in said
    assert not (tmp_path / "out").exists()
