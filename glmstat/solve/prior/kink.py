"""Modes under laplace priors: which coefficients stay at their location, by the optimality conditions.

At a mode a coefficient lies at the kink of its prior where the score of everything else is within
phi / scale, and else the score of everything is 0. Newton steps of the objective with the kinks find out
which; the mode is then that of a smooth posterior in the other coefficients, and is checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glmstat.compute import Counts
from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.matrix import Array, IntArray
from glmstat.solve.linear import factor
from glmstat.solve.maximum import Maximum, maximise
from glmstat.solve.newton import ARMIJO, ascend
from glmstat.solve.prior.workspace import Posterior
from glmstat.solve.start import Start, inside, start_at

__all__ = ["Kinks", "climb_kinks", "kinks_of"]

ROUNDS = 60
SWEEPS = 20_000
SLACK = 1e-8  # share of phi / scale by which rounding may exceed it


@dataclass(frozen=True, eq=False)
class Kinks:
    """Coefficients with a laplace prior, those at the kink being 0.

    Parameters
    ----------
    priors : their places among the priors (k,).
    places : their places among the columns in use (k,).
    bound : phi / scale of each (k,), in the units of gamma.
    signs : of the coefficient in the value that has the prior (k,).
    """

    priors: IntArray
    places: IntArray
    bound: Array
    signs: Array


def kinks_of(posterior: Posterior) -> Kinks:
    """Return the coefficients with a laplace prior.

    Raises
    ------
    ArgumentError : a laplace prior of a combination of coefficients.
    """
    rows = posterior.prior.rows[:, posterior.columns]
    priors = np.flatnonzero(posterior.prior.kinked & (rows != 0).any(axis=1))
    places = np.array([np.flatnonzero(rows[place])[0] for place in priors], dtype=np.intp)
    if ((rows[priors] != 0).sum(axis=1) > 1).any():
        raise ArgumentError(
            "A laplace prior holds one coefficient at its location: here it belongs to a combination of "
            "them. Use a normal or t prior."
        )
    moved = posterior.map[priors, places]
    bound = posterior.phi * np.abs(moved) / posterior.prior.scale[priors]
    return Kinks(priors, places, bound, np.sign(moved))


def climb_kinks(
    posterior: Posterior, start: Start, control: Control, counts: Counts
) -> tuple[Maximum, bool, NDArray[np.bool_]]:
    """Return the mode, whether its conditions hold, and which columns in use are held at 0.

    Parameters
    ----------
    posterior : with every laplace prior's location at coefficient 0, and columns that are not centred by it.
    """
    kinks, gamma, known = kinks_of(posterior), start.gamma, None
    lost = ascend(posterior, start, control, counts, "not needed", taken=control.max_iterations)
    found, held = Maximum(lost), np.zeros(posterior.size, dtype=bool)
    steps = 0
    for _ in range(ROUNDS):
        gamma, sides, small = _step(posterior, kinks, gamma)
        steps += 1
        same = known is not None and np.array_equal(sides, known)
        known = sides
        if not (same and small):
            continue
        held = np.zeros(posterior.size, dtype=bool)
        held[kinks.places[sides == 0]] = True
        found = _smooth(posterior, kinks, gamma, sides, held, control, counts, steps)
        gamma = np.zeros(posterior.size)
        gamma[~held] = found.ascent.gamma
        if found.ascent.ending != "converged" or _holds(posterior, kinks, gamma, sides):
            return found, found.ascent.ending == "converged", held
        gamma[kinks.places[np.sign(gamma[kinks.places]) != sides]] = 0.0
    return found, False, held


def _smooth(
    posterior: Posterior,
    kinks: Kinks,
    gamma: Array,
    sides: Array,
    held: NDArray[np.bool_],
    control: Control,
    counts: Counts,
    steps: int,
) -> Maximum:
    """The mode in the coefficients that are not held, each taken to stay on its side."""
    every = _sides(posterior, kinks, sides)
    free = posterior.kept(np.flatnonzero(~held))
    free = replace(free, prior=replace(posterior.prior, sides=every))
    return maximise(free, [start_at(free, gamma[~held])], None, control, counts, finite=True, taken=steps)


def _holds(posterior: Posterior, kinks: Kinks, gamma: Array, sides: Array) -> bool:
    """Whether every coefficient is on its side, and those at the kink have a score within their bound."""
    if not np.array_equal(np.sign(gamma[kinks.places]), sides):
        return False
    score = _without_kinks(posterior, kinks, gamma)[1][kinks.places]
    return bool((np.abs(score[sides == 0]) <= (1.0 + SLACK) * kinks.bound[sides == 0]).all())


def _sides(posterior: Posterior, kinks: Kinks, sides: Array) -> Array:
    """The side of every prior: as given for the kinks, and where it is for values that no column moves."""
    every = np.sign(posterior.prior.at - posterior.prior.location)
    every[kinks.priors] = sides * kinks.signs
    return every


def _without_kinks(posterior: Posterior, kinks: Kinks, gamma: Array) -> tuple[float, Array, Array]:
    """Objective, score and a positive definite information without the laplace priors of the columns."""
    plain = replace(posterior.prior, sides=_sides(posterior, kinks, np.zeros(len(kinks.priors))))
    smooth = posterior.with_prior(plain)
    sums = smooth.pass_(gamma, "both")
    assert sums.expected is not None and sums.observed is not None
    own = factor(sums.observed) is not None
    return sums.objective, sums.score, sums.observed if own else sums.expected


def _step(posterior: Posterior, kinks: Kinks, gamma: Array) -> tuple[Array, Array, bool]:
    """One Newton step: where it leads, on which side each coefficient lies there, whether it was short."""
    value, score, information = _without_kinks(posterior, kinks, gamma)
    target = _of_model(kinks, gamma, score, information)
    delta = target - gamma
    before, after = np.abs(gamma[kinks.places]), np.abs(target[kinks.places])
    gain = float(score @ delta - kinks.bound @ (after - before))
    height, step = value - float(kinks.bound @ before), 1.0
    for _ in range(40):
        point = gamma + step * delta
        sums = posterior.pass_(point, "none")
        if (
            sums.finite
            and inside(posterior, point)
            and sums.objective >= height + ARMIJO * step * gain - 1e-13 * sums.magnitude
        ):
            break
        step *= 0.5
    reached = target if step == 1.0 else gamma + step * delta
    return reached, np.sign(target[kinks.places]), gain <= 1e-4 * posterior.phi


def _of_model(kinks: Kinks, gamma: Array, score: Array, information: Array) -> Array:
    """The maximum of the quadratic model with the kinks: by coordinates, the others eliminated.

    Source: Friedman, Hastie & Tibshirani (2010), for the coordinate steps.
    """
    at = kinks.places
    rest = np.setdiff1d(np.arange(len(gamma)), at)
    inner = factor(information[np.ix_(rest, rest)])
    if inner is None:
        return gamma.copy()
    beside = information[np.ix_(rest, at)]
    solved = np.column_stack([inner.solve(column) for column in beside.T]) if len(rest) else beside
    matrix = information[np.ix_(at, at)] - beside.T @ solved
    own = inner.solve(score[rest]) if len(rest) else np.zeros(0)
    linear = score[at] - beside.T @ own
    now = gamma[at].copy()
    residual = linear.copy()  # linear - matrix @ (now - gamma[at])
    diagonal = matrix.diagonal()
    for _ in range(SWEEPS):
        moved = 0.0
        for place in range(len(at)):
            pull = residual[place] + diagonal[place] * now[place]
            new = np.sign(pull) * max(abs(pull) - kinks.bound[place], 0.0) / diagonal[place]
            if new != now[place]:
                moved = max(moved, abs(new - now[place]) * float(np.sqrt(diagonal[place])))
                residual -= matrix[:, place] * (new - now[place])
                now[place] = new
        if moved <= 1e-9 * float(np.sqrt(1.0 + (now * now * diagonal).max(initial=0.0))):
            break
    target = gamma.copy()
    target[at] = now
    target[rest] = gamma[rest] + own - solved @ (now - gamma[at])
    return target
