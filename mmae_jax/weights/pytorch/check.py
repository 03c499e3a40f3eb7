"""Compares the model with the numbers in `golden.safetensors`: `python check.py`, where PyTorch alone is installed."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from modeling_mmae import Model, Tensors, read_tensors

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
"""Data type of the model → the largest deviation that passes.

In float32, a deviation is the largest difference as a share of the largest number. In bfloat16, in which each of many
numbers is rounded to 8 bits, it is that of the root mean squares.
"""


def deviations(model: Model, folder: Path) -> dict[str, float]:
    """Returns output → deviation from what is expected, see `TOLERANCES`.

    Raises:
      ValueError: the numbers are not those that were written with `config.json`.
    """
    dtype = next(model.parameters()).dtype
    golden = read_tensors(folder / "golden.safetensors", model.config["sha256"]["golden.safetensors"])
    of: dict[str, Tensors] = {}
    for path, tensor in golden.items():
        part, _, name = path.partition("/")
        of.setdefault(part, {})[name] = tensor
    samples = {**of, "ref_date": of["ref_date"]["ref_date"]}
    with torch.inference_mode():
        found = {"tokens": model.encode(samples)}
        if "reconstruction" in of:
            found["reconstruction"] = model.reconstruct(samples, of["masks"])
        if "logits" in of:
            found["logits"] = model.predict(samples)
    return {
        f"{part}/{name}": _size(tensor.float() - of[part][name], dtype) / _size(of[part][name], dtype)
        for part, tensors in found.items()
        for name, tensor in tensors.items()
    }


def check_seal(folder: Path) -> None:
    """Raises a `ValueError` where `config.json`, with names and order of bands, is not as it was written."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    seal = config.pop("seal", None)
    canonical = json.dumps(config, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if hashlib.sha256(canonical.encode()).hexdigest() != seal:
        raise ValueError(f"{folder / 'config.json'}: changed since it was exported")


def _size(numbers: torch.Tensor, dtype: torch.dtype) -> float:
    size = numbers.abs().max() if dtype == torch.float32 else numbers.square().mean().sqrt()
    return float(size.clamp(min=1e-30))


def main(folder: Path) -> int:
    """Prints the deviation of each output; returns 0 where all pass, else 1."""
    check_seal(folder)
    model = Model.from_pretrained(folder)
    allowed = TOLERANCES[next(model.parameters()).dtype]
    found = deviations(model, folder)
    for name, deviation in found.items():
        print(f"{name:32} {deviation:.1e}")
    worst = max(found, key=lambda name: found[name])
    passed = all(deviation <= allowed for deviation in found.values())  # False of NaN, too
    print(f"largest deviation {found[worst]:.1e} ({worst}), allowed {allowed:.0e}: {'passed' if passed else 'FAILED'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
