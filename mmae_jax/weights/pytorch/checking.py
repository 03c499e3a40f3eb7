"""The check of an exported folder, in a process without JAX."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from etils import epath

from mmae_jax.formats import read_json
from mmae_jax.weights.pytorch.folder import PROGRAMS
from mmae_jax.weights.tensor_file import WeightsError

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import pathlib, check
try:
    code = check.main(pathlib.Path(sys.argv[2]))
except (OSError, ValueError, KeyError, RuntimeError) as error:
    sys.exit(f"{sys.argv[2]}: {type(error).__name__}: {str(error).splitlines()[0]}")
assert "jax" not in sys.modules
sys.exit(code)
"""


def check_folder(folder: epath.PathLike) -> None:
    """Compares the model in an exported folder with its golden numbers, and prints how far each output deviates.

    What runs are this package's own files, which those of the folder have to equal: nothing of the folder is executed.

    Raises:
      WeightsError: it is no such folder, it was changed, or an output deviates by more than is allowed.
    """
    folder = epath.Path(folder)
    for name in ("config.json", "model.safetensors", "golden.safetensors"):
        if not (folder / name).exists():
            raise WeightsError(f"{folder / name} not found; expected a folder written by `export --out=FOLDER/`")
    read_json(folder / "config.json", WeightsError)
    own = Path(__file__).parent
    for name in PROGRAMS:
        if not (folder / name).exists() or (folder / name).read_bytes() != (own / name).read_bytes():
            raise WeightsError(
                f"{folder / name} is not this version's; `python {folder}/check.py` runs the folder's own"
            )
    if importlib.util.find_spec("torch") is None:
        raise WeightsError("--check needs PyTorch: `pip install 'mmae_jax[torch]'`")
    command = [sys.executable, "-c", PROGRAM, str(own), str(folder)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines()
        raise WeightsError(lines[-1] if lines else f"{folder}: the model deviates from its golden numbers")
