"""`knn`: what the nearest training vectors have."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mmae_jax.evaluate.protocols.protocol import Fitted, Labelled, Protocol
from mmae_jax.evaluate.protocols.rows import FittedRows, Rows, pixels_per_patch, rows_of
from mmae_jax.spec import Target

LEAST_SHARE = 1e-12
"""Share of the votes that a class without any has, so that its logarithm is a number."""

CHUNK = 2_000
"""Vectors whose neighbours are looked up at once."""


@dataclasses.dataclass(frozen=True)
class NearestNeighbours(Protocol):
    """Votes of the nearest training vectors; nothing is chosen.

    Attributes:
      neighbours: how many vote.
      temperature: None: all votes count the same, and near is a small L2 distance. Else near is a large cosine, and a
        vote counts exp(cosine / temperature).
    """

    name = "knn"
    neighbours: int
    temperature: float | None = None

    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Keeps the training vectors."""
        from sklearn.neighbors import NearestNeighbors  # a second to import

        rows = rows_of(target, train, seed)
        number = min(self.neighbours, len(rows.vectors))
        search = NearestNeighbors(n_neighbors=number, algorithm="brute").fit(self._scaled(rows.vectors))

        def predict(vectors: np.ndarray) -> np.ndarray:
            parts = [np.zeros((0, target.num_classes or 1), np.float32)]
            for start in range(0, len(vectors), CHUNK):
                distance, index = search.kneighbors(self._scaled(vectors[start : start + CHUNK]))
                parts.append(voted(target, rows, self._weights(distance), index))
            return np.concatenate(parts)

        chosen: dict[str, Any] = {"neighbours": number, "metric": "l2" if self.temperature is None else "cosine"}
        chosen |= {} if self.temperature is None else {"temperature": self.temperature}
        return FittedRows(chosen, predict, pixels_per_patch(train) if target.is_raster else None)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        """Returns vectors whose L2 distance tells what is near."""
        if self.temperature is None:
            return vectors
        return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-8)

    def _weights(self, distance: np.ndarray) -> np.ndarray:
        if self.temperature is None:
            return np.ones_like(distance)
        # of vectors of length 1, cosine = 1 − distance² / 2
        return np.exp((1 - distance.astype(np.float64) ** 2 / 2) / self.temperature)


def voted(target: Target, rows: Rows, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns the outputs of votes, float32 `[Q, outputs]`.

    Args:
      target: what is voted on.
      rows: the training rows.
      weights: float `[Q, k]`, what the vote of each neighbour counts.
      index: int `[Q, k]`, the rows of the neighbours.

    Returns:
      Logarithms of the shares of classes; log odds of each class where classes do not exclude each other; the weighted
      mean of numbers.
    """
    votes, total = rows.targets[index], weights.sum(axis=1, keepdims=True)
    if not target.classes:
        return ((weights * votes).sum(axis=1, keepdims=True) / total).astype(np.float32)
    values = (0, 1) if target.kind == "multilabel" else range(target.num_classes)
    counts = [np.einsum("qk,qk...->q...", weights, votes == value) for value in values]
    shares = [np.log(np.maximum(count / total.reshape(-1, *(1,) * (count.ndim - 1)), LEAST_SHARE)) for count in counts]
    outputs = shares[1] - shares[0] if target.kind == "multilabel" else np.stack(shares, axis=1)
    return outputs.astype(np.float32)
