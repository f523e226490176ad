"""From a workspace to its maximum: starts, ascent, separation, the edge of the domain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from glmstat.compute import Counts
from glmstat.control import Control
from glmstat.estimate import Separated
from glmstat.matrix import Array, Block, IntArray
from glmstat.solve.constrained import Interior, climb_inside
from glmstat.solve.newton import Ascent, Verdict, ascend, perfect_deviance
from glmstat.solve.rank import settle_rank
from glmstat.solve.separation import Undecided, has_cone, separating_direction
from glmstat.solve.start import Start, inside, start_at, starting_points, weighted_start
from glmstat.workspace import Workspace, moved

__all__ = ["Maximum", "maximise", "moved_rows"]

RUN = 4096  # rows looked at together


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum that was found and what is known of it.

    `directions` (p,) belong to all columns of the design; the workspace of the ascent tells which of them
    it used in the end.
    """

    ascent: Ascent
    directions: tuple[Array, ...] = ()
    separated: Separated | None = None
    interior: Interior | None = None
    undecided: bool = False
    several: tuple[float, float] | None = None


def maximise(
    workspace: Workspace,
    points: list[Start],
    null: Array | None,
    control: Control,
    counts: Counts,
    *,
    finite: bool = False,
    taken: int = 0,
) -> Maximum:
    """Return the maximum of the likelihood, from the best of the starting points.

    Parameters
    ----------
    points : where to start; two where the likelihood may have several maxima.
    null : coefficients of the null model, well inside the domain, for the interior point method.
    finite : whether it is known already that the maximum does not lie at infinity.
    taken : iterations before, which count towards those that `control` allows.
    """
    verdict: Verdict = "not needed" if not has_cone(workspace) else "finite" if finite else "undecided"
    found = _from(workspace, points[0], null, control, counts, verdict, taken)
    if len(points) == 1 or found.directions:
        return found
    other = _from(workspace, points[1], null, control, counts, verdict, taken)
    return _better(found, other, perfect_deviance(workspace, counts))


def _better(found: Maximum, other: Maximum, rounding: float) -> Maximum:
    """The higher of two maxima; the first where they differ by rounding."""
    gap = other.ascent.objective - found.ascent.objective
    higher = gap > max(1e-9 * abs(found.ascent.objective), rounding)
    rise = _rank_of(other) - _rank_of(found)
    best = other if rise > 0 or (rise == 0 and higher) else found
    both = found.ascent.ending == other.ascent.ending == "converged"
    if both and abs(gap) > 1e-6 * (1.0 + abs(found.ascent.objective)):
        return replace(best, several=(found.ascent.objective, other.ascent.objective))
    return best


def _rank_of(found: Maximum) -> int:
    return int(found.ascent.ending == "converged" or found.interior is not None)


def _from(
    workspace: Workspace,
    point: Start,
    null: Array | None,
    control: Control,
    counts: Counts,
    verdict: Verdict,
    taken: int,
) -> Maximum:
    ascent = ascend(workspace, point, control, counts, verdict, taken=taken)
    if ascent.certified == "undecided" and ascent.ending not in ("converged", "growing"):
        return _after_verdict(workspace, ascent, null, control, counts)
    return _at_edge(workspace, ascent, null, control, counts)


def _after_verdict(
    workspace: Workspace, ascent: Ascent, null: Array | None, control: Control, counts: Counts
) -> Maximum:
    """Ask the linear programme; go on with the rows that no recession direction moves."""
    directions: list[Array] = []
    current, undecided = workspace, False
    while True:
        try:
            direction = separating_direction(current) if current.size else None
        except Undecided:
            direction, undecided = None, True
        if direction is None:
            break
        whole = np.zeros(workspace.width)
        whole[current.columns] = direction
        rest = replace(workspace, directions=(*directions, whole))
        left = rest.kept(_still_estimable(rest))
        if left.size == current.size:  # what it moves is rounding of the columns
            undecided = True
            break
        directions.append(whole)
        current = left
    start = _resume(workspace, ascent, current, bool(directions))
    verdict: Verdict = "undecided" if undecided else "finite"
    final = ascend(current, start, control, counts, verdict, taken=ascent.iterations)
    final = replace(
        final,
        decrement=final.decrement if final.trace or final.ending != "iterations" else ascent.decrement,
        halvings=ascent.halvings + final.halvings,
        trace=ascent.trace + final.trace,
    )
    if final.ending in ("ask", "singular") and not directions:
        undecided = undecided or final.ending == "ask"
    found = _at_edge(current, final, None if directions else null, control, counts)
    separated = moved_rows(workspace, directions) if directions else None
    return replace(found, directions=tuple(directions), separated=separated, undecided=undecided)


