"""Where a curve that rises on both sides of an estimate crosses its cut."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite, isinf, isnan
from typing import Literal, NamedTuple

__all__ = ["Crossing", "bracket", "crossing", "root"]

STEPS = 60  # outward steps, doubling after the first few: 2**50 standard errors
REFINEMENTS = 120
_PATIENCE = 8  # shorter steps tried where a refit fails
_BELOW = 1e-6  # a jump over the cut from further below is no crossing but an edge
_CLOSE = 1e-4  # share of the first step: nearer to where a curve is lost no crossing is looked for
_STILL = 1e-10  # share of the cut by which a curve that has levelled off moves while the distance doubles

Excess = Callable[[float], float]


class Crossing(NamedTuple):
    """Where the search ended.

    Parameters
    ----------
    value : the crossing, the edge, or a signed infinity; NaN where the curve was lost.
    kind : "root" (the cut is crossed), "level" (the curve stays below it for ever), "edge" (the domain
        stops first) or "lost" (the curve could not be followed).
    height : the last excess over the cut.
    """

    value: float
    kind: Literal["root", "level", "edge", "lost"]
    height: float


class Pair(NamedTuple):
    """Two places with the excess below zero at the first and above it at the second."""

    inner: float
    below: float
    outer: float
    above: float


def crossing(
    excess: Excess, inner: float, below: float, step: float, *, edge: float | None = None, noise: float = 0.0
) -> Crossing:
    """Return where an excess over a cut first becomes positive, going out from `inner` in steps.

    Parameters
    ----------
    excess : continuous; negative near the estimate; infinite outside the domain, NaN where it is lost.
    inner, below : a place where it is negative, and how much (minus the cut at the estimate itself).
    step : first step; its sign is the direction, its size a natural unit.
    edge : end of the domain in that direction, if it has one.
    noise : rounding error of the excess.
    """
    found = bracket(excess, inner, below, step, edge)
    if isinstance(found, Crossing):
        return found
    value, height = root(excess, found, tolerance=1e-12 * abs(step), noise=noise)
    if isnan(height):
        return Crossing(float("nan"), "lost", height)
    if height >= -_BELOW:
        return Crossing(value, "root", height)
    near = edge is not None and abs(edge - value) <= _BELOW * abs(step)
    return Crossing(edge if near and edge is not None else value, "edge", height)


def bracket(
    excess: Excess, inner: float, below: float, step: float, edge: float | None = None
) -> Pair | Crossing:
    """Return two places on either side of the crossing, or why there is none."""
    origin, start, reach = inner, below, step
    side = 1.0 if step > 0 else -1.0
    edge = side * inf if edge is None else edge
    still, falling, near_edge, failed = 0, 0, 0, 0
    wall = side * inf  # the nearest place where the curve was lost: what lies beyond is not tried again
    for count in range(STEPS):
        place = origin + reach
        if side * place >= side * wall and side * wall <= side * edge:
            if abs(wall - inner) <= _CLOSE * abs(step):
                break
            place = 0.5 * (inner + wall)
        elif side * place >= side * edge:
            near_edge += 1
            place = _toward(inner, edge, near_edge)
        height = excess(place)
        if isnan(height):
            failed, wall = failed + 1, place
            if near_edge > 3 or failed > _PATIENCE:
                return Crossing(edge, "edge", below) if near_edge > 3 else Crossing(height, "lost", below)
            continue
        failed = 0
        if height >= 0:
            return Pair(inner, below, place, height)
        if near_edge > 8 or (near_edge and abs(edge - place) <= 1e-12 * abs(edge)):
            return Crossing(edge, "edge", height)
        still = still + 1 if abs(height - below) <= _STILL * abs(start) else 0
        falling = falling + 1 if height < below else 0
        if isinf(wall) and count > 4 and (still > 1 or falling > 4):
            return Crossing(side * inf, "level", height)
        inner, below = place, height
        reach = reach if near_edge else _further(reach, start, height, count)
    return Crossing(float("nan"), "lost", below)


def _toward(inner: float, edge: float, count: int) -> float:
    """A place nine tenths, and for the next ever more, of the way to the edge."""
    return edge - (edge - inner) * (0.1 if count < 4 else 0.01)


def _further(reach: float, start: float, height: float, count: int) -> float:
    """The next distance: where a straight line would cross, later at least doubled."""
    risen = height - start
    ratio = 1.05 * abs(start) / risen if risen > 0 else 2.0
    return reach * min(max(abs(ratio), 1.1), 3.0) if count < 2 else 2.0 * reach


def root(excess: Excess, pair: Pair, *, tolerance: float, noise: float = 0.0) -> tuple[float, float]:
    """Return the place of a sign change, and the excess there.

    Inverse quadratic interpolation where it is safe, bisection else (and where the excess is infinite).

    Source: Chandrupatla (1997), Advances in Engineering Software 28, 145-149.
    """
    a, fa, b, fb = pair.outer, pair.above, pair.inner, pair.below
    c, fc = a, fa
    share = fa / (fa - fb) if isfinite(fa) else 0.5
    enough = 1e-13 * abs(pair.below) + noise
    for _ in range(REFINEMENTS):
        place = a + share * (b - a)
        height = excess(place)
        if isnan(height):
            return place, height
        if (height >= 0) == (fa >= 0):
            c, fc = a, fa
        else:
            c, fc, b, fb = b, fb, a, fa
        a, fa = place, height
        best, left = (a, fa) if abs(fa) < abs(fb) else (b, fb)
        limit = (4e-16 * abs(best) + tolerance) / abs(b - a) if b != a else 1.0
        if abs(left) <= enough or limit > 0.5:
            return best, left
        share = min(max(_share(a, fa, b, fb, c, fc), limit), 1.0 - limit)
    return (a, fa) if abs(fa) < abs(fb) else (b, fb)


def _share(a: float, fa: float, b: float, fb: float, c: float, fc: float) -> float:
    """How far from a to b to look next."""
    if not (isfinite(fa) and isfinite(fb) and isfinite(fc)) or fb in (fa, fc) or fa == fc or c == b:
        return 0.5
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    if phi**2 < xi and (1.0 - phi) ** 2 < 1.0 - xi:
        return fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return 0.5
