"""Published tables: what they ask for can be trained, is there or is refused, and ours stand beside the published."""

import json
import sys

import pytest

from mmae_jax import tasks
from mmae_jax.claims import work
from mmae_jax.claims.paper import cost
from mmae_jax.claims.paper.plan import Plan
from mmae_jax.claims.paper.table import names, open_table
from mmae_jax.command_line import program as command_line
from mmae_jax.hardware.at_hand import AtHand, devices_at_hand
from mmae_jax.launch import child
from tests import compilation
from tests.claims.test_command import STAND_IN

TINY = (
    *("--config.model.architecture=tiny", "--config.model.dtype=float32", "--config.data.workers=0"),
    *("--config.inputs.aerial.image_size=60", "--config.inputs.aerial.patch_size=20", "--config.inputs.s2.num_dates=4"),
    *("--config.finetune.epochs=1", "--config.finetune.batch_size=4", "--config.model.inter_depth=0"),
)


def tables(*arguments):
    return command_line.main(["claims", *arguments])


@pytest.fixture
def data(tmp_path, synthetic_shards):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "treesatai_ts").symlink_to(synthetic_shards)
    return folder


@pytest.fixture
def one_chip(monkeypatch):
    monkeypatch.setattr(cost, "devices_at_hand", lambda: AtHand("some chip", 2, 1e12, published=True))


@pytest.fixture
def stand_in(tmp_path, monkeypatch, one_chip):
    file = tmp_path / "stand_in.py"
    file.write_text(STAND_IN.replace("crop/overall_accuracy", "treesat_mlc_thresh/weighted_f1"))
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, str(file)))
    monkeypatch.setattr(work, "POLL_SECONDS", 0.02)


@pytest.mark.parametrize("name", names())
def test_every_cell_can_be_trained_and_has_the_score_that_is_published(name, tmp_path):
    table = open_table(name)
    weights = tmp_path / "weights"
    weights.mkdir()
    for one, made in table.weights.items():
        if made.config is None:
            (weights / f"{one}.pth").touch()
    plan = Plan(table, tmp_path / "data", weights, tmp_path / "out", tmp_path / "cache")
    assert not set(table.rows) & set(table.datasets)
    for row, dataset in plan.cells():
        cell, (run,) = table.rows[row].cells[dataset], plan.runs(row, dataset)
        target, _, score = table.datasets[dataset].metric.partition("/")
        assert (target,) == run.experiment.targets
        assert score in tasks.of(run.experiment.dataset.targets[target]).monitors
        assert run.experiment.finetune.monitor == f"{target}/{score}"
        assert run.phase == run.experiment.phases[-1] == "finetune"
        assert (cell.weights is None) == (run.experiment.init_from is None)
        if run.after is not None:
            assert run.after.experiment.phases == (run.after.phase,) == ("pretrain",)
            assert run.experiment.init_from == str(run.after.workdir)
        assert cell.published is None or 30 < cell.published < 90
        assert (cell.published is None) == (not table.source)


def test_a_cell_is_trained_and_stands_beside_the_published_one(data, tmp_path, one_chip, monkeypatch, capsys):
    monkeypatch.setenv("XLA_FLAGS", compilation.environment(1)["XLA_FLAGS"])
    asked = ("paper_table_1", "--only=vit,treesatai_ts", f"--data={data}", f"--out={tmp_path / 'out'}", *TINY)
    assert tables(*asked) == 0
    told, _, made = capsys.readouterr().out.partition("# Table 1")
    assert "| vit, treesatai_ts | finetune 12 × 1 |" in told
    assert "1 runs, " in told
    found = json.loads((tmp_path / "out/paper_table_1/table.json").read_text())
    (entry,) = [one for one in found["entries"] if one["scores"]]
    assert (entry["row"], entry["dataset"], entry["published"]) == ("vit", "treesatai_ts", 75.6)
    (ours,) = entry["scores"]
    assert f"| ViT without pretraining | TreeSatAI-TS | weighted_f1 | {ours:.1f} | 75.6 | {ours - 75.6:+.1f} |" in made
    assert "| MAESTRO | PASTIS-HD | average_iou | – | 68.6 | – |" in made
    assert "**Not the published settings**: --config.model.architecture=tiny" in made
    assert (tmp_path / "out/paper_table_1/table.png").read_bytes().startswith(b"\x89PNG")
    before = (tmp_path / "out/paper_table_1/table.json").read_text()
    assert tables(*asked) == 0
    assert (tmp_path / "out/paper_table_1/table.json").read_text() == before
    assert "hours" not in capsys.readouterr().out  # nothing is left that costs anything


