"""Passes over all rows, each of which brings whatever is still missing besides what it was made for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glmstat.compute import Counts, Facts, Sums, Tally
from glmstat.copies import Fingerprint
from glmstat.matrix import Array
from glmstat.solve.dispersion import Saturated, saturated_asks, saturated_sum
from glmstat.solve.null import closed_null, has_closed_null, null_from, null_objective, null_slope
from glmstat.solve.together import Ask, together
from glmstat.workspace import FactsAsked, Need, Workspace, summed

__all__ = ["AllRows", "Reading"]

SETTLED = 1e-5  # last step of the null intercept after which its square no longer shows in the deviance

SEEN = 1e-4  # of the sizes of two objectives: a deviance below is not told by their difference


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass found at gamma; facts and the saturated log-likelihood where they were asked for.

    `intercept` is that of the null model behind the facts.
    """

    gamma: Array
    sums: Sums
    facts: Facts | None = None
    saturated: Saturated | None = None
    intercept: float = 0.0


@dataclass(eq=False)
class AllRows:
    """The rows of a frame, and what the passes over them have told so far.

    Parameters
    ----------
    dispersion, intercept : guesses; the intercept is that of the null model, 0 where it has none.
    drift : last correction of the intercept.
    bend : information of the intercept before that correction.
    tally : of the response, where that takes few whole numbers.
    closed : sums that give the null intercept beside an offset, where there are such.
    """

    workspace: Workspace
    has_intercept: bool
    has_offset: bool
    dispersion: float = 1.0
    intercept: float = 0.0
    drift: float = np.inf
    bend: float = 0.0
    counts: Counts = field(default_factory=Counts)
    tally: Tally | None = None
    closed: Any = None

    @property
    def known(self) -> bool:
        """Whether the null model is known well enough for its deviance."""
        return not self.has_intercept or self.drift <= SETTLED

    def read(self, gamma: Array, need: Need, *, last: bool = False) -> Reading:
        """Return the sums at gamma, by a pass that also corrects the null intercept.

        Parameters
        ----------
        last : whether the facts at gamma are wanted too.
        """
        b = self.intercept
        closed = self._null_objective(b) if last else None
        saturated = self._saturated_objective() if last else None
        asked = FactsAsked(b if closed is None else None, saturated is None) if last else None
        asks: dict[str, Ask] = {"sums": lambda one: one.totals(gamma, need, asked), **self._null_asks(b)}
        asks |= self._total_asks()
        if last and not (self.tally is not None and self.tally.plain):
            for place, phi in enumerate(saturated_asks(self.workspace, self.dispersion)):
                asks[f"saturated {place}"] = lambda one, phi=phi: saturated_sum(one, phi)
        found = self._found(asks)
        sums = summed(found["sums"], need)
        facts = self._facts(gamma, sums, found["sums"].facts, closed, saturated)
        if "tally" in found and found["tally"].sums is not None:
            self.tally = found["tally"]
        return Reading(gamma, self._penalised(sums, gamma), facts, self._saturated(found, last), b)

    def look(self) -> None:
        """Sum what no coefficients are needed for, by a pass that costs less than one with a score."""
        found = self._found({**self._null_asks(self.intercept), **self._total_asks()})
        self.tally = found["tally"] if found["tally"].sums is not None else None

    def _total_asks(self) -> dict[str, Ask]:
        """What the first pass sums too."""
        if self.counts.rows:
            return {}
        prints: dict[str, Ask] = {"print": _fingerprint} if self._prints else {}
        return {"counts": Workspace.counts, "tally": _tally, **prints}

    def _found(self, asks: dict[str, Ask]) -> dict[str, Any]:
        """What a pass answers; what it says of the totals and the null model is kept."""
        found = dict(zip(asks, together(self.workspace, *asks.values()), strict=True))
        self.counts = found.get("counts", self.counts)
        self.closed = found.get("closed", self.closed)
        if "print" in found:
            frame: Any = self.workspace.frame
            frame.known_fingerprint(found["print"])
        self._correct(found)
        return found

    @property
    def _prints(self) -> bool:
        """Whether the rows are those of a large frame, to be known again by the response as it is."""
        frame: Any = self.workspace.frame
        return hasattr(frame, "known_fingerprint") and frame.change is None

    def _facts(
        self, gamma: Array, sums: Sums, facts: Facts | None, closed: float | None, saturated: float | None
    ) -> Facts | None:
        """The facts with the null model's deviance in the place of its objective.

        The saturated model has the same objective beside both, which the deviance at gamma or a tally tells.
        """
        if facts is None:
            return None
        objective = facts.null if closed is None else closed
        deviance = facts.deviance if saturated is None else 2.0 * (saturated - sums.objective)
        null = deviance + 2.0 * (sums.objective - objective)
        size = sums.magnitude + max(abs(objective), 0.0 if saturated is None else abs(saturated))
        if not (null > SEEN * size and (saturated is None or deviance > SEEN * size)):
            return self.workspace.facts(gamma, self.intercept)
        return facts._replace(deviance=deviance, null=null)

    def _saturated_objective(self) -> float | None:
        """The objective of all rows at mu = y, from their tally; None where there is none."""
        likelihood, tally = self.workspace.likelihood, self.tally
        if tally is None or tally.sums is None or likelihood.family.user_defined:
            return None
        y = np.flatnonzero(tally.sums).astype(np.float64)
        ones = np.ones(len(y))
        eta = likelihood.family.link.eta(np.full((len(y), 1), self.counts.response / self.counts.weight))
        objective = likelihood.rows(y, eta, ones, information="none").objective
        rows = objective + 0.5 * likelihood.deviance(y, eta, ones)
        total = float(rows @ tally.sums[tally.sums != 0.0])
        return total if np.isfinite(total) else None

    def _null_objective(self, b: float) -> float | None:
        """The objective at eta = b, where that is straight in the response or sums tell it; else None."""
        counts, likelihood = self.counts, self.workspace.likelihood
        if self.closed is not None:
            return null_objective(self.workspace, counts, self.closed, b)
        if self.has_offset or not counts.rows or likelihood.family.user_defined:
            return None
        mean = counts.response / counts.weight
        y = np.array([counts.low, counts.high, 0.5 * (counts.low + counts.high), mean])
        values = likelihood.rows(y, np.full((4, 1), b), np.ones(4), information="none").objective
        size = np.abs(values).max()
        straight = abs(values[0] + values[1] - 2.0 * values[2]) <= 1e-14 * size
        return float(counts.weight * values[3]) if straight and np.isfinite(size) else None

    def _saturated(self, found: dict[str, Any], last: bool) -> Saturated | None:
        values = [value for name, value in found.items() if name.startswith("saturated")]
        tally = self.tally
        if last and not values and tally is not None and tally.sums is not None:
            likelihood, y = self.workspace.likelihood, np.flatnonzero(tally.sums).astype(np.float64)
            counts = tally.sums[tally.sums != 0.0]
            values = [
                float(likelihood.saturated(y, np.ones(len(y)), phi) @ counts)
                for phi in saturated_asks(self.workspace, self.dispersion)
            ]
        if not values:
            return None
        phi = saturated_asks(self.workspace, self.dispersion)[0]
        slope = (values[1] - values[0]) / float(np.log(2.0)) if len(values) > 1 else 0.0
        return Saturated(values[0], phi, slope)

    def _null_asks(self, b: float) -> dict[str, Ask]:
        if self.known:
            return {}
        if not self.has_offset:
            return {}
        if has_closed_null(self.workspace):
            return {"closed": closed_null}
        return {"slope": lambda one: null_slope(one, b)}

    def _correct(self, found: dict[str, Any]) -> None:
        """Move the null intercept to where the totals say."""
        if self.known:
            return
        if "slope" in found:
            slope = found["slope"]
            step = slope.score / slope.information if slope.information > 0 else np.inf
            self.intercept, self.drift, self.bend = self.intercept + step, abs(step), slope.information
            return
        b = null_from(self.workspace, self.counts, found.get("closed"), has_offset=self.has_offset)
        if b is not None:
            self.intercept, self.drift = b, 0.0

    def _penalised(self, sums: Sums, gamma: Array) -> Sums:
        penalty = self.penalty
        return sums if penalty is None else sums.penalised(penalty, gamma)

    @property
    def penalty(self) -> Array | None:
        """The penalty of the centred and scaled columns (p, p)."""
        if self.workspace.penalty is None:
            return None
        return self.workspace.transform.T @ self.workspace.penalty @ self.workspace.transform


def _fingerprint(one: Workspace) -> Fingerprint:
    return one.frame.reduce(Fingerprint.of)


def _tally(one: Workspace) -> Tally:
    return one.frame.reduce(Tally.of)
