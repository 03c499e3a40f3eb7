"""What the encoders of foundation models have in common: an embedding for each input, and what of it is new."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax.baselines.bands import Channels
from mmae_jax.baselines.embedding import SensorEmbedding
from mmae_jax.baselines.vit import layers_to_heads
from mmae_jax.models.encodings import date_encoding
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.samples import Samples
from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment

Arrays = dict[str, jax.Array]


class FoundationEncoder(nnx.Module):
    """An encoder of published weights; parameters are float32, computation in `model.dtype`.

    Parameters called `patch_embed` belong to inputs. Subclasses say by `channels` which of the published channels each
    band starts from, and encode.
    """

    pretraining_only: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        self.experiment = experiment
        self.fusion = Fusion.of(experiment)
        self.patch_embed = nnx.Dict({name: self.embedding(experiment, name, rngs) for name in experiment.inputs})

    @classmethod
    def check(cls, experiment: Experiment) -> None:
        """Raises a `SpecError` where inputs are not what the model can be given; what all models ask is checked."""

    @classmethod
    def embedding(cls, experiment: Experiment, name: str, rngs: nnx.Rngs) -> nnx.Module:
        """Returns the patch embedding of the input called `name`: maps `[B, D, C, H, W]` to `[B, D, L, E]`."""
        model, patch = experiment.model, experiment.inputs[name].patch_size
        sizes = (patch, model.architecture.embed_dim)
        return SensorEmbedding(cls.channels(experiment, name), *sizes, dtype=jnp.dtype(model.dtype), rngs=rngs)

    @classmethod
    def channels(cls, experiment: Experiment, name: str) -> Channels:
        """Returns which published channel each band of the input called `name` starts from."""
        raise NotImplementedError

    @classmethod
    def is_new(cls, experiment: Experiment, path: Path) -> bool:
        """Returns whether a parameter embeds an input with bands that the model never saw."""
        if path[0] != "patch_embed" or experiment.model.foundation.repeats("rgb_embeddings"):
            return False
        return None in cls.channels(experiment, path[1])

    @classmethod
    def layers_to_heads(cls, experiment: Experiment, path: Path) -> int | tuple[int, ...]:
        """Returns how many blocks are above a parameter, its own among them; 0 of one that is new."""
        return 0 if cls.is_new(experiment, path) else layers_to_heads(path, experiment.model.architecture.depth)

    @property
    def width(self) -> int:
        """Width E of an encoded token."""
        return self.experiment.model.architecture.embed_dim

    def available(self, samples: Samples) -> Arrays:
        """Returns which tokens are there: input → bool `[B, D, L]`, in the order of the experiment's inputs."""
        valid = samples.dates_valid
        return {name: token_validity(valid[name], model_input) for name, model_input in self.experiment.inputs.items()}

    def with_dates(self, tokens: jax.Array, name: str, samples: Samples) -> jax.Array:
        """Returns encoded tokens `[B, D, L, E]` of an input, their dates encoded in the last channels if they are."""
        if not self.experiment.model.date_encoding:
            return tokens
        dates = date_encoding(samples.dates[name], samples.ref_date, tokens.shape[-1])
        return tokens + dates[:, :, None].astype(tokens.dtype)