def _resume(workspace: Workspace, ascent: Ascent, current: Workspace, separated: bool) -> Start:
    """Where the ascent goes on: where it stood, or afresh on the rows that are left."""
    if not separated:
        again = start_at(current, current.to_gamma(ascent.workspace.transform @ ascent.gamma))
        if again.sums is not None:
            return again
    first = weighted_start(current.start_pass()) if current.size else None
    return starting_points(current, first, None)[0]


def _still_estimable(workspace: Workspace) -> IntArray:
    """Columns that keep full rank on the rows that no direction moves; infinite ones go first."""
    infinite = np.any([d[workspace.columns] != 0 for d in workspace.directions], axis=0)
    order = np.concatenate([np.flatnonzero(~infinite), np.flatnonzero(infinite)])
    kept = settle_rank(_reordered(workspace, order), [str(k) for k in order]).kept
    return np.sort(order[kept])


def _reordered(workspace: Workspace, order: IntArray) -> Workspace:
    plain = workspace.uncentred()
    return replace(
        plain,
        columns=plain.columns[order],
        scale=plain.scale[order],
        centre=np.zeros(len(order)),
        intercept=None,
        width=-1,
    )


def moved_rows(workspace: Workspace, directions: list[Array]) -> Separated:
    """Return the rows that directions of recession (p,) move."""

    def kernel(block: Block) -> Separated:
        found, total = Separated(), block.total
        for start in range(0, len(total), RUN):
            rows = slice(start, min(start + RUN, len(total)))
            gone = np.any([moved(direction, block.X[0], rows) != 0 for direction in directions], axis=0)
            places = rows.start + np.flatnonzero(gone & (total[rows] > 0))
            found = found + Separated.named(block.source_rows(places), float(block.counted[places].sum()))
        return found

    return workspace.frame.reduce(kernel)


def _at_edge(
    workspace: Workspace, ascent: Ascent, null: Array | None, control: Control, counts: Counts
) -> Maximum:
    """Where a bounded link jammed the ascent, go on along the inside of the domain."""
    if (
        not workspace.likelihood.bounded
        or workspace.penalty is not None
        or (ascent.ending == "converged" and not _close_to_edge(ascent, counts))
    ):
        return Maximum(ascent)
    plain = ascent.workspace
    start = _inner_point(plain, workspace, null)
    interior = climb_inside(plain, start)
    if interior.settled and not interior.active.count:
        polished = ascend(plain, start_at(plain, interior.gamma), control, counts, "finite")
        if polished.ending == "converged":
            return Maximum(replace(polished, certified=ascent.certified))
    end = replace(
        ascent,
        gamma=interior.gamma,
        decrement=float("nan"),
        iterations=ascent.iterations + interior.iterations,
    )
    return Maximum(end, interior=interior)


def _close_to_edge(ascent: Ascent, counts: Counts) -> bool:
    """Whether the least slack is rounding beside the predictors, of the estimate or of the response."""
    extremes = ascent.workspace.extremes(ascent.gamma, np.zeros_like(ascent.gamma), "none")
    with np.errstate(all="ignore"):
        largest = np.array([max(abs(counts.low), abs(counts.high))])
        natural = float(np.abs(ascent.workspace.likelihood.family.link.eta(largest))[0])
    return extremes.slack < 1e-6 * max(extremes.eta, natural if np.isfinite(natural) else 0.0, 1e-300)


def _inner_point(plain: Workspace, workspace: Workspace, null: Array | None) -> Array:
    if null is not None and len(null) == plain.size:
        point = plain.to_gamma(workspace.transform @ null)
        if inside(plain, point) and np.isfinite(plain.pass_(point, "none").objective):
            return point
    from glmstat.solve.feasible import widest_interior

    return widest_interior(plain)
