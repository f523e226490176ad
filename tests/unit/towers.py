"""Towers with other parameters, for derivatives by differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from glmstat.layers import Embedding, Layer, Tower


def with_flat(tower, flat):
    """The tower with other parameters (P,), in the order of `flat`."""
    assert len(flat) == tower.parameters
    shapes = [given.matrix.shape for given in tower.embeddings]
    for layer in tower.layers:
        shapes += [layer.weights.shape, layer.bias.shape]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    pairs = zip(pairwise(ends), shapes, strict=True)
    parts = iter([flat[a:b].reshape(shape) for (a, b), shape in pairs])
    embeddings = tuple(Embedding(a, b, next(parts)) for a, b, _ in tower.embeddings)
    layers = tuple(Layer(next(parts), next(parts), layer.activation) for layer in tower.layers)
    return Tower(tower.centre, tower.scale, embeddings, layers)
