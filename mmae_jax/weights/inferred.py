"""What the weights of the reference's model say of its architecture: names and shapes, there is nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from immutabledict import immutabledict

from mmae_jax.spec import ARCHITECTURES, Architecture
from mmae_jax.weights.tensor_file import WeightsError

HEAD_WIDTH, DECODER_HEAD_WIDTH = 64, 32
"""Widths of an attention head in all published architectures; weights do not tell them."""


@dataclasses.dataclass(frozen=True)
class InferredInput:
    """What weights say of an input.

    Attributes:
      embed: name of its patch embedding.
      bands: number of bands of each band group.
      patch_size: side of a patch [pixels].
    """

    embed: str
    bands: tuple[int, ...]
    patch_size: int


@dataclasses.dataclass(frozen=True)
class Inferred:
    """What weights say of a model.

    Attributes:
      architecture: widths and depths; a published one where it fits.
      inter_depth: blocks that run jointly over all groups.
      encoders: names of the encoders.
      inputs: input → what is known of it.
      targets: names of the heads.
      head: kind of head; None where there is none.
    """

    architecture: Architecture
    inter_depth: int
    encoders: tuple[str, ...]
    inputs: immutabledict[str, InferredInput]
    targets: tuple[str, ...]
    head: str | None

    @property
    def architecture_name(self) -> str | None:
        """The name of a published architecture; None if it is another."""
        return next((name for name, known in ARCHITECTURES.items() if known == self.architecture), None)


def inferred(tensors: Mapping[str, np.ndarray], where: object) -> Inferred:
    """Returns what weights with the reference's names say.

    Args:
      tensors: PyTorch name → array.
      where: the file, for messages.

    Raises:
      WeightsError: they are not those of such a model; names what is not there.
    """
    try:
        return _inferred(tensors)
    except (KeyError, IndexError, ValueError, ArithmeticError, StopIteration) as error:
        found = ", ".join(sorted(tensors)[:3])
        raise WeightsError(
            f"{where}: no weights of a masked autoencoder of the reference ({error}); found {found} …"
        ) from error


def _inferred(tensors: Mapping[str, np.ndarray]) -> Inferred:
    embeds = _seconds(tensors, "patch_embed")
    encoders, targets = _seconds(tensors, "encoder"), _seconds(tensors, "heads")
    if not embeds or not encoders:
        raise ValueError("no patch_embed or no encoder")
    known = {name: _input(tensors, name) for name in embeds}
    names = _seconds(tensors, "mask_token") or embeds  # one for each input; embeddings may be shared
    inputs = {name: known[embed] for name in names if (embed := _embed_of(name, embeds)) is not None}
    inter_depth = _depth(tensors, "encoder_inter")
    head = None
    if targets:
        head = "attentive" if f"heads.{targets[0]}.reduce.query" in tensors else "linear"
    return Inferred(
        architecture=_architecture(tensors, encoders[0], inter_depth),
        inter_depth=inter_depth,
        encoders=encoders,
        inputs=immutabledict(inputs),
        targets=targets,
        head=head,
    )


def _embed_of(name: str, embeds: Sequence[str]) -> str | None:
    """Returns the embedding of an input: the one of its name, or of what its name begins with (`s1` of `s1_asc`)."""
    return name if name in embeds else next((embed for embed in embeds if name.startswith(f"{embed}_")), None)


def _input(tensors: Mapping[str, np.ndarray], embed: str) -> InferredInput:
    kernels: list[tuple[int, ...]] = []
    while (name := f"patch_embed.{embed}.patchify_bands.{len(kernels)}.conv.weight") in tensors:
        kernels.append(tensors[name].shape)
    return InferredInput(embed, tuple(shape[1] for shape in kernels), kernels[0][-1])


def _architecture(tensors: Mapping[str, np.ndarray], encoder: str, inter_depth: int) -> Architecture:
    width, depth, inner, hidden = _blocks(tensors, f"encoder.{encoder}")
    heads, dim_head = _heads(inner, HEAD_WIDTH)
    sizes = {"embed_dim": width, "depth": depth + inter_depth, "heads": heads, "dim_head": dim_head}
    decoders = _seconds(tensors, "decoder")
    if not decoders:  # of an encoder alone: those of the published model of its size, if there is one
        like = (known for known in ARCHITECTURES.values() if (known.embed_dim, known.depth) == (width, sizes["depth"]))
        return next(like, ARCHITECTURES["base"])
    decoder_width, decoder_depth, decoder_inner, decoder_hidden = _blocks(tensors, f"decoder.{decoders[0]}")
    decoder_heads, decoder_dim_head = _heads(decoder_inner, DECODER_HEAD_WIDTH)
    return Architecture(
        **sizes,
        mlp_ratio=hidden / width,
        decoder_dim=decoder_width,
        decoder_depth=decoder_depth,
        decoder_heads=decoder_heads,
        decoder_dim_head=decoder_dim_head,
        decoder_mlp_ratio=decoder_hidden / width,  # docs/method.md §6
    )


def _blocks(tensors: Mapping[str, np.ndarray], module: str) -> tuple[int, int, int, int]:
    """Returns width, depth, inner width of attention, and hidden width of the MLP of a transformer."""
    inner, width = tensors[f"{module}.layers.0.0.to_qkv.weight"].shape
    hidden = tensors[f"{module}.layers.0.1.net.1.weight"].shape[0]
    return width, _depth(tensors, module), inner // 3, hidden


def _heads(inner: int, usual: int) -> tuple[int, int]:
    """Returns number and width of attention heads."""
    return (inner // usual, usual) if inner % usual == 0 else (1, inner)


def _depth(tensors: Mapping[str, np.ndarray], module: str) -> int:
    depth = 0
    while f"{module}.layers.{depth}.0.to_qkv.weight" in tensors:
        depth += 1
    return depth


def _seconds(tensors: Mapping[str, np.ndarray], first: str) -> tuple[str, ...]:
    """Returns the second parts of the names that begin with `first`."""
    names = (name.split(".") for name in tensors)
    return tuple(dict.fromkeys(parts[1] for parts in names if parts[0] == first and len(parts) > 1))
