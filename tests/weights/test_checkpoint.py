"""Checkpoints that are half written, damaged, or of another experiment; and what stops a run."""

import json
import math
import shutil
import subprocess

import jax
import numpy as np
import pytest

from mmae_jax.command_line import errors
from mmae_jax.spec import SpecError
from mmae_jax.train import phase as phase_module
from mmae_jax.train.divergence import DivergedError
from mmae_jax.weights.checkpoint import load_params
from mmae_jax.weights.folder import CheckpointError, open_experiment
from mmae_jax.weights.result import read_result
from tests import runs


@pytest.fixture(scope="module")
def experiment(synthetic_shards):
    return runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain",))


@pytest.fixture(scope="module")
def interrupted(experiment, tmp_path_factory):
    """A run that was stopped in step 5, with checkpoints of steps 3 and 4; tests work on copies."""
    workdir = tmp_path_factory.mktemp("interrupted") / "run"
    scripted = runs.Scripted()
    scripted.stop_before = 5
    with pytest.raises(KeyboardInterrupt):
        runs.run(experiment, workdir)
    scripted.undo()
    return workdir


@pytest.fixture
def checkpoints(interrupted, tmp_path):
    return shutil.copytree(interrupted, tmp_path / "run") / "pretrain" / "checkpoints"


def finish(experiment, checkpoints):
    """Continues the run; returns the steps it trained."""
    trained, step = [], phase_module.train_step

    def counting(program, state, batch):
        trained.append(int(state.step) + 1)
        return step(program, state, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase_module, "train_step", counting)
        runs.run(experiment, checkpoints.parents[1])
    return trained


def test_run_continues_from_the_latest_checkpoint(scripted, experiment, checkpoints):
    assert finish(experiment, checkpoints) == [5, 6]
    assert runs.steps_done(runs.state_of(experiment, checkpoints.parents[1], "pretrain")) == 6


def test_half_written_checkpoint_is_not_picked_up(scripted, experiment, checkpoints):
    # The name under which a checkpoint is written, before it is renamed.
    shutil.copytree(checkpoints / "4", checkpoints / "6.orbax-checkpoint-tmp")
    (checkpoints / "6.orbax-checkpoint-tmp" / "_CHECKPOINT_METADATA").unlink()
    assert finish(experiment, checkpoints) == [5, 6]
    assert not list(checkpoints.glob("*tmp*"))


def test_other_folders_are_not_taken_for_checkpoints(scripted, experiment, checkpoints):
    for name in ("6.orbax-checkpoint-tmp-1769000000", "6.orbax-checkpoint-tmp", "tmp", "step_6", "6_copy", ".6"):
        shutil.copytree(checkpoints / "4", checkpoints / name)
    (checkpoints / "9").touch()
    assert finish(experiment, checkpoints) == [5, 6]
    assert runs.steps_done(runs.state_of(experiment, checkpoints.parents[1], "pretrain")) == 6


@pytest.mark.parametrize("length", [0, 1, 100, 1000])
def test_truncated_checkpoint_is_named(scripted, experiment, checkpoints, length):
    largest = max((checkpoints / "4" / "state" / "d").iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=f"{checkpoints / '4'}: .*delete it to go on from what is before it"):
        runs.run(experiment, checkpoints.parents[1])


def test_folder_without_checkpoints_is_begun_anew(scripted, experiment, tmp_path):
    checkpoints = tmp_path / "run" / "pretrain" / "checkpoints"
    (checkpoints / "metadata").mkdir(parents=True)
    (checkpoints / "metadata" / "_ROOT_METADATA").write_text('{"custom_metadata": {"exp')
    assert finish(experiment, checkpoints) == [1, 2, 3, 4, 5, 6]
    assert open_experiment(checkpoints) == experiment


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("4/_CHECKPOINT_METADATA", None),
        ("4/state/_METADATA", None),
        ("4/state/_METADATA", b'{"tree_metadata": {'),
        ("4/state/manifest.ocdbt", b""),
        ("metadata/_ROOT_METADATA", b""),
    ],
)
def test_damaged_checkpoint_is_named(scripted, experiment, checkpoints, file, content):
    damaged = checkpoints / file
    damaged.unlink() if content is None else damaged.write_bytes(content)
    folder = checkpoints / "4" if file.startswith("4") else checkpoints
    with pytest.raises(CheckpointError, match=f"{folder}: .*damaged") as error:
        runs.run(experiment, checkpoints.parents[1])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000 + len(str(folder))


