"""Writes a run's weights with PyTorch names: `python -m mmae_jax export --workdir=RUN --out=FOLDER/`.

A folder holds the model in one PyTorch file that needs nothing of this program, with a model card, golden numbers and
the sensor contract. `--out=weights.safetensors` writes the weights alone, which every framework reads, with the
experiment beside them; `--out=weights.pt` (extra `torch`) the bare state dict. Both load into the reference with
`strict=True`. `--check=FOLDER` compares the model in a folder with its golden numbers, without JAX.
"""

from __future__ import annotations

import argparse

from mmae_jax.command_line.messages import show_messages
from mmae_jax.exit_codes import UsageError, meant
from mmae_jax.spec import PHASES
from mmae_jax.weights.export import export
from mmae_jax.weights.pytorch.checking import check_folder
from mmae_jax.weights.pytorch.config import PARTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--workdir", help="folder of the run, or exported weights")
    parser.add_argument("--out", help="folder to write; or a file: .safetensors, or .pt with the extra `torch`")
    parser.add_argument(
        "--phase", choices=PHASES, help="phase whose weights to write; the last finished one by default"
    )
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        help="write the moving average; by default where the phase was scored by it",
    )
    parser.add_argument(
        "--parts", default="all", help=f"what a folder holds: all (default), or some of {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights in a folder"
    )
    parser.add_argument("--onnx", action="store_true", help="a folder holds encoder and heads for ONNX Runtime, too")
    parser.add_argument("--pt2", action="store_true", help="a folder holds encoder and heads as torch.export has them")
    parser.add_argument("--check", metavar="FOLDER", help="compare the model in a folder with its golden numbers")


def run(options: argparse.Namespace) -> None:
    """Writes the weights, or checks what was written.

    Raises:
      UsageError: it is not said from where or to where, or a part is none.
    """
    show_messages()
    if options.check is None and not (options.workdir and options.out):
        raise UsageError("expected --workdir and --out, or --check")
    if options.workdir and options.out:
        parts = _parts(options.parts)
        graphs = tuple(name for name in ("onnx", "pt2") if getattr(options, name))
        export(options.workdir, options.out, options.phase, options.averaged, parts, options.dtype, graphs)
    if options.check is not None:
        check_folder(options.check)


def _parts(text: str) -> tuple[str, ...]:
    """Returns the named parts in their order, always with the encoder."""
    names = PARTS if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in PARTS:
            raise UsageError(f"--parts: expected all or some of {', '.join(PARTS)}, found {name}{meant(name, PARTS)}")
    return tuple(name for name in PARTS if name in names or name == PARTS[0])
