"""Writes a run's weights with PyTorch names: `python -m mmae_jax.export --workdir=RUN --out=weights.safetensors`.

`.safetensors` files are read by every framework and carry the experiment, so that the sensor contract travels with the
weights; `.pt` files (extra `torch`) hold the bare state dict. Both load into the reference's model with `strict=True`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np
from absl import flags, logging
from etils import epath
from safetensors.numpy import save as save_safetensors

from mmae_jax import config, parallel
from mmae_jax.models.params import by_path
from mmae_jax.spec import PHASES, Experiment, Mesh, SpecError
from mmae_jax.train.monitor.log import show_messages
from mmae_jax.weights import torch_names as torch_weights
from mmae_jax.weights.checkpoint import load_params, open_experiment
from mmae_jax.weights.result import read_result


def export(
    workdir: epath.PathLike, out: epath.PathLike, phase: str | None = None, averaged: bool | None = None
) -> None:
    """Writes the chosen checkpoint of a finished phase to `out`, atomically.

    Args:
      workdir: folder of the run.
      out: file that ends in `.safetensors` or `.pt`.
      phase: the last finished phase if None.
      averaged: write the moving average of the weights; as the phase was scored if None.

    Raises:
      SpecError: no such phase is finished, or `out` has another ending.
    """
    out = epath.Path(out)
    if out.suffix not in (".safetensors", ".pt"):
        raise SpecError(f"--out: expected a file that ends in .safetensors or .pt, found {out}")
    tensors, experiment = state_dict(workdir, phase, averaged)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f"{out.name}.tmp")
    if out.suffix == ".pt":
        _save_torch(tensors, beside)
    else:
        metadata = {"format": "pt", "experiment": json.dumps(config.to_plain(experiment))}
        beside.write_bytes(save_safetensors(tensors, metadata))
    beside.replace(out)
    logging.info("wrote %d tensors, %d parameters to %s", len(tensors), sum(t.size for t in tensors.values()), out)


def state_dict(
    workdir: epath.PathLike, phase: str | None = None, averaged: bool | None = None
) -> tuple[dict[str, np.ndarray], Experiment]:
    """Returns PyTorch name → float32 array of a finished phase, and its experiment; arguments as of `export`."""
    workdir = epath.Path(workdir)
    phases = PHASES if phase is None else (phase,)
    result = next((found for name in reversed(phases) if (found := read_result(workdir, name)) is not None), None)
    if result is None:
        raise SpecError(f"{workdir}: expected a finished phase ({' or '.join(phases)}), found none")
    checkpoints = workdir / result.phase / "checkpoints"
    experiment = open_experiment(checkpoints)
    averaged = result.averaged if averaged is None else averaged
    params = load_params(checkpoints, result.step, experiment, parallel.make_mesh(Mesh()), averaged=averaged)
    arrays = {path: np.asarray(array) for path, array in by_path(params).items()}
    return torch_weights.to_state_dict(arrays, experiment), experiment


def _save_torch(tensors: dict[str, np.ndarray], file: epath.Path) -> None:
    try:
        import torch
    except ImportError as error:
        raise SpecError(
            "--out: a .pt file needs PyTorch, `pip install 'mmae_jax[torch]'`, or write .safetensors"
        ) from error
    torch.save({name: torch.from_numpy(array.copy()) for name, array in tensors.items()}, file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, or 1 with one message."""
    options = _parser().parse_args(arguments)
    _log_to_stderr()
    show_messages()
    try:
        export(options.workdir, options.out, options.phase, options.averaged)
    except (SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mmae_jax.export", description=__doc__, allow_abbrev=False)
    parser.add_argument("--workdir", required=True, help="folder of the run")
    parser.add_argument("--out", required=True, help="file to write: .safetensors, or .pt with the extra `torch`")
    parser.add_argument(
        "--phase", choices=PHASES, help="phase whose weights to write; the last finished one by default"
    )
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        help="write the moving average; by default where the phase was scored by it",
    )
    return parser


def _log_to_stderr() -> None:
    flags.FLAGS.mark_as_parsed()  # of which there are none here; absl says so at each message otherwise
    logging.use_absl_handler()


if __name__ == "__main__":
    sys.exit(main())
