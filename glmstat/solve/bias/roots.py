"""Which root of an adjusted score is reported, where it may have several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glmstat.control import Control
from glmstat.errors import ArgumentError
from glmstat.matrix import Array
from glmstat.solve.bias.ascent import NEAR, Climb, climb
from glmstat.solve.bias.problem import Point, Problem
from glmstat.triangular import triangular_inverse

__all__ = ["Root", "find_root"]

OUTSIDE = 1e3  # decrement that stands for none
APART = 0.01  # standard errors between two roots that are not one
ROUGH = 1e-2  # decrement at which an ascent to a root that is known already ends
EVEN = 1e-6  # difference of penalised likelihoods below which the first root stands
LOOKED = 50  # steps of a look for another root


@dataclass(frozen=True, eq=False)
class Root:
    """Where an ascent ended, and what is known of other roots.

    Parameters
    ----------
    end : the ascent that is reported.
    iterations : of it and of those before it that failed.
    note : of other roots, "" where none was found.
    """

    end: Climb
    iterations: int
    note: str = ""


def find_root(problem: Problem, starts: Sequence[Array], control: Control, rows: int, *, look: bool) -> Root:
    """Return the root of the adjusted score that scoring reaches, or the likelier one where that is known.

    Parameters
    ----------
    starts : where to begin, the best first.
    rows : that a pass reads.
    look : whether other roots are looked for from the other starts.

    Raises
    ------
    ArgumentError : the adjusted score has no value at any of the starts.
    """
    points = [point for point in map(problem.at, starts) if point is not None]
    if not points:
        raise ArgumentError(
            "Bias reduction found no coefficients at which the adjusted score has a value. Give start=."
        )
    ends = list(_attempts(problem, points, control, rows))
    taken = sum(end.iterations for end in ends)
    end = ends[-1] if ends[-1].ending in ("converged", "iterations") else min(ends, key=_decrement)
    if end.ending != "converged" or not look:
        return Root(end, taken)
    return _among(Root(end, taken), problem, points, control, rows)


def _decrement(end: Climb) -> float:
    return end.point.decrement


def _attempts(problem: Problem, points: list[Point], control: Control, rows: int) -> Iterator[Climb]:
    """Ascents until one arrives or the iterations that are allowed are used up.

    Without a penalised likelihood scoring goes on whatever it meets, as brglm2; where that fails it goes only
    to where the decrement falls, and at last by Powell's method.
    """
    taken, best = 0, points[0]
    for point in points:
        for guarded in (False, True):
            end = climb(problem, point, control, rows, guarded=guarded, taken=taken)
            yield end
            if end.ending in ("converged", "iterations"):
                return
            taken += end.iterations
            best = min(best, end.point, key=lambda one: one.decrement)
            if end.likely:
                break
    for point in (best, *points):
        found, steps = _by_powell(problem, point, control.max_iterations - taken)
        if found is not None and found.decrement < NEAR:
            end = climb(problem, found, control, rows, taken=taken + steps)
            end.iterations += steps
            yield end
            if end.ending in ("converged", "iterations"):
                return
            steps = end.iterations
        taken += steps


def _by_powell(problem: Problem, begun: Point, steps: int) -> tuple[Point | None, int]:
    """Where Powell's hybrid method with differences ends, for roots that scoring circles about; its steps.

    Parameters
    ----------
    steps : that are allowed, each with a Jacobian of its own.
    """
    from scipy.optimize import root

    back, each = triangular_inverse(begun.root), len(begun.place) + 1
    if back is None or each == 1 or steps <= 0:
        return None, 0

    def score(white: Array) -> Array:
        found = problem.at(begun.place + back @ white)
        return np.full(len(white), OUTSIDE) if found is None else found.white

    found: Any = root(score, np.zeros(each - 1), method="hybr", options={"maxfev": steps * each})
    return problem.at(begun.place + back @ found.x), -(-int(found.nfev) // each)


def _among(found: Root, problem: Problem, points: list[Point], control: Control, rows: int) -> Root:
    """The likeliest of the roots that the starts lead to; the first where there is no likelihood to tell."""
    first, exact = found.end, replace(control, max_iterations=LOOKED)
    roughly = replace(exact, tolerance=max(control.tolerance, ROUGH))
    others: list[Climb] = []
    for point in points[1:]:
        for looking in (roughly, exact):
            other = climb(problem, point, looking, rows, guarded=first.likely)
            if other.ending != "converged" or not all(_apart(one, other) for one in (first, *others)):
                break
        else:
            others.append(other)
    if not others:
        return found
    heights = [problem.height(end.point) for end in (first, *others)]
    if not np.isfinite(heights).all():
        far = max(_distance(first, other) for other in others)
        return replace(
            found,
            note=f"the adjusted score has several roots: another is {far:.1f} standard "
            "errors away; that which scoring reaches from smoothed data is reported",
        )
    place = int(np.argmax(heights))
    low, high = heights[0] if place else max(heights[1:]), heights[place]
    note = (
        f"the penalised likelihood has several maxima: -2 log differs by {2.0 * (high - low):.6g}; "
        "the highest found is reported"
    )
    if place == 0 or high - heights[0] <= EVEN:
        return replace(found, note=note)
    best = others[place - 1]
    if best.iterations > control.max_iterations:
        best.ending = "iterations"
    return Root(best, best.iterations, note)


def _apart(one: Climb, other: Climb) -> bool:
    return _distance(one, other) > APART


def _distance(one: Climb, other: Climb) -> float:
    """Between two ends, in standard errors at the first."""
    here = one.point
    moved = here.root @ (other.point.place - here.place)
    return float(np.linalg.norm(moved)) / np.sqrt(max(here.phi, 1e-300))