def test_damaged_checkpoint_can_be_deleted_to_go_on_from_the_one_before(scripted, experiment, checkpoints):
    for file in (checkpoints / "4" / "state" / "d").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=f"{checkpoints / '4'}: .*delete it"):
        runs.run(experiment, checkpoints.parents[1])
    shutil.rmtree(checkpoints / "4")
    assert finish(experiment, checkpoints) == [4, 5, 6]


def refused(experiment, checkpoints):
    with pytest.raises(SpecError, match="another experiment") as error:
        runs.run(experiment, checkpoints.parents[1])
    return str(error.value)


def test_workdir_of_another_experiment_is_refused_by_field(scripted, synthetic_shards, checkpoints):
    other = runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain",), seed=1, mask__ratio=0.5, pretrain__epochs=1)
    message = refused(other, checkpoints)
    for line in (
        "seed: expected 1, found 42",
        "mask.ratio: expected 0.5, found 0.75",
        "pretrain.epochs: expected 1, found 2",
    ):
        assert line in message


def test_finished_phase_of_another_experiment_is_refused(scripted, synthetic_shards, experiment, checkpoints):
    finish(experiment, checkpoints)
    other = runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain", "probe"), model__head="linear")
    assert "model.head: expected 'linear', found 'attentive'" in refused(other, checkpoints)
    later = runs.tiny(synthetic_shards, ("s1_asc",), phases=("probe",), pretrain__epochs=3, probe__epochs=1)
    runs.run(later, checkpoints.parents[1])
    assert read_result(checkpoints.parents[1], "probe").step == 3


def test_what_moves_or_watches_the_computation_may_change(scripted, synthetic_shards, checkpoints):
    moved = shutil.copytree(synthetic_shards, checkpoints.parents[2] / "moved")
    free = {"data__workers": 1, "data__prefetch": 1, "logging__every_steps": 3, "model__remat": "full"}
    free |= {"mesh__data": 1, "finetune__epochs": 9, "phases": ("pretrain", "probe")}
    other = runs.tiny(moved, ("s1_asc",), **free)
    assert finish(other, checkpoints)[:2] == [5, 6]


def test_checkpoint_opens_alone(experiment, checkpoints):
    opened = open_experiment(checkpoints)
    assert opened == experiment
    params = load_params(checkpoints, 4, opened, runs.one_device(), averaged=False)
    assert runs.steps_done(params) == 4
    assert jax.tree.leaves(params)[0].dtype == np.float32
    assert runs.steps_done(load_params(checkpoints, 3, opened, runs.one_device(), averaged=False)) == 3


def test_checkpoint_holds_versions(checkpoints):
    stored = json.loads((checkpoints / "metadata" / "_ROOT_METADATA").read_text())["custom_metadata"]
    assert stored["versions"]["jax"] == jax.__version__
    assert stored["phase"] == "pretrain"


@pytest.mark.parametrize("folder", ["", "nowhere", "file"])
def test_folder_without_checkpoints_cannot_be_opened(tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="no checkpoints"):
        open_experiment(tmp_path / folder)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model__architecture__mlp_ratio": 4.0}, "up_kernel.value: expected (1, 16, 64), found (1, 16, 32)"),
        ({"model__inter_depth": 0}, "encoder_inter.norm.scale.value: expected 'nothing', found (16,)"),
        ({"targets": ("treesat_mlc",)}, "heads.treesat_mlc.linear.bias.value: expected (15,), found 'nothing'"),
    ],
)
def test_parameters_of_another_model_are_listed(synthetic_shards, checkpoints, changes, line):
    other = runs.tiny(synthetic_shards, ("s1_asc",), finetune__monitor=None, finetune__patience=None, **changes)
    with pytest.raises(CheckpointError, match="another model") as error:
        load_params(checkpoints, 4, other, runs.one_device(), averaged=False)
    assert line in str(error.value)


