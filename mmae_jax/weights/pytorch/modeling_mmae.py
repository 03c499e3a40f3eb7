"""A masked autoencoder of Earth observation, in PyTorch alone: this file, `config.json` and `model.safetensors`.

    model = Model.from_pretrained(folder)
    tokens = model.encode(samples)             # input → [B, T, L, E]
    logits = model.predict(samples)            # target → [B, outputs] or [B, H, W, outputs]
    images = model.reconstruct(samples, 0)     # input → [B, D, C, S, S]; 0 seeds which tokens are hidden

`samples` holds raw values as sensors give them, in tensors or numpy arrays: nothing cast, scaled or resized yet.

    {"inputs": {"s2": [B, D, C, h, w]},        # B samples, D dates, C bands in the order of `config.json`
     "dates": {"s2": [B, D, 3]},               # year, day of year, hour
     "ref_date": [B, 3],                       # the date from which distances in time are measured
     "valid": {"s2": [B, D]},                  # optional: which dates are there
     "base": {"s2": [B]}}                      # of an input with a `quantum`: values are base + quantum · stored

A missing sensor is left out, or not valid. Missing pixels are NaN or `nodata`; a date without pixels is missing.
Shapes: T = band groups · dates, the tokens at one place; L = places, row by row; N = tokens of a sequence; E = width.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Tensors = dict[str, Tensor]
POOLING_HEADS, DATE_CHANNELS = 8, 8
NUMBERS = {f"{kind}{bits}": f"{name}{bits}" for kind, name in (("U", "uint"), ("I", "int")) for bits in (8, 16, 32, 64)}
NUMBERS |= {"BOOL": "bool", "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}


class Input(NamedTuple):
    """How the model sees a sensor: one of the `inputs` of `config.json`."""

    bands: list[list[str]]  # groups of bands: each is a token of its own
    side: int  # pixels of a raw image along each side …
    image_size: int  # … and once it is resized
    patch_size: int  # pixels of a patch along each side …
    grid: int  # … and patches of an image
    num_dates: int  # the most dates of a sample
    log_scale: bool  # whether the logarithm of values is taken
    mean: list[float]  # of each band, subtracted from its values (or their logarithm) …
    std: list[float]  # … before they are divided by this
    rescale_elev: bool  # the bands are surface and terrain; the second becomes 30 times their difference
    nodata: float | None  # value of a missing pixel
    quantum: float | None  # see `base` above
    embed: str  # inputs of one name share the embedding of patches
    sequence: str  # inputs of one name attend to each other


class Samples(NamedTuple):
    """What `Model.prepare` makes of raw samples."""

    patches: Tensors  # input → embedded patches [B, T, L, E]
    there: Tensors  # input → bool [B, T, L], which tokens are there: those of dates that are
    dates: Tensors  # input → float32 [B, D, 3]
    ref_date: Tensor  # float32 [B, 3]


class Transformer(nn.Module):
    """Blocks of self-attention and a perceptron, each added to what it is given; a norm."""

    def __init__(self, width: int, depth: int, heads: int, dim_head: int, hidden: int) -> None:
        super().__init__()
        self.heads, inner, self.norm = heads, heads * dim_head, nn.LayerNorm(width)
        self.layers: Any = nn.ModuleList()
        for _ in range(depth):
            out = nn.Identity() if heads == 1 and dim_head == width else nn.Sequential(nn.Linear(inner, width))
            qkv = nn.Linear(width, 3 * inner, bias=False)
            attention = nn.ModuleDict({"norm": nn.LayerNorm(width), "to_qkv": qkv, "to_out": out})
            up, down = nn.Linear(width, hidden), nn.Linear(hidden, width)
            net = nn.Sequential(nn.LayerNorm(width), up, nn.GELU(), nn.Identity(), down)  # the fourth for names alone
            self.layers.append(nn.ModuleList([attention, nn.ModuleDict({"net": net})]))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Maps tokens [B, N, E]; none attends to one that is not `valid`, bool [B, N], unless there is no other."""
        there = (valid | ~valid.any(dim=1, keepdim=True))[:, None, None]
        mask = there if torch.compiler.is_compiling() or not there.all() else None  # faster
        dtype, x = x.dtype, x.float()  # in which blocks are added up
        for attention, perceptron in self.layers:
            qkv = attention["to_qkv"](attention["norm"](x.to(dtype))).unflatten(-1, (3, self.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            x = x + attention["to_out"](F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))
            x = x + perceptron["net"](x.to(dtype))
        return self.norm(x.to(dtype))


class PatchEmbedding(nn.Module):
    """Embeds the patches of each group of bands; the norm is over all patches of an image."""

    def __init__(self, spec: Input, width: int) -> None:
        super().__init__()
        self.lengths, size = [len(group) for group in spec.bands], spec.patch_size
        groups = [{"conv": nn.Conv2d(n, width, size, size), "norm": nn.GroupNorm(1, width)} for n in self.lengths]
        self.patchify_bands: Any = nn.ModuleList(map(nn.ModuleDict, groups))

    def forward(self, pixels: Tensor) -> Tensor:
        """Maps images [B, D, C, S, S] to tokens [B, T, L, E], all dates of the first group first."""
        images = pixels.to(self.patchify_bands[0]["conv"].weight.dtype).flatten(0, 1).split(self.lengths, dim=1)
        maps = [group["norm"](group["conv"](x)) for group, x in zip(self.patchify_bands, images, strict=True)]
        return torch.cat([x.flatten(2).transpose(1, 2).unflatten(0, (-1, pixels.shape[1])) for x in maps], dim=1)


class PixelProjection(nn.Module):
    """Projects decoded tokens to the pixels of their patches, by a 1 × 1 convolution: a linear map of the last axis."""

    def __init__(self, spec: Input, width: int) -> None:
        super().__init__()
        self.patch, self.grid = spec.patch_size, spec.grid
        groups = [{"conv": nn.Conv2d(width, self.patch**2 * len(group), 1)} for group in spec.bands]
        self.pixelify_bands: Any = nn.ModuleList(map(nn.ModuleDict, groups))

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens [B, T, L, E] to images, float32 [B, D, C, S, S]."""
        parts = zip(self.pixelify_bands, tokens.chunk(len(self.pixelify_bands), dim=1), strict=True)
        pixels = [F.linear(x, group["conv"].weight.flatten(1), group["conv"].bias) for group, x in parts]
        cut = [x.unflatten(-1, (self.patch, self.patch, -1)) for x in pixels]
        placed = torch.cat(cut, dim=-1).unflatten(2, (self.grid, self.grid))
        return placed.permute(0, 1, 6, 2, 4, 3, 5).flatten(5).flatten(3, 4).float()


class AttentivePooling(nn.Module):
    """Pools tokens by one learned query."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.to_kv = nn.Parameter(torch.empty(width)), nn.Linear(width, 2 * width, bias=False)
        self.norm, self.norm_fc = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Maps tokens [B, N, E] that are `valid`, bool [B, N], to [B, E]; the one query allows to map after pooling."""
        keys, values = self.to_kv.weight.unflatten(0, (2, POOLING_HEADS, -1))  # each [heads, E / heads, E]
        query = self.query.unflatten(0, (POOLING_HEADS, -1)) / math.sqrt(keys.shape[1])
        tokens = self.norm(tokens)
        scores = (tokens @ torch.einsum("hd,hde->eh", query, keys)).float()
        weights = scores.masked_fill(~valid[..., None], torch.finfo(torch.float32).min).softmax(dim=1)
        pooled = weights.to(tokens.dtype).transpose(1, 2) @ tokens
        return self.norm_fc(torch.einsum("bhe,hde->bhd", pooled, values).flatten(1))


class Head(nn.Module):
    """Pools tokens, and maps what is pooled to the outputs of a target: of a tile, or of the pixels of a patch."""

    def __init__(self, kind: str, width: int, outputs: int, patch: int | None) -> None:
        super().__init__()
        self.patch, self.reduce = patch, AttentivePooling(width) if kind == "attentive" else None
        self.linear = nn.Linear(width, outputs) if patch is None else None
        self.conv = nn.Conv2d(width, patch**2 * outputs, 1) if patch is not None else None

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Maps tokens [B, N, E], of which some are `valid`, bool [B, N], to float32 [B, outputs]."""
        if self.reduce is not None:
            pooled = self.reduce(tokens, valid)
        else:
            pooled = (tokens.float() * valid[..., None]).sum(dim=1) / valid.sum(dim=1, keepdim=True).clamp(min=1)
        last: Any = self.linear or self.conv
        return F.linear(pooled.to(tokens.dtype), last.weight.flatten(1), last.bias).float()

    def image(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Maps tokens [B, T, L, E], of which some are `valid`, bool [B, T], to float32 [B, H, W, outputs]."""
        length, grid = tokens.shape[2], math.isqrt(tokens.shape[2])
        places = self(tokens.transpose(1, 2).flatten(0, 1), valid[:, None].expand(-1, length, -1).flatten(0, 1))
        pixels = places.unflatten(1, (self.patch, self.patch, -1)).unflatten(0, (-1, grid, grid))
        return pixels.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class Model(nn.Module):
    """Encoder, decoder and heads: those of them that `parts` of `config.json` names."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config, inputs = config, {name: Input(**fields) for name, fields in config["inputs"].items()}
        # Whether each date and band group is a sequence of its own, and which weights a sequence runs through.
        self.apart, shared = config["fusion"] in ("shared", "monotemp"), config["fusion"] == "shared"
        self.inputs, self.weights = inputs, {x.sequence: "shared" if shared else x.sequence for x in inputs.values()}
        keys, embeds = list(dict.fromkeys(self.weights.values())), {x.embed: x for x in inputs.values()}
        sizes, inter, side = config["architecture"], config["inter_depth"], config["grid_pos_enc"]
        width, decoded, depth = sizes["embed_dim"], sizes["decoder_dim"], sizes["decoder_depth"]
        self.places = {(x.grid, w): place_encoding(side, x.grid, w) for x in inputs.values() for w in (width, decoded)}
        shape = sizes["heads"], sizes["dim_head"], round(width * sizes["mlp_ratio"])
        self.patch_embed = nn.ModuleDict({name: PatchEmbedding(spec, width) for name, spec in embeds.items()})
        self.encoder = nn.ModuleDict({key: Transformer(width, sizes["depth"] - inter, *shape) for key in keys})
        self.encoder_inter = Transformer(width, inter, *shape) if inter else None
        if "decoder" in config["parts"]:
            shape = sizes["decoder_heads"], sizes["decoder_dim_head"], round(width * sizes["decoder_mlp_ratio"])
            self.enc_to_dec = nn.ModuleDict({key: nn.Linear(width, decoded) for key in keys if width != decoded})
            shapes = {name: (1, len(spec.bands), 1, 1, decoded) for name, spec in inputs.items()}
            self.mask_token = nn.ParameterDict({name: torch.empty(size) for name, size in shapes.items()})
            self.decoder = nn.ModuleDict({key: Transformer(decoded, depth, *shape) for key in keys})
            self.embed_to_rec = nn.ModuleDict({name: PixelProjection(spec, decoded) for name, spec in embeds.items()})
        self.heads: Any = nn.ModuleDict({n: Head(config["head"], width, **x) for n, x in config["targets"].items()})

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype | None = None) -> Model:
        """Returns the model in a folder, in the mode of inference; its numbers are of `dtype` if that is given."""
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        tensors = read_tensors(Path(folder) / "model.safetensors", config["sha256"]["model.safetensors"])
        with torch.device("meta"):
            model = cls(config)
        model.load_state_dict(tensors, assign=True)
        return model.to(dtype or getattr(torch, config["dtype"])).eval()

    def encode(self, samples: Mapping[str, Any] | Samples) -> Tensors:
        """Returns the encoded tokens: input → [B, T, L, E], all dates of its first band group first; 0 if missing."""
        given = samples if isinstance(samples, Samples) else self.prepare(samples)
        encoded = self._split(self._encode(self._placed(given.patches, given), self._join(given.there)), given)
        return {name: x.masked_fill(~given.there[name][..., None], 0) for name, x in encoded.items()}

    forward = encode

    def predict(self, samples: Mapping[str, Any]) -> Tensors:
        """Returns the outputs: target → float32 [B, outputs], or [B, H, W, outputs] where each pixel has some."""
        if not self.heads:
            raise ValueError("predict: the weights were exported without heads")
        given, outputs = self.prepare(samples), {}
        tokens = self.encode(given)
        for name, head in self.heads.items():
            if head.patch is None:
                xs, valid = [x.flatten(1, 2) for x in tokens.values()], [x.flatten(1) for x in given.there.values()]
                outputs[name] = head(torch.cat(xs, dim=1), torch.cat(valid, dim=1))
            else:
                grid = self.inputs[self.config["ref_input"]].grid
                xs, valid = [on_grid(x, grid) for x in tokens.values()], [x[:, :, 0] for x in given.there.values()]
                outputs[name] = head.image(torch.cat(xs, dim=1), torch.cat(valid, dim=1))
        return outputs

    def reconstruct(self, samples: Mapping[str, Any], masks: Mapping[str, Any] | int) -> Tensors:
        """Hides tokens, and returns what the model makes of the others: input → float32 [B, D, C, S, S].

        `masks` are bool [B, T, L] by input, True where a token is hidden, or the seed by which they are drawn. With a
        training `loss` that ends in `_norm`, values are standard deviations from the mean of their patch.
        """
        given = self.prepare(samples)
        drawn = self.draw_masks(given, masks) if isinstance(masks, int) else masks
        there = self._join(given.there)
        visible = self._join({name: x & ~torch.as_tensor(drawn[name]).to(x.device) for name, x in given.there.items()})
        # Only visible tokens are encoded; samples that have fewer of them are filled up with others.
        most = {key: max(int(x.sum(dim=1).max()), 1) for key, x in visible.items()}
        order = {key: (~x).byte().argsort(dim=1, stable=True)[:, : most[key]] for key, x in visible.items()}
        patches = self._placed(given.patches, given).items()
        kept = {key: x.take_along_dim(order[key][..., None], dim=1) for key, x in patches}
        encoded = self._encode(kept, {key: x.gather(1, order[key]) for key, x in visible.items()})
        fillers = {}
        for name, (batch, _, length) in ((name, x.shape) for name, x in given.there.items()):
            token, dates = self.mask_token[name], given.dates[name].shape[1]
            fillers[name] = token.expand(batch, -1, dates, length, -1).flatten(1, 2)
        tokens = self._join(fillers)
        for key, x in encoded.items():
            x = self.enc_to_dec[self.weights[key]](x) if self.enc_to_dec else x
            place = (visible[key].cumsum(dim=1) - 1).clamp(min=0)[..., None]
            tokens[key] = torch.where(visible[key][..., None], x.take_along_dim(place, dim=1), tokens[key])
        placed = self._placed(self._split(tokens, given), given)
        decoded = self._split({key: self.decoder[self.weights[key]](x, there[key]) for key, x in placed.items()}, given)
        images = {name: self.embed_to_rec[self.inputs[name].embed](x) for name, x in decoded.items()}
        return {name: x * given.there[name][:, : x.shape[1], :1, None, None] for name, x in images.items()}

    def draw_masks(self, given: Samples, seed: int) -> Tensors:
        """Hides the share `mask_ratio` of each sequence of prepared samples: input → bool [B, T, L]."""
        random, masks = torch.Generator().manual_seed(seed), {}
        for key, there in self._join(given.there).items():
            noise = torch.rand(there.shape, generator=random).to(there.device).masked_fill(~there, 2)
            count = (self.config["mask_ratio"] * there.sum(dim=1, keepdim=True)).round()
            masks[key] = there & (noise.argsort(dim=1).argsort(dim=1) < count)
        return self._split(masks, given)

    def prepare(self, samples: Mapping[str, Any]) -> Samples:
        """Returns raw samples as the model sees them; raises a `ValueError` that names what is wrong with an input."""
        device, given = next(self.parameters()).device, samples["inputs"]
        if not given or not given.keys() <= self.inputs.keys():
            raise ValueError(f"inputs: expected some of {[*self.inputs]}, found {[*given]}")
        prepared = Samples({}, {}, {}, torch.as_tensor(samples["ref_date"], device=device).float())
        for name, spec in ((name, self.inputs[name]) for name in self.inputs if name in given):
            parts = [part for part in ("inputs", "dates", "base", "valid") if name in samples.get(part, ())]
            of = {part: torch.as_tensor(samples[part][name], device=device) for part in parts}
            expected, shape = [sum(map(len, spec.bands)), spec.side, spec.side], list(of["inputs"].shape)
            complete = "dates" in of and (spec.quantum is None or "base" in of)
            if not complete or shape[2:] != expected or not 0 < shape[1] <= spec.num_dates:
                raise ValueError(f"{name}: expected dates and inputs {spec}, found {parts} of {shape}")
            values, dates = filled(of["inputs"], spec.nodata, of.get("valid"))
            if spec.quantum is not None:
                values = of["base"][:, None, None, None, None].float() + spec.quantum * values
            values = values.clamp(min=1e-10).log() if spec.log_scale else values
            mean, std = (torch.tensor(x, device=device)[:, None, None] for x in (spec.mean, spec.std))
            images = resized(((values - mean) / std).flatten(0, 1), spec.image_size, self.config["interpolate"])
            if spec.rescale_elev:
                images = torch.cat([images[:, :1], 30 * (images[:, :1] - images[:, 1:])], dim=1)
            prepared.patches[name] = self.patch_embed[spec.embed](images.unflatten(0, (-1, shape[1])))
            prepared.dates[name] = of["dates"].float()
            prepared.there[name] = dates.repeat(1, len(spec.bands))[..., None].expand(-1, -1, spec.grid**2)
        return prepared

    def _placed(self, tokens: Tensors, given: Samples) -> Tensors:
        """Adds the encodings of place and date to tokens by input, and joins them to sequences."""
        placed = {}
        for name, x in tokens.items():
            spec, width = self.inputs[name], x.shape[-1]
            encoding = self.places[spec.grid, width].to(x.device)[None, None]
            if self.config["date_encoding"]:
                (year, day, hour), (ref_year, ref_day, _) = given.dates[name].unbind(-1), given.ref_date.unbind(-1)
                distance = (year - ref_year[:, None]) + (day - ref_day[:, None]) / 365.25  # other orders lose digits
                in_year, in_day = 2 * math.pi * day / 365.25, 2 * math.pi * hour / 24
                dates = [*[distance] * 4, in_year.sin(), in_year.cos(), in_day.sin(), in_day.cos()]
                channels = F.pad(torch.stack(dates, dim=-1), (width - DATE_CHANNELS, 0))
                encoding = encoding + channels.repeat(1, len(spec.bands), 1)[:, :, None]
            placed[name] = x + encoding.to(x.dtype)
        return self._join(placed)

    def _encode(self, sequences: Tensors, valid: Tensors) -> Tensors:
        """Runs the encoder of each sequence, then the blocks in which all sequences attend to each other."""
        encoded = {key: self.encoder[self.weights[key]](x, valid[key]) for key, x in sequences.items()}
        if self.encoder_inter is None:
            return encoded
        together, there = (torch.cat([arrays[key] for key in encoded], dim=1) for arrays in (encoded, valid))
        joint = self.encoder_inter(together, there).split([x.shape[1] for x in encoded.values()], dim=1)
        return dict(zip(encoded, joint, strict=True))

    def _join(self, arrays: Tensors) -> Tensors:
        """Returns sequence → [B, N, …] of input → [B, T, L, …]; [B · T, L, …] where dates are apart."""
        parts: dict[str, list[Tensor]] = {}
        for name, x in arrays.items():
            parts.setdefault(self.inputs[name].sequence, []).append(x.flatten(0, 1) if self.apart else x.flatten(1, 2))
        return {key: torch.cat(xs, dim=1) for key, xs in parts.items()}

    def _split(self, sequences: Tensors, given: Samples) -> Tensors:
        """Returns what `_join` was given."""
        rest, arrays = dict(sequences), {}
        for name, there in given.there.items():
            key, (_, tokens, length) = self.inputs[name].sequence, there.shape
            part, rest[key] = rest[key].tensor_split([length if self.apart else tokens * length], dim=1)
            arrays[name] = part.reshape(-1, tokens, length, *part.shape[2:])
        return arrays


def filled(stored: Tensor, nodata: float | None, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Fills missing values of [B, D, C, h, w] with the median of their band and date, or 0 where there is none.

    Returns float32 values, and which dates [B, D] are there: `valid` [B, D, …] somewhere, with a pixel of all bands.
    """
    missing = ~stored.float().isfinite() | (stored.float() == (math.nan if nodata is None else nodata))
    there = (~missing.any(dim=2)).flatten(2).any(dim=2)
    if valid is not None:
        there &= valid.bool().flatten(2).any(dim=2) if valid.dim() > 2 else valid.bool()
    values = stored.float().masked_fill(missing, 0)
    holes = [] if torch.compiler.is_compiling() else missing.flatten(2).any(dim=2).nonzero().tolist()
    for sample, date in holes:  # which a compiled program does not look for
        gone = missing[sample, date]
        median = stored[sample, date].double().masked_fill(gone, math.nan).flatten(1).nanquantile(0.5, dim=1)
        median = median.nan_to_num().to(stored.dtype).float()  # rounded as what is stored
        values[sample, date] = torch.where(gone, median[:, None, None], values[sample, date])
    return values, there


def resized(images: Tensor, size: int, mode: str) -> Tensor:
    """Resizes images [B, C, h, h] by `nearest`, `bilinear` or `bicubic`, without antialiasing."""
    if images.shape[-1] == size:
        return images
    if mode == "nearest":
        source = torch.arange(size, device=images.device) * images.shape[-1] // size
        return images[..., source, :][..., source]
    return F.interpolate(images, size=(size, size), mode=mode, align_corners=False)


def on_grid(tokens: Tensor, grid: int) -> Tensor:
    """Resizes tokens [B, T, L, E] to another grid of places, [B, T, grid², E]."""
    images = tokens.flatten(0, 1).unflatten(1, (math.isqrt(tokens.shape[2]), -1)).permute(0, 3, 1, 2)
    return resized(images, grid, "bilinear").flatten(2).transpose(1, 2).unflatten(0, (-1, tokens.shape[1]))


def place_encoding(side: int, grid: int, width: int) -> Tensor:
    """Returns sines and cosines of columns and rows, float32 [grid², width], from a grid of `side`² for all inputs."""
    waves = 10_000.0 ** -torch.linspace(0, 1, (width - DATE_CHANNELS) // 4, dtype=torch.float64, device="cpu")
    angles = torch.arange(side, dtype=torch.float64, device="cpu")[:, None] * waves
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    if side % grid:
        line = F.interpolate(line.T[None], size=grid * round(side / grid), mode="linear")[0].T
    line = line.unflatten(0, (grid, -1)).mean(dim=1)
    return F.pad(torch.cat([line.repeat(grid, 1), line.repeat_interleave(grid, 0)], dim=1), (0, DATE_CHANNELS)).float()


def read_tensors(file: Path, sha256: str) -> Tensors:
    """Returns the tensors of a `.safetensors` file: length of a header, header, numbers; checks its checksum first."""
    with file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"{file}: changed since it was exported: expected SHA-256 {sha256}, found {found}")
    start, tensors = 8 + int.from_bytes(content[:8], "little"), {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            shape, dtype = entry["shape"], getattr(torch, NUMBERS[entry["dtype"]])
            numbers = memoryview(content)[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]
            tensors[name] = torch.frombuffer(numbers, dtype=dtype).view(shape)
    return tensors
