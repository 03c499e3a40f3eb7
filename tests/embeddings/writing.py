"""Writing files in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmae_jax import spec
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import Source
from mmae_jax.embeddings.storage import Storage
from mmae_jax.embeddings.write import write
from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.work import Share

WHOLE, EXACT = Pooling(), Storage("float32")


def written(
    model: Pretrained,
    source: Source,
    out: Path,
    pooling: Pooling = WHOLE,
    storage: Storage = EXACT,
    share: Share | None = None,
    **changes: Any,
) -> Path:
    """Writes a file, by default with one batch of 3 tiles after the other, in the calling process."""
    options = {"checkpoint": "RUN", "batch_size": 3, "data": spec.Data(workers=0)}
    write(model, source, pooling, storage, out, share=share, **options | changes)
    return out
