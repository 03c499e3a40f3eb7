"""PyTorch's own files: read without PyTorch, and without executing anything of what they hold.

Such a file is a zip archive of a pickle and of the tensors' numbers. A pickle may call whatever it names; here, it gets
what puts a tensor together, and for any other class (of hyperparameters, say) a stand-in that does nothing.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import logging
from etils import epath

from mmae_jax.spec import SpecError

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "QInt8Storage": "int8",
    "ByteStorage": "uint8",
    "QUInt8Storage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
NESTED = ("state_dict", "model_state_dict", "model", "module", "weights")
"""Under which names files hold a state dict among other things."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What wrappers put before the names of weights: data parallelism, compilation, Lightning."""
AVERAGED = "ema_model."
"""What the reference puts before those of the moving average."""
PACKED = "._packed_params._packed_params"
"""What stands behind the name of a linear layer whose weight and bias are one entry, the weight in 8 bits."""
ARCHIVE = b"PK\x03\x04"
"""How a zip archive begins."""
BESIDE_PACKED = (".scale", ".zero_point")
"""What of such a layer is about its results."""


class TorchFileError(SpecError):
    """The file holds no weights that can be taken."""


def read_torch(file: epath.Path, averaged: bool = False) -> dict[str, np.ndarray]:
    """Returns name → array of a state dict, bare or nested, without the prefixes of wrappers.

    Args:
      file: the file.
      averaged: take the moving average of the weights, which the reference keeps beside them.

    Raises:
      TorchFileError: there is none, or a tensor is damaged.
      Exception: whatever zipfile, pickle and PyTorch raise.
    """
    with file.open("rb") as opened:
        if not zipfile.is_zipfile(opened):
            return _weights(_of_old_format(file), file, averaged)
    with file.open("rb") as opened, zipfile.ZipFile(opened) as archive:
        root = next((name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if root is None:
            raise TorchFileError("expected a file written by torch.save, found another zip archive")
        with archive.open(f"{root}data.pkl") as pickled:
            return _weights(_Unpickler(pickled, archive, root).load(), file, averaged)


def _weights(stored: Any, file: epath.Path, averaged: bool) -> dict[str, np.ndarray]:
    while isinstance(stored, Mapping):
        inner = next((stored[name] for name in NESTED if isinstance(stored.get(name), Mapping)), None)
        if inner is None:
            break
        stored = inner
    stored = _unpacked(_joined(stored)) if isinstance(stored, Mapping) else stored
    if not isinstance(stored, Mapping) or not any(map(_is_tensor, stored.values())):
        raise TorchFileError(f"expected a state dict, bare or as {', '.join(NESTED)}, found none")
    tensors = {str(name): tensor for name, tensor in stored.items() if _is_tensor(tensor)}
    unwrapped = without_prefixes(tensors, file, averaged)
    return {name.replace("._orig_mod.", "."): _array(tensor) for name, tensor in unwrapped.items()}


def _joined(stored: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Returns one state dict of several that stand side by side, by the names `{which}.{tensor}`."""
    parts = {
        name: part for name, part in stored.items() if isinstance(part, Mapping) and any(map(_is_tensor, part.values()))
    }
    if not parts or any(map(_is_tensor, stored.values())):
        return stored
    return {f"{name}.{inner}": tensor for name, part in parts.items() for inner, tensor in part.items()}


def _unpacked(stored: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns a state dict in which weight and bias of layers of 8 bits are entries of their own."""
    layers = {str(name).removesuffix(PACKED) for name in stored if str(name).endswith(PACKED)}
    found: dict[str, Any] = {}
    for name, value in ((str(name), value) for name, value in stored.items()):
        layer = name.removesuffix(PACKED)
        if layer != name and isinstance(value, tuple):
            found |= {f"{layer}.{part}": one for part, one in zip(("weight", "bias"), value, strict=False)}
        elif not any(name == f"{layer}{end}" for layer in layers for end in BESIDE_PACKED):
            found[name] = value
    return found


def without_prefixes(tensors: Mapping[str, Any], file: epath.Path, averaged: bool) -> dict[str, Any]:
    """Returns the tensors of the model, or those of its moving average, by their names without what wrappers add.

    Raises:
      TorchFileError: there is no moving average.
    """
    tensors = dict(tensors)
    if averaged:
        tensors = {name.removeprefix(AVERAGED): t for name, t in tensors.items() if name.startswith(AVERAGED)}
        if not tensors:
            raise TorchFileError(f"expected averaged weights, whose names begin with {AVERAGED}, found none")
    while found := next((prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in tensors)), None):
        logging.info("%s: weights are those whose names begin with %s", file, found)
        tensors = {name.removeprefix(found): t for name, t in tensors.items() if name.startswith(found)}
    return tensors


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers of one or several tensors: how to read them, their data type and number."""

    read: Callable[[], bytes]
    dtype: np.dtype
    size: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor that is read when it is asked for: a checkpoint holds the optimiser's state, too."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Returns its numbers.

        Raises:
          TorchFileError: it reaches beyond what is stored.
        """
        numbers = np.frombuffer(self.storage.read(), self.storage.dtype)
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        count = math.prod(self.shape)
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or (count and max(last, count - 1) >= len(numbers)):
            raise TorchFileError(f"expected a tensor {list(self.shape)} within {len(numbers)} stored numbers")
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


@dataclasses.dataclass(frozen=True)
class _Quantised:
    """A tensor of integers that stand for `scale · (integer − zero_point)`, by tensor or along an axis."""

    integers: _Tensor
    scale: float | _Tensor
    zero_point: int | _Tensor
    axis: int | None

    def array(self) -> np.ndarray:
        """Returns float32 numbers; raises as the tensors."""
        scale, zero_point = (self._along_axis(one) for one in (self.scale, self.zero_point))
        return ((self.integers.array() - zero_point) * scale).astype(np.float32)

    def _along_axis(self, value: float | _Tensor) -> np.ndarray:
        array = np.asarray(value.array() if isinstance(value, _Tensor) else value, np.float64)
        if self.axis is None:
            return array
        return array.reshape([-1 if axis == self.axis else 1 for axis in range(len(self.integers.shape))])


class _Unknown:
    """Stands for any class and any object of it: takes whatever a pickle gives it, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Unknown:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def _take(self, *_: Any, **__: Any) -> _Unknown:
        return self

    __call__ = __setstate__ = __setitem__ = append = extend = add = _take


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _tensor_of_dtype(
    storage: _Storage, offset: int, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: np.dtype, *_: Any
) -> _Tensor:
    typed = dataclasses.replace(storage, dtype=dtype, size=storage.size // dtype.itemsize)
    return _Tensor(typed, offset, tuple(shape), tuple(strides))


def _quantised(storage: _Storage, offset: int, shape: Any, strides: Any, how: Any, *_: Any) -> _Quantised:
    _scheme, scale, zero_point, *axis = how
    return _Quantised(_tensor(storage, offset, shape, strides), scale, zero_point, axis[0] if axis else None)


KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype,
    ("torch._utils", "_rebuild_qtensor"): _quantised,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
    ("torch._tensor", "_rebuild_from_type_v2"): lambda rebuild, _kind, arguments, _state: rebuild(*arguments),
}


class _Unpickler(pickle.Unpickler):
    """Reads the pickle of an archive; of all it names, only `KNOWN` is called."""

    def __init__(self, pickled: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(pickled)
        self._archive, self._root = archive, root
        order = f"{root}byteorder"
        self._big = order in archive.namelist() and archive.read(order) == b"big"

    def find_class(self, module: str, name: str) -> Any:
        """Returns what the pickle may have for a name."""
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        if module in ("torch", "torch.storage") and name in STORAGES:
            return jnp.dtype(STORAGES[name])
        if module == "torch" and name in {*STORAGES.values(), "uint16", "uint32", "uint64"}:
            return jnp.dtype(name)
        return type(name, (_Unknown,), {})

    def persistent_load(self, pid: Any) -> _Storage:
        """Returns the storage that the pickle refers to."""
        _, dtype, key, _, size = pid
        if self._big:
            raise TorchFileError("expected numbers in little-endian order, found big-endian")
        return _Storage(lambda: self._archive.read(f"{self._root}data/{key}"), dtype, size)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (_Tensor, _Quantised)) or hasattr(value, "detach")


def _array(tensor: Any) -> np.ndarray:
    if isinstance(tensor, (_Tensor, _Quantised)):
        return tensor.array()
    array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
    return array


def _of_old_format(file: epath.Path) -> Any:
    """Returns what PyTorch reads from a file of before version 1.6, which is no archive."""
    with file.open("rb") as opened:
        is_archive = opened.read(len(ARCHIVE)) == ARCHIVE
    if is_archive:
        raise TorchFileError("incomplete: the end of the archive is not there; fetch the file again")
    try:
        import torch
    except ImportError as error:
        raise TorchFileError("a file of before PyTorch 1.6 needs PyTorch, `pip install 'mmae_jax[torch]'`") from error
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError) as error:
        # not PyTorch's words: they advise to read the file without restrictions
        raise TorchFileError("expected weights written by torch.save, found something else") from error
