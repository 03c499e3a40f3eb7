"""At published sizes, with random weights, tokens are those of the models in PyTorch, where these are installed."""

import dataclasses

import jax
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.baselines.sincos import sincos_square
from tests.baselines import cases

BASE, LARGE = spec.ARCHITECTURES["base"], spec.ARCHITECTURES["large"]
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
HLS = ("B02", "B03", "B04", "B8A", "B11", "B12")
WAVELENGTHS = [0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 0.865, 1.61, 2.19]
AS_THEY_COME = spec.Foundation(mode="published", repaired=("band_order", "s1_wavelength", "day_of_year"))

pytestmark = pytest.mark.slow


def pixels(patches: int, patch: int, dates: int, bands: int) -> np.ndarray:
    side = patches * patch
    return np.random.RandomState(bands).standard_normal((1, dates, bands, side, side)).astype(np.float32)


def features(of, network, samples):
    published = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    model = cases.model(of, published)
    return jax.jit(lambda given: model.encoder.features(given))(samples)


@pytest.mark.parametrize(("encoder", "patches"), [("dinov2", 37), ("dinov2", 16), ("dinov2_sat", 14)])
def test_dinov2(encoder, patches):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    sizes, published = BASE if encoder == "dinov2" else LARGE, spec.FOUNDATION_MODELS[encoder]
    settings = {"hidden_size": sizes.embed_dim, "num_hidden_layers": sizes.depth, "num_attention_heads": sizes.heads}
    side, patch = published.grid * published.patch_size, published.patch_size
    network = transformers.Dinov2Model(transformers.Dinov2Config(image_size=side, patch_size=patch, **settings)).eval()
    image = pixels(patches, patch, 1, 3)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image[:, 0])).last_hidden_state[:, 1:]
    inputs = {"rgb": cases.image(encoder, patches)}
    of = cases.experiment(encoder, inputs, architecture=sizes, date_encoding=False)
    cases.assert_close(features(of, network, cases.samples(of, {"rgb": image}))["rgb"][:, 0], expected.numpy())


def test_dofa():
    torch, models = pytest.importorskip("torch"), pytest.importorskip("torchgeo.models")
    network = models.DOFA(img_size=224, embed_dim=768, depth=12, num_heads=12, global_pool=False).eval()
    network.pos_embed.data[0, 1:] = torch.from_numpy(sincos_square(14, 768).reshape(196, 768))
    tokens, image = [], pixels(14, 16, 1, 10)
    network.norm.register_forward_hook(lambda _module, _inputs, outputs: tokens.append(outputs[:, 1:]))
    with torch.inference_mode():
        network(torch.from_numpy(image[:, 0]), WAVELENGTHS)
    inputs = {"s2": cases.image("dofa", 14, S2)}
    of = cases.experiment("dofa", inputs, architecture=BASE, foundation=AS_THEY_COME, date_encoding=False)
    found = features(of, network, cases.samples(of, {"s2": image}))
    cases.assert_close(found["s2"][:, 0], tokens[0].numpy())


def test_croma():
    torch, models = pytest.importorskip("torch"), pytest.importorskip("torchgeo.models")
    network = models.croma_base().eval()
    optical, radar = pixels(15, 8, 1, 10), pixels(15, 8, 1, 2)
    with torch.inference_mode():
        expected = network(*(torch.from_numpy(one) for one in (radar[:, 0], optical[:, 0][:, [*range(10), 9, 9]])))
    del network.attn_bias
    inputs = {"s2": cases.image("croma", 15, S2), "s1": cases.image("croma", 15, ("VV", "VH"))}
    sizes = {"architecture": dataclasses.replace(BASE, heads=16, dim_head=48), "inter_depth": 6}
    of = cases.experiment("croma", inputs, foundation=spec.Foundation(mode="published"), date_encoding=False, **sizes)
    found = features(of, network, cases.samples(of, {"s2": optical, "s1": radar}))
    cases.assert_close(found["s1"][:, 0], expected["sar_encodings"].numpy())
    cases.assert_close(found["s2"][:, 0], expected["optical_encodings"].numpy())
    cases.assert_close(found["s2"][:, 1], expected["joint_encodings"].numpy())


def test_prithvi():
    torch = pytest.importorskip("torch")
    prithvi = pytest.importorskip("terratorch.models.backbones.prithvi_mae")
    encodings = {"coords_encoding": ["time", "location"], "coords_scale_learn": True}
    network = prithvi.PrithviViT(num_frames=4, in_chans=6, **encodings).eval()
    image, dates = pixels(14, 16, 4, 6), np.array([[[2019, day, 0] for day in (10, 100, 190, 280)]], np.int16)
    with torch.inference_mode():
        series, when = torch.from_numpy(image.transpose(0, 2, 1, 3, 4).copy()), torch.from_numpy(dates[..., :2]).float()
        expected = network.forward_features(series, when)[-1][:, 1:]
    of = cases.experiment(
        "prithvi", {"s2": cases.image("prithvi", 14, HLS, 4)}, architecture=LARGE, foundation=AS_THEY_COME
    )
    found = features(of, network, cases.samples(of, {"s2": image}, dates))["s2"]
    cases.assert_close(found.reshape(1, -1, 1024), expected.numpy())
