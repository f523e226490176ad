"""A trainer without torch: random tanh units that nobody trains, with an exact ridge fit on top."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from glmstat.layers import Layer, Tower
from glmstat.neural.problem import Trained

WIDTH = 12
RIDGE = 1e-3


class StandIn:
    """Trains nothing but the output layer, and remembers what it was asked."""

    def __init__(self, width=WIDTH, spread=1.0):
        self.width, self.spread, self.asked = width, spread, []

    def __call__(self, problem, members, training, control, *, progress=None):
        self.asked.append((problem, members))
        return tuple(self.one(problem, member) for member in members)

    def one(self, problem, member):
        weights = problem.weights * (1.0 if member.weights is None else member.weights)
        rng = np.random.default_rng(member.seed)
        towers = tuple(
            self.tower(problem.X[weights > 0][:, inputs.slots], rng) for inputs in problem.networks
        )
        hidden = [
            tower.features(problem.X[:, inputs.slots])
            for tower, inputs in zip(towers, problem.networks, strict=True)
        ]
        X = np.column_stack([problem.X[:, problem.linear], *hidden])
        p = len(problem.linear)
        ridge = np.diag([0.0] * p + [RIDGE] * (X.shape[1] - p))
        theta = np.column_stack(
            [ascend(problem, X, y, weights, ridge, member.start[:, j]) for j, y in enumerate(problem.y.T)]
        )
        ends = np.cumsum([p, *(part.shape[1] for part in hidden)])
        output = tuple(theta[a:b] for a, b in pairwise(ends))
        ones = np.ones(problem.outputs)
        eta = X @ theta + problem.offset[:, None]
        return Trained(theta[:p], towers, output, eta, {}, ones, ones, (member.prior,) * len(towers))

    def tower(self, inputs, rng):
        centre, scale = inputs.mean(0), inputs.std(0)
        W = rng.normal(size=(inputs.shape[1], self.width)) * self.spread
        return Tower(centre, scale, (), (Layer(W, rng.normal(size=self.width), "tanh"),))


def ascend(problem, X, y, weights, ridge, start):
    """Ridge regression by scoring, from the linear start."""
    theta = np.zeros(X.shape[1])
    theta[: len(start)] = np.nan_to_num(start)
    for _ in range(40):
        eta = X @ theta + problem.offset
        rows = problem.likelihood.rows(y, eta[:, None], weights, information="expected")
        w = rows.expected[:, 0, 0]
        step = np.linalg.lstsq(
            X.T @ (w[:, None] * X) + ridge, X.T @ rows.gradient[:, 0] - ridge @ theta, rcond=1e-12
        )[0]
        theta = theta + step / max(1.0, np.abs(X @ step).max())
        if np.abs(step).max() < 1e-10:
            break
    return theta
