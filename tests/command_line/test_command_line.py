"""The command line: commands, exit codes, and mistakes that are one line."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from mmae_jax.command_line import errors
from mmae_jax.command_line import program as command_line
from mmae_jax.command_line.program import COMMANDS, main
from mmae_jax.exit_codes import EXIT_CODES, Ending, UsageError
from mmae_jax.launch.signals import Preempted
from mmae_jax.spec import SpecError
from tests import compilation

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "treesatai_ts.py"


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=compilation.environment(), capture_output=True, text=True, check=False)


# What is typed wrong, and how the only line begins.
MISTAKES = [
    ("--config.model.depht=3", "--config.model.depht: no such field; expected one of architecture, "),
    ("--config.modle.fusion=mod", "--config.modle: no such field; expected one of seed, dataset, data, "),
    ("--config.inputs.s3.num_dates=2", "--config.inputs.s3: no such field; expected one of aerial, s1_asc, "),
    (
        "--config.model.architecture.dephts=3",
        "--config.model.architecture.dephts: no such field; expected one of embed_dim",
    ),
    ("--config.seed.more=3", "--config.seed.more: no such field; expected nothing below --config.seed"),
    (
        "--config.data.workers.more=3",
        "--config.data.workers.more: no such field; expected nothing below --config.data.workers",
    ),
    ("--config.model.inter_depth=three", "--config.model.inter_depth: expected int, found 'three'"),
    ("--config.ema=perhaps", "--config.ema: expected bool, found 'perhaps'"),
    ("--config.profile=(1, 'x')", "--config.profile[1]: expected int, found 'x'"),
    ("--config.mesh=4", "--config.mesh: expected the fields of Mesh, found 4"),
    ("--config.inputs=4", "--config.inputs: expected names with settings, found 4"),
    ("--wrokdir=x", "unrecognized arguments: --wrokdir=x; did you mean --workdir?"),
    ("--workdir=", "argument --workdir: expected a folder, found nothing"),
    ("now", "unrecognized arguments: now"),
    ("--num_processes=0", "--num_processes: expected 1 or more, found 0"),
    ("--num_processes=two", "argument --num_processes: invalid int value: 'two'"),
    ("--config=configs/nope.py", "--config: expected a config file, found none at 'configs/nope.py'"),
    (
        f"--config={CONFIG}:small",
        "configs/treesatai_ts.py: expected no argument or runlocal, found 'small'",
    ),
]


@pytest.mark.parametrize(("argument", "line"), MISTAKES)
def test_a_mistake_on_the_command_line_is_one_line(argument, line, capsys):
    assert main(["train", f"--config={CONFIG}", "--workdir=x", argument]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {line}")
    assert err.count("\n") == 1


def test_a_mistake_ends_the_program_with_one_line(tmp_path):
    mistake = "--config.inputs.aerial.image_size=310"
    done = process("mmae_jax.main", f"--config={CONFIG}:runlocal", f"--workdir={tmp_path}", mistake)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: inputs.aerial.image_size: expected a multiple of patch_size")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_flag_is_named(capsys):
    assert main(["train", f"--config={CONFIG}"]) == 2
    assert capsys.readouterr().err == "error: the following arguments are required: --workdir\n"


def test_fields_belong_to_commands_that_read_a_config(capsys):
    assert main(["export", "--workdir=x", "--out=y", "--config.seed=1"]) == 2
    assert capsys.readouterr().err == "error: unrecognized arguments: --config.seed\n"


def test_an_unknown_command_is_answered_with_the_list(capsys):
    assert main(["trian"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: python -m mmae_jax trian: no such command; expected one of train, quickstart, ")
    assert printed.endswith("; did you mean train?\n")


def test_help_lists_commands_and_exit_codes_and_loads_nothing_heavy():
    script = "import sys; from mmae_jax.command_line.program import main; code = main(['--help']); "
    done = process("-c", "")  # the interpreter is there
    done = subprocess.run(
        [sys.executable, "-c", script + "sys.exit(code or int('jax' in sys.modules or 'flax' in sys.modules))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    for word in (*COMMANDS, *map(str, EXIT_CODES)):
        assert any(line[:1] == [word] and len(line) > 1 for line in lines), word


def test_no_command_is_a_mistake(capsys):
    assert main([]) == 2
    assert "quickstart" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_tells_where_fields_are_explained(command, capsys):
    assert main([command, "--help"]) == 0
    assert "python -m mmae_jax config FILE" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("module", ["main", "quickstart", "export", "launch", "bench"])
def test_modules_are_commands_too(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["program", "--nothing"])
    monkeypatch.setattr(command_line, "COMMANDS", {})
    monkeypatch.setattr(command_line.faulthandler, "enable", lambda: None)  # needs a real stderr
    monkeypatch.setattr(command_line, "put_right", lambda: None)  # streams of pytest's are not this process's own
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module(f"mmae_jax.{module}", run_name="__main__")
    command = "train" if module == "main" else module
    assert capsys.readouterr().err.startswith(f"error: python -m mmae_jax {command}: no such command")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SpecError("seed: expected int"), 1, "error: seed: expected int"),
        (FileNotFoundError(2, "No such file", "x"), 1, "error: x: No such file"),
        (Ending("step 3: not finite"), 1, "error: step 3: not finite"),
        (UsageError("--tiles: expected 3 or more"), 2, "error: --tiles: expected 3 or more"),
        (Preempted("saved"), 75, "saved"),
        (Preempted("saved", 130), 130, "saved"),
        (KeyboardInterrupt(), 130, "interrupted; the same command continues"),
        (SystemExit("error"), 1, "error: error"),
    ],
)
def test_errors_are_a_line_and_a_code_of_the_table(error, code, message, capsys):
    def fails():
        raise error

    assert errors.exit_code(fails) == code
    assert code in EXIT_CODES
    assert capsys.readouterr().err == f"{message}\n"


def test_a_mistake_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        errors.exit_code(lambda: 1 // 0)
