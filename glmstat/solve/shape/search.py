"""The root of a slope between two bounds, by Newton steps that cannot leave the bracket."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite, sqrt
from typing import Generic, NamedTuple, Protocol, TypeVar

__all__ = ["Found", "Looked", "search"]

REACH = 3.0  # the longest step


class Looked(Protocol):
    """What a log-likelihood says at one place: its slope, and its curvature with the sign changed."""

    @property
    def score(self) -> float: ...  # noqa: D102

    @property
    def information(self) -> float: ...  # noqa: D102


L = TypeVar("L", bound=Looked)


class Found(NamedTuple, Generic[L]):
    """Where the search ended.

    Parameters
    ----------
    place : the root, or the last place.
    looked : what was seen there.
    steps : number of looks.
    distance : to the root, in standard errors.
    settled : whether the root was reached.
    """

    place: float
    looked: L
    steps: int
    distance: float
    settled: bool


def search(
    look: Callable[[float], L],
    first: float,
    *,
    low: float = -inf,
    high: float = inf,
    tolerance: float = 1e-8,
    most: int = 60,
) -> Found[L]:
    """Return the root of a falling slope.

    Parameters
    ----------
    look : slope and information at a place.
    first : where to begin, between `low` and `high`.
    tolerance : distance to the root, in standard errors, at which the search ends.
    most : number of looks after which it gives up.
    """
    place = first
    for steps in range(1, most + 1):
        seen = look(place)
        size = sqrt(seen.information) if seen.information > 0 else 0.0
        distance = abs(seen.score) / size if size else inf
        if distance <= tolerance:
            return Found(place, seen, steps, distance, True)
        low, high = (place, high) if seen.score > 0 else (low, place)
        step = seen.score / seen.information if size else (REACH if seen.score > 0 else -REACH)
        ahead = place + max(-REACH, min(REACH, step))
        if not low < ahead < high:
            ahead = 0.5 * (low + high) if isfinite(low) and isfinite(high) else 0.5 * (place + ahead)
        if ahead == place or steps == most:
            return Found(place, seen, steps, distance, False)
        place = ahead
    raise AssertionError("unreachable")