def test_weights_that_are_there_are_not_made_again(data, tmp_path, stand_in, capsys):
    asked = ("paper_table_2", "--only=treesatai_ts,maestro_flair_hub", f"--data={data}", f"--out={tmp_path / 'out'}")
    assert tables(*asked) == 1
    assert "expected shards of FLAIR-HUB" in capsys.readouterr().err
    given = tmp_path / "weights" / "maestro_flair_hub" / "finetune"
    given.mkdir(parents=True)
    (given / "result.json").touch()
    assert tables(*asked, f"--weights={tmp_path / 'weights'}", *TINY[:3], "--config.data.repeats=1") == 0
    assert (
        "| MAESTRO pretrained on FLAIR-HUB | TreeSatAI-TS | weighted_f1 | 50.0 | 79.6 | -29.6 |"
        in capsys.readouterr().out
    )


def test_the_cost_is_told_and_nothing_is_trained(data, tmp_path, one_chip, capsys):
    out = tmp_path / "out"
    asked = ("paper_table_1", "--cost", "--only=vit,treesatai_ts", f"--data={data}", f"--out={out}")
    assert tables(*asked, *TINY, "--config.finetune.epochs=30", "--seeds=2") == 0
    said = capsys.readouterr().out
    assert "| vit, treesatai_ts, seed 1 | finetune 12 × 30 |" in said
    assert "2 runs, " in said
    assert "on 2 × some chip, at 15 % of its published peak (1 TFLOP/s each)" in said
    assert not out.exists()


def test_hours_are_operations_by_what_devices_do(one_chip):
    assert cost._hours(2 * 1e12 * 0.15 * 3600, AtHand("some chip", 2, 1e12, published=True)) == pytest.approx(1)


def test_devices_are_asked_in_another_process():
    found = devices_at_hand()
    assert (found.kind, found.count, found.published) == ("cpu", 1, False)
    assert found.flops > 1e8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["paper_table_1"], 1, "expected shards of PASTIS-HD in {data}/pastis_hd, found none; prepare them with `"
         "python -m data_prep pastis_hd --raw_dir=RAW --out_dir={data}/pastis_hd`; or --only=treesatai_ts"),
        (["paper_table_1", "--only=flair2"], 1, "python -m data_prep flair_hub --version=flair2 --raw_dir=RAW"),
        (["paper_table_2", "--only=treesatai_ts,croma"], 1, "file croma.*, found no --weights; fetch the base file of"),
        (["paper_table_2", "--only=croma", "--weights=nowhere"], 1, "--weights: expected a folder, found none at nowh"),
        (["paper_table_2", "--only=maestro_flair_hub,flair2"], 2, "no figure of maestro_flair_hub on flair2"),
        (["paper_table_1", "--only=flair3"], 2, "did you mean flair2?"),
        (["paper_table_3"], 2, "any of paper_fusion, paper_table_1, paper_table_2, found 'paper_table_3'"),
        (["paper_table_1", "temporal_fusion"], 2, "expected tables alone"),
        (["paper_table_1", "--folds=2"], 2, "--folds: only for claims"),
        (["paper_table_1", "--config.seed=2"], 2, "--config.seed: is the table's own"),
        (["paper_table_1", "--only=vit,treesatai_ts", "--config.model.width=2"], 2, "model.width"),
        (["temporal_fusion"], 2, "--data: only for tables"),
    ],
)  # fmt: skip
def test_what_is_missing_or_mistaken_is_said_before_the_first_run(data, tmp_path, capsys, arguments, code, message):
    assert tables(*arguments, f"--data={data}", f"--out={tmp_path / 'out'}") == code
    error = capsys.readouterr().err
    assert message.format(data=data) in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_table_goes_on_with_the_settings_it_was_begun_with(data, tmp_path, stand_in, capsys):
    asked = ("paper_table_1", "--only=vit,treesatai_ts", f"--data={data}", f"--out={tmp_path / 'out'}")
    assert tables(*asked, *TINY) == 0
    assert tables(*asked, *TINY, "--seeds=2") == 1
    assert "was begun with seeds 1, found 2; choose another --out" in capsys.readouterr().err
