"""Which tokens meet in one attention sequence, and which weights encode it (docs/method.md §4)."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from immutabledict import immutabledict

from mmae_jax.spec import Experiment, Input


@dataclasses.dataclass(frozen=True)
class Fusion:
    """How the tokens of the inputs are arranged.

    Attributes:
      inputs: the inputs.
      sequences: sequence name → the inputs whose tokens it concatenates, in order.
      weights: sequence name → name of the encoder and decoder it runs through.
      dates_apart: whether every date (and band group) of an input is a sequence of its own, folded into the batch.
    """

    inputs: immutabledict[str, Input]
    sequences: immutabledict[str, tuple[str, ...]]
    weights: immutabledict[str, str]
    dates_apart: bool

    @classmethod
    def of(cls, experiment: Experiment) -> Fusion:
        """Returns the arrangement of an experiment's fusion mode."""
        mode, inputs = experiment.model.fusion, experiment.inputs
        sequences: dict[str, tuple[str, ...]] = {}
        for name, model_input in inputs.items():
            key = (model_input.name_group or name) if mode == "group" else name
            sequences[key] = (*sequences.get(key, ()), name)
        return cls(
            inputs=inputs,
            sequences=immutabledict(sequences),
            weights=immutabledict({key: "shared" if mode == "shared" else key for key in sequences}),
            dates_apart=mode in ("shared", "monotemp"),
        )

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the encoders and decoders, without repetition."""
        return tuple(dict.fromkeys(self.weights.values()))

    def join(self, tokens: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arranges arrays `[B, G·D, L, ...]` by input into sequences.

        Returns:
          `[B, ΣG·D·L, ...]` by sequence; `[B·G·D, L, ...]` where dates are apart.
        """
        if self.dates_apart:
            return {name: array.reshape(-1, *array.shape[2:]) for name, array in tokens.items()}
        return {
            key: jnp.concatenate(
                [tokens[name].reshape(tokens[name].shape[0], -1, *tokens[name].shape[3:]) for name in names], axis=1
            )
            for key, names in self.sequences.items()
        }

    def split(self, sequences: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Inverse of `join`."""
        tokens = {}
        for key, names in self.sequences.items():
            array, start = sequences[key], 0
            for name in names:
                model_input = self.inputs[name]
                shape = (-1, model_input.tokens_per_position, model_input.grid**2)
                if self.dates_apart:
                    part = array
                else:
                    part = array[:, start : start + model_input.num_tokens]
                    start += model_input.num_tokens
                tokens[name] = part.reshape(*shape, *array.shape[2:])
        return {name: tokens[name] for name in self.inputs}


def token_validity(dates_valid: jax.Array, model_input: Input) -> jax.Array:
    """Spreads bool `[B, D]` (is this date there?) over the tokens of an input: `[B, G·D, L]`."""
    spread = jnp.tile(dates_valid, (1, len(model_input.bands)))
    return jnp.broadcast_to(spread[..., None], (*spread.shape, model_input.grid**2))
