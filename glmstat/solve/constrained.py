"""Maxima on the edge of the domain: an interior point method whose barrier is one more sum over rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Sums
from glmstat.estimate import Separated
from glmstat.matrix import Array, Block
from glmstat.solve.linear import factor, positive_direction
from glmstat.solve.sample import choose_rows
from glmstat.workspace import Run, Workspace

__all__ = ["Interior", "climb_inside"]

STEPS = 200
SHRINK = (100.0, 10.0, 3.0)


@dataclass(frozen=True, eq=False)
class Interior:
    """The end of the path: coefficients, and the rows whose mean lies at its bound.

    `held` (m, q) spans the directions that those rows hold; `settled` says that the gap test was met.
    """

    gamma: Array
    active: Separated
    held: Array
    settled: bool
    iterations: int


class _Barrier(NamedTuple):
    """Sum of log(slack), its gradient and information, number of edges, least slack."""

    value: float
    score: Array
    information: Array
    edges: int

    def __add__(self, other: _Barrier) -> _Barrier:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Barrier(
            self.value + other.value,
            self.score + other.score,
            self.information + other.information,
            self.edges + other.edges,
        )


def climb_inside(workspace: Workspace, gamma: Array) -> Interior:
    """Return the maximum over the closed domain, reached from gamma well inside it.

    Maximises objective + tau Σ log(slack) for ever smaller tau until tau times the number of edges is
    below 1e-13 of the deviance: a bound on what is left. The path is walked in smaller strides where
    the wide ones lose it.

    Source: Nocedal & Wright (2006), chapter 19.
    """
    found = _walk(workspace, gamma, SHRINK[0])
    for shrink in SHRINK[1:]:
        if found.settled:
            break
        again = _walk(workspace, gamma, shrink)
        found = replace(again, iterations=found.iterations + again.iterations)
    return found


def _walk(workspace: Workspace, gamma: Array, shrink: float) -> Interior:
    tau, steps, settled = 0.1, 0, False
    reach = workspace.extremes(gamma, np.zeros_like(gamma), "none").eta
    sums, barrier = _sums(workspace, gamma), _barrier(workspace, gamma)
    while steps < STEPS:
        gamma, sums, barrier, used = _centre(workspace, gamma, sums, barrier, tau, STEPS - steps)
        steps += used
        if tau * max(barrier.edges, 1) < 1e-13 * (1.0 + abs(sums.objective)):
            settled = True
            break
        tau /= shrink
    active, held = _active(workspace, gamma, tau, reach)
    return Interior(gamma, active, held, settled, steps)


def _sums(workspace: Workspace, gamma: Array) -> Sums:
    return workspace.pass_(gamma, "both")


def _centre(
    workspace: Workspace, gamma: Array, sums: Sums, barrier: _Barrier, tau: float, limit: int
) -> tuple[Array, Sums, _Barrier, int]:
    """Newton steps at one tau."""
    for used in range(limit):
        score = sums.score + tau * barrier.score
        delta = _step(workspace, sums, tau * barrier.information, score)
        gain = float(score @ delta)
        if not gain > max(1e-3 * tau, 1e-15 * sums.magnitude):
            return gamma, sums, barrier, used
        step = min(1.0, 0.995 * workspace.extremes(gamma, delta, "none").room)
        target = sums.objective + tau * barrier.value
        for _ in range(50):
            there = gamma + step * delta
            new, fence = _sums(workspace, there), _barrier(workspace, there)
            value = new.objective + tau * fence.value
            if new.finite and np.isfinite(value) and value >= target + 1e-4 * step * gain:
                break
            step *= 0.5
        else:
            return gamma, sums, barrier, used + 1
        gamma, sums, barrier = there, new, fence
    return gamma, sums, barrier, limit


def _step(workspace: Workspace, sums: Sums, information: Array, score: Array) -> Array:
    assert sums.expected is not None and sums.observed is not None
    if workspace.likelihood.concave and workspace.concave:
        newton = factor(sums.observed + information)
        if newton is not None:
            return newton.solve(score)
    found = positive_direction(sums.expected + information, sums.observed + information, score)
    return np.zeros_like(score) if found is None else found[0]


def _slacks(workspace: Workspace, run: Run) -> tuple[Array, Array]:
    edges = workspace.likelihood.slack(run.eta)
    assert edges is not None
    low, high = (np.where(run.weights > 0, np.ravel(edge), np.inf) for edge in edges)
    return low, high


def _barrier(workspace: Workspace, gamma: Array) -> _Barrier:
    def kernel(block: Block) -> _Barrier:
        total = _Barrier(0.0, np.zeros(workspace.size), np.zeros((workspace.size, workspace.size)), 0)
        with np.errstate(all="ignore"):
            for run in workspace.runs(block, gamma):
                for slack, sign in zip(_slacks(workspace, run), (1.0, -1.0), strict=True):
                    near = np.isfinite(slack)
                    slack, columns = slack[near], run.columns[:, near]
                    total = total + _Barrier(
                        float(np.log(slack).sum()),
                        sign * (columns @ (1.0 / slack)),
                        (columns / np.square(slack)) @ columns.T,
                        int(near.sum()),
                    )
        return total

    return workspace.frame.reduce(kernel)


def _active(workspace: Workspace, gamma: Array, tau: float, reach: float) -> tuple[Separated, Array]:
    """Rows whose slack is small beside its multiplier tau / slack, or beside the predictors at the start."""

    def at_bound(run: Run) -> NDArray[np.bool]:
        slack = np.minimum(*_slacks(workspace, run))
        return (np.square(slack) < 1e-4 * tau) | (slack < 1e-6 * reach)

    def kernel(block: Block) -> Separated:
        found = Separated()
        for run in workspace.runs(block, gamma):
            places = run.rows.start + np.flatnonzero(at_bound(run))
            found = found + Separated.named(block.source_rows(places))
        return found

    def rule(block: Block, rows: slice, columns: Array, weights: Array) -> tuple[Array, Array]:
        eta = (gamma @ columns + block.offset[rows, 0])[:, None]
        places = at_bound(Run(rows, columns, eta, block.y[rows], weights))
        return places.astype(np.float64), np.zeros(len(places))

    active = workspace.frame.reduce(kernel)
    if not active.count:
        return active, np.zeros((0, workspace.size))
    return active, choose_rows(workspace, rule, 50 * max(workspace.size, 1)).rows
