"""The model of an experiment: an encoder, and a head for each target beside it (docs/method.md §8)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax import tasks
from mmae_jax.models.encoder import Arrays, encoder_class
from mmae_jax.models.heads import Head, head_outputs, on_grid, pixel_logits
from mmae_jax.models.samples import Samples
from mmae_jax.spec import Experiment


class Model(nnx.Module):
    """Encoder and heads of an experiment; parameters are float32, computation in `model.dtype`."""

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        model = experiment.model
        self.experiment = experiment
        self.encoder = encoder_class(experiment)(experiment, rngs=rngs)
        self.heads = nnx.Dict(
            {
                name: Head(
                    model.head,
                    self.encoder.width,
                    head_outputs(experiment, name),
                    dtype=jnp.dtype(model.dtype),
                    rngs=rngs,
                )
                for name in experiment.targets
            }
        )

    def predict(self, samples: Samples, *, train_encoder: bool) -> Arrays:
        """Predicts the targets.

        Args:
          samples: model inputs.
          train_encoder: whether gradients flow into the encoder (finetune) or stop at the heads (probe).

        Returns:
          target → float32 `[B, outputs]`, or `[B, H, W, outputs]` where each pixel has a target; the outputs are those
          of its task, such as the logits of classes.
        """
        features = self.encoder.features(samples)
        if not train_encoder:
            features = jax.lax.stop_gradient(features)
        available = self.encoder.available(samples)
        targets = self.experiment.dataset.targets
        predicted = {}
        for name, head in self.heads.items():
            with jax.named_scope(f"head_{name}"):
                predicted[name] = (
                    self._pixel_logits(name, features, available)
                    if targets[name].is_raster
                    else head(_flat(features), _flat(available))
                )
        return predicted

    def _pixel_logits(self, target: str, features: Arrays, available: Arrays) -> jax.Array:
        ref_input = self.experiment.model.ref_input
        assert ref_input is not None, "checked with the configuration"
        grid = self.experiment.inputs[ref_input].grid
        tokens = jnp.concatenate([on_grid(array, grid) for array in features.values()], axis=1)
        valid = jnp.concatenate([available[name][:, :, 0] for name in features], axis=1)
        contract = self.experiment.dataset.targets[target]
        return pixel_logits(self.heads[target], tokens, valid, tasks.of(contract).outputs(contract))


def _flat(arrays: Arrays) -> jax.Array:
    """Concatenates `[B, T, L, ...]` of all inputs to `[B, N, ...]`."""
    return jnp.concatenate([array.reshape(array.shape[0], -1, *array.shape[3:]) for array in arrays.values()], axis=1)
