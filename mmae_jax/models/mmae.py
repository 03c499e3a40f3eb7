"""The multimodal, multitemporal, multispectral masked autoencoder (docs/method.md §3–6, §8)."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmae_jax.models.draws import normal_param
from mmae_jax.models.encodings import common_grid, date_encoding, position_encoding
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.layers import Linear
from mmae_jax.models.masking import SequenceMask
from mmae_jax.models.patches import PatchEmbedding, PixelProjection, to_patches
from mmae_jax.models.samples import Samples
from mmae_jax.models.transformer import Transformer
from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment, Input

Arrays = dict[str, jax.Array]


class MMAE(nnx.Module):
    """Encoders and decoders of an experiment; parameters are float32, computation in `model.dtype`."""

    pretraining_only: ClassVar[frozenset[str]] = frozenset({"enc_to_dec", "decoder", "mask_token", "embed_to_rec"})

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        model, sizes = experiment.model, experiment.model.architecture
        self.experiment = experiment
        self.fusion = Fusion.of(experiment)
        dtype = jnp.dtype(model.dtype)

        def transformer(width: int, depth: int, heads: int, dim_head: int, mlp_width: int) -> Transformer:
            shape = (width, depth, heads, dim_head, mlp_width)
            return Transformer(*shape, dtype=dtype, remat=model.remat, attention=model.attention, rngs=rngs)

        def encoder(depth: int) -> Transformer:
            mlp_width = round(sizes.embed_dim * sizes.mlp_ratio)
            return transformer(sizes.embed_dim, depth, sizes.heads, sizes.dim_head, mlp_width)

        def decoder() -> Transformer:
            # As wide as the encoder's width says, not the decoder's (docs/method.md §6).
            mlp_width = round(sizes.embed_dim * sizes.decoder_mlp_ratio)
            heads, dim_head = sizes.decoder_heads, sizes.decoder_dim_head
            return transformer(sizes.decoder_dim, sizes.decoder_depth, heads, dim_head, mlp_width)

        self.patch_embed: nnx.Dict[PatchEmbedding] = nnx.Dict()
        self.embed_to_rec: nnx.Dict[PixelProjection] = nnx.Dict()
        for name, model_input in embeddings(experiment).items():
            self.patch_embed[name] = PatchEmbedding(model_input, sizes.embed_dim, dtype=dtype, rngs=rngs)
            self.embed_to_rec[name] = PixelProjection(model_input, sizes.decoder_dim, dtype=dtype, rngs=rngs)
        self.mask_token = nnx.Dict(
            {
                name: normal_param(rngs, (len(model_input.bands), sizes.decoder_dim))
                for name, model_input in experiment.inputs.items()
            }
        )
        weights = self.fusion.weight_names
        self.encoder = nnx.Dict({name: encoder(sizes.depth - model.inter_depth) for name in weights})
        self.encoder_inter = encoder(model.inter_depth) if model.inter_depth else None
        self.enc_to_dec = (
            nnx.Dict({name: Linear(sizes.embed_dim, sizes.decoder_dim, dtype=dtype, rngs=rngs) for name in weights})
            if sizes.embed_dim != sizes.decoder_dim
            else None
        )
        self.decoder = nnx.Dict({name: decoder() for name in weights})

    @classmethod
    def layers_to_heads(cls, experiment: Experiment, path: Path) -> int | tuple[int, ...]:
        """Returns how many blocks are above a parameter, its own among them; the embedding is below all."""
        depth, joint = experiment.model.architecture.depth, experiment.model.inter_depth
        match path:
            case ("patch_embed", *_):
                return depth + 1
            case ("encoder", _, "blocks", _):
                return tuple(range(depth, joint, -1))
            case ("encoder", *_):  # the norm in front of the joint blocks
                return joint
            case ("encoder_inter", "blocks", _):
                return tuple(range(joint, 0, -1))
        return 0

    @classmethod
    def is_new(cls, experiment: Experiment, path: Path) -> bool:
        """Returns False: nothing is published of which a part is missing."""
        return False

    @property
    def width(self) -> int:
        """Width E of an encoded token."""
        return self.experiment.model.architecture.embed_dim

    def available(self, samples: Samples) -> Arrays:
        """Returns which tokens are there: input → bool `[B, G·D, L]`, in the order of the experiment's inputs."""
        # Not in the order of `samples`: jit hands dicts over sorted by name, and `_flat` must agree with `features`.
        valid = samples.dates_valid
        return {name: token_validity(valid[name], model_input) for name, model_input in self.experiment.inputs.items()}

    def embed(self, samples: Samples) -> Arrays:
        """Returns the embedded and encoded tokens by sequence, `[B, N, E]` (docs/method.md §3)."""
        tokens = {}
        with jax.named_scope("embed"):
            for name, model_input in self.experiment.inputs.items():
                patches = to_patches(samples.pixels[name], model_input.patch_size)
                tokens[name] = self.patch_embed[model_input.name_embed or name](patches)
            return self._encoded(tokens, samples)

    def encode(self, tokens: Arrays, valid: Arrays) -> Arrays:
        """Runs the encoders, then the joint blocks, over tokens `[B, N, E]` of which `valid` (`[B, N]`) are there."""
        weights = self.fusion.weights
        encoded = {}
        for key, array in tokens.items():
            with jax.named_scope(f"encoder_{key}"):
                encoded[key] = self.encoder[weights[key]](array, valid[key])
        if self.encoder_inter is None:
            return encoded
        with jax.named_scope("joint"):
            together = jnp.concatenate(list(encoded.values()), axis=1)
            joint = self.encoder_inter(together, jnp.concatenate([valid[key] for key in encoded], axis=1))
        ends = np.cumsum([array.shape[1] for array in encoded.values()])[:-1]
        return dict(zip(encoded, jnp.split(joint, ends, axis=1), strict=True))

    def reconstruct(self, samples: Samples, masks: dict[str, SequenceMask], *, masked_only: bool = False) -> Arrays:
        """Reconstructs every patch from the visible tokens.

        Args:
          samples: model inputs.
          masks: the mask of every sequence.
          masked_only: whether only what is masked is asked for, as by the loss: the others have no meaning. Masks are
            then such as are drawn.

        Returns:
          input → float32 patches `[B, D, L, P², C]`, in the units of the reconstruction target.
        """
        tokens, available = self.embed(samples), self.fusion.join(self.available(samples))
        with jax.named_scope("mask"):
            kept = {key: mask.keep(tokens[key]) for key, mask in masks.items()}
        encoded = self.encode(kept, {key: mask.kept_valid for key, mask in masks.items()})
        weights, inputs = self.fusion.weights, self.experiment.inputs
        with jax.named_scope("mask"):
            if self.enc_to_dec is not None:
                encoded = {key: self.enc_to_dec[weights[key]](array) for key, array in encoded.items()}
            filler = self._mask_tokens(samples)
            restored = {
                key: mask.restore(encoded[key], filler[key].astype(encoded[key].dtype)) for key, mask in masks.items()
            }
            positioned = self._encoded(self.fusion.split(restored), samples)
        decoded = {}
        for key, array in positioned.items():
            with jax.named_scope(f"decoder_{key}"):
                hidden = masks[key].to_hidden() if masked_only else None
                patches = self.decoder[weights[key]](array, available[key], asked=hidden)
                decoded[key] = patches if hidden is None else hidden.inverse(patches)
        with jax.named_scope("pixels"):
            return {
                name: self.embed_to_rec[inputs[name].name_embed or name](array)
                for name, array in self.fusion.split(decoded).items()
            }

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens of all dates by input, `[B, G·D, L, E]`, nothing masked."""
        valid = self.fusion.join(self.available(samples))
        return self.fusion.split(self.encode(self.embed(samples), valid))

    def _encoded(self, tokens: Arrays, samples: Samples) -> Arrays:
        """Adds position and date encodings to `[B, G·D, L, E]` by input, and arranges the sequences."""
        model, inputs = self.experiment.model, self.experiment.inputs
        side = model.grid_pos_enc or common_grid([model_input.grid for model_input in inputs.values()])
        encoded = {}
        for name, array in tokens.items():
            width = array.shape[-1]
            encoding = jnp.asarray(position_encoding(side, inputs[name].grid, width))[None, None]
            if model.date_encoding:
                dates = date_encoding(samples.dates[name], samples.ref_date, width)
                encoding = encoding + jnp.tile(dates, (1, len(inputs[name].bands), 1))[:, :, None]
            encoded[name] = array + encoding.astype(array.dtype)
        return self.fusion.join(encoded)

    def _mask_tokens(self, samples: Samples) -> Arrays:
        """Returns each input's and band group's mask token at all its positions, by sequence `[B, N, E]`."""
        batch = samples.ref_date.shape[0]
        tokens = {}
        for name, model_input in self.experiment.inputs.items():
            token = jnp.repeat(self.mask_token[name][...], model_input.num_dates, axis=0)
            shape = (batch, token.shape[0], model_input.grid**2, token.shape[1])
            tokens[name] = jnp.broadcast_to(token[None, :, None], shape)
        return self.fusion.join(tokens)


def embeddings(experiment: Experiment) -> dict[str, Input]:
    """Returns embed name → the first input that uses it; the others agree in patch size and band groups."""
    first: dict[str, Input] = {}
    for name, model_input in experiment.inputs.items():
        first.setdefault(model_input.name_embed or name, model_input)
    return first
