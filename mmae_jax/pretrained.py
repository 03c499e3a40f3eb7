"""A trained model in a notebook: numpy in, numpy out (docs/weights.md)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import nnx

from mmae_jax import parallel
from mmae_jax.data.batch import Batch
from mmae_jax.data.raw_samples import batch_of
from mmae_jax.models.model import Model
from mmae_jax.models.params import abstract_model, by_path, merge
from mmae_jax.models.samples import Samples, samples_from_batch
from mmae_jax.spec import Dataset, Experiment, Mesh, SpecError
from mmae_jax.spec.error import choices
from mmae_jax.train.reconstruction import images
from mmae_jax.train.step import precision
from mmae_jax.weights.checksums import checksums
from mmae_jax.weights.source import open_weights

Arrays = dict[str, np.ndarray]


class Pretrained:
    """A trained model, on all devices of this process.

    Samples are what the input pipeline yields (`mmae_jax.data.batch.Batch`), or raw values as sensors give them, see
    `mmae_jax.data.raw_samples.batch_of`. Each function is compiled once for each number of samples.

    Attributes:
      experiment: what it was trained in.
    """

    def __init__(self, experiment: Experiment, params: nnx.State, mesh: jax.sharding.Mesh) -> None:
        self.experiment = experiment
        self._params, self._mesh = params, mesh
        self._graph, _ = abstract_model(experiment)
        self._encode = self.compiled(_encode)
        self._predict = self.compiled(_predict)
        self._reconstruct = self.compiled(_reconstruct)

    @property
    def params(self) -> nnx.State:
        """Its parameters."""
        return self._params

    @property
    def contract(self) -> Dataset:
        """The sensor contract: what it expects of data."""
        return self.experiment.dataset

    @functools.cached_property
    def digest(self) -> str:
        """What tells its weights from others, 16 hexadecimal digits, the same on any devices."""
        leaves = {"/".join(map(str, path)): array for path, array in by_path(self._params).items()}
        return hashlib.sha256(json.dumps(checksums(leaves), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def width(self) -> int:
        """Width E of an encoded token."""
        return merge(self._graph, abstract_model(self.experiment)[1]).encoder.width

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Started]:
        """Returns a function that runs another one on all devices, and does not wait for what it returns.

        Args:
          function: of model, samples and further arguments; all arrays that it returns have an axis of samples first.

        Returns:
          A function of a batch and the further arguments, compiled once for each number of samples, also when it is
          asked for again with a function that compares equal, or by another model that was trained in the same way.
        """
        shares = self._mesh.shape["data"] * self._mesh.shape["fsdp"]

        def start(batch: Batch, *arguments: Any) -> Started:
            number = len(batch["ref_date"])
            rows = np.minimum(np.arange(-(-number // shares) * shares), number - 1)
            spread = jax.tree.map(lambda array: np.asarray(array)[rows], dict(batch))
            batch = parallel.to_devices(spread, self._mesh)
            return Started(_applied(function, self.experiment, self._params, batch, *arguments), self._mesh, number)

        return start

    def encode(self, samples: Mapping[str, Any]) -> Arrays:
        """Returns the encoded tokens, nothing masked.

        Args:
          samples: B samples.

        Returns:
          Input → float32 `[B, T, L, E]`: T tokens (dates, band groups) at each of L places, row by row, of width E.

        Raises:
          SpecError: a sample is not as the contract says; the message names input and field.
        """
        return self._run(self._encode, samples)

    def predict(self, samples: Mapping[str, Any]) -> Arrays:
        """Returns the outputs of the heads, such as logits.

        Returns:
          Target → float32 `[B, outputs]`, or `[B, H, W, outputs]` where each pixel has a target.

        Raises:
          SpecError: as `encode`; or the model has no heads.
        """
        if not self.experiment.targets:
            raise SpecError("predict: the model has no heads; it was trained without targets")
        return self._run(self._predict, samples)

    def reconstruct(self, samples: Mapping[str, Any], seed: int = 0) -> dict[str, Arrays]:
        """Hides tokens as in training and returns what the model makes of the others.

        Args:
          samples: B samples.
          seed: draws what is hidden.

        Returns:
          `values`: input → float32 `[B, D, C, S, S]` at `image_size`, in the contract's unit; with normalised targets,
          mean and spread of each patch are those of the sample. `images`: the same in the numbers of the reconstruction
          target (docs/method.md §7). `masked`: input → bool, of the same shape, what was hidden.

        Raises:
          SpecError: as `encode`; or the encoder does not reconstruct.
        """
        return self._run(self._reconstruct, samples, jax.random.key(seed))

    def _run(self, function: Callable[..., Started], samples: Mapping[str, Any], *arguments: Any) -> Any:
        batch = samples if "weight" in samples else batch_of(samples, self.experiment)
        for part in Batch.__annotations__:
            if part not in batch:
                raise SpecError(f"samples: expected {part} of a batch, found {choices(list(batch))}")
        return function(batch, *arguments).arrays()


@functools.partial(jax.jit, static_argnums=(0, 1))
def _applied(
    function: Callable[..., Any], experiment: Experiment, params: nnx.State, batch: Batch, *arguments: Any
) -> Any:
    """Returns what a function makes of the model with these parameters and of a batch."""
    graph, _ = abstract_model(experiment)
    with precision(experiment):
        return function(merge(graph, params), samples_from_batch(batch, experiment), *arguments)


@dataclasses.dataclass(frozen=True)
class Started:
    """What devices are computing."""

    _found: Any
    _mesh: jax.sharding.Mesh
    _number: int

    def arrays(self) -> Any:
        """Waits, and returns it as numpy arrays."""
        return jax.tree.map(lambda array: array[: self._number], parallel.to_hosts(self._found, self._mesh))


def load(path: epath.PathLike, phase: str | None = None, averaged: bool | None = None) -> Pretrained:
    """Opens a trained model.

    Args:
      path: workdir of a run, or an export of one.
      phase: of a run; the last finished one if None.
      averaged: of a run: its moving average of weights; as it was scored if None.

    Raises:
      SpecError: nothing can be read there, or it does not say what it was trained in.
    """
    weights = open_weights(path, phase, averaged=averaged)
    mesh = parallel.make_mesh(Mesh(), jax.local_devices())
    params = weights.on(mesh)
    assert weights.experiment is not None, "without an experiment there are no parameters"
    return Pretrained(weights.experiment, params, mesh)


def _encode(model: Model, samples: Samples) -> dict[str, jax.Array]:
    features = model.encoder.features(samples)
    return {name: array.astype(jnp.float32) for name, array in features.items()}


def _predict(model: Model, samples: Samples) -> dict[str, jax.Array]:
    return model.predict(samples, train_encoder=False)


def _reconstruct(model: Model, samples: Samples, key: jax.Array) -> dict[str, dict[str, jax.Array]]:
    found = images(model, samples, key)
    return {
        "values": {name: one.values for name, one in found.items()},
        "images": {name: one.target for name, one in found.items()},
        "masked": {name: one.masked for name, one in found.items()},
    }