@pytest.mark.parametrize(
    ("bad", "names"),
    [({"loss": math.nan, "loss/s1_asc": math.nan}, "loss, s1_asc"), ({"gradient_norm": math.inf}, "gradient_norm")],
)
def test_loss_that_is_not_finite_stops_and_names_the_last_checkpoint(scripted, experiment, tmp_path, bad, names):
    scripted.losses = {6: bad}
    data = f"--config.data.dir={experiment.data.dir}"
    message = runs.main(tmp_path / "run", data, "--config.phases=('pretrain',)")
    folder = tmp_path / "run" / "pretrain"
    assert message.startswith(
        f"error: pretrain, step 6: not finite: {names}; last checkpoint {folder / 'checkpoints' / '4'}; "
        f"the state after step 6 is in {folder / 'diverged' / '6'}, to look at; "
    )
    whole = runs.tiny(experiment.data.dir)
    assert runs.steps_done(runs.state_of(whole, tmp_path / "run", "pretrain", 4)) == 4
    assert runs.steps_done(load_params(folder / "diverged", 6, whole, runs.one_device(), averaged=False)) == 6
    assert read_result(tmp_path / "run", "pretrain") is None


def test_diverged_run_goes_on_from_the_last_checkpoint(scripted, experiment, tmp_path):
    scripted.losses = {5: {"loss": math.nan}}
    messages = []
    for _ in range(2):
        with pytest.raises(DivergedError) as error:
            runs.run(experiment, tmp_path)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "the state after step 6 is in" in messages[0], "step 6 was begun before the numbers of step 5 were read"
    scripted.losses = {}
    assert finish(experiment, tmp_path / "pretrain" / "checkpoints") == [5, 6]


def test_diverged_run_on_a_full_disk_says_so(scripted, experiment, tmp_path):
    scripted.losses = {5: {"loss": math.nan}}
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain" / "diverged").touch()
    with pytest.raises(DivergedError, match=r"not finite: loss; .*4; the state .* could not be saved: "):
        runs.run(experiment, tmp_path)


def test_loss_that_is_not_finite_at_once(scripted, experiment, tmp_path):
    scripted.losses = {1: {"loss": math.nan}}
    with pytest.raises(DivergedError, match="step 1: not finite: loss; no checkpoint before it"):
        runs.run(experiment, tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_ends_the_run_in_one_line_and_keeps_the_last_checkpoint(scripted, synthetic_shards, small_disk):
    experiment, workdir = runs.tiny(synthetic_shards, phases=("pretrain",)), small_disk / "run"
    arguments = [f"--config.data.dir={synthetic_shards}", "--config.phases=('pretrain',)"]
    scripted.stop_before = 4
    assert runs.main(workdir, *arguments) == errors.CONTINUES
    scripted.stop_before = None
    (small_disk / "others").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 20_000))
    message = runs.main(workdir, *arguments)
    assert message.startswith("error: ")
    assert "\n" not in message
    assert "space" in message
    (small_disk / "others").unlink()
    assert runs.steps_done(runs.state_of(experiment, workdir, "pretrain", 3)) == 3
    assert runs.main(workdir, *arguments) == ""
    assert runs.steps_done(runs.state_of(experiment, workdir, "pretrain")) == 6


def test_workdir_that_cannot_be_written(scripted, experiment, tmp_path):
    (tmp_path / "file").touch()
    message = runs.main(tmp_path / "file" / "run", f"--config.data.dir={experiment.data.dir}")
    assert message.startswith("error: ")
    assert str(tmp_path / "file") in message
    assert "\n" not in message
