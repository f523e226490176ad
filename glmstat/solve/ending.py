"""How an ascent ended: its status, its words, its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glmstat.compute import Facts
from glmstat.estimate import Convergence, Pass, Status
from glmstat.solve.constrained import Interior
from glmstat.solve.ladder import Ladder
from glmstat.solve.maximum import Maximum
from glmstat.solve.rank import Rank

__all__ = ["after_ladder", "how_it_ended", "steps_of"]


def how_it_ended(
    maximum: Maximum, rank: Rank, perfect: bool, facts: Facts, df_residual: int, growing: int | None
) -> Convergence:
    """Return status, words and trace of an ascent.

    Parameters
    ----------
    perfect : whether the residuals are rounding.
    growing : source row whose predictor the data no longer determine, or None.
    """
    ascent = maximum.ascent
    status, reason = _status(maximum, perfect)
    if growing is not None and status in ("converged", "perfect fit"):
        status, reason = "not converged", f"the linear predictor of row {growing} is still growing"
    notes = list(rank.notes)
    if status == "converged" and ascent.floor and df_residual:
        notes.append(f"coefficients accurate to {ascent.decrement:.0e} standard errors (rounding)")
    if maximum.several is not None:
        low, high = sorted(-2.0 * value for value in maximum.several)
        notes.append(
            f"the likelihood has several maxima: deviances differ by {high - low:.6g}; the better is reported"
        )
    level = facts.deviance + 2.0 * ascent.objective
    trace = tuple(replace(step, deviance=step.deviance + level) for step in ascent.trace)
    before = trace[-1].deviance if trace else facts.deviance
    change = abs(before - facts.deviance) / (0.1 + abs(facts.deviance))
    verdict = "separated" if maximum.directions else "undecided" if maximum.undecided else ascent.certified
    return Convergence(
        status=status,
        reason=reason,
        separation=verdict,
        decrement=ascent.decrement,
        iterations=ascent.iterations,
        halvings=ascent.halvings,
        r_criterion=change,
        trace=trace,
        notes=tuple(notes),
        bound_rows=maximum.interior.active
        if maximum.interior is not None and maximum.interior.active.count
        else None,
        separated_rows=maximum.separated,
    )


def _status(maximum: Maximum, perfect: bool) -> tuple[Status, str]:
    ascent, interior = maximum.ascent, maximum.interior
    if maximum.directions:
        done = ascent.ending == "converged" or ascent.workspace.size == 0 or _settled(interior)
        return ("separated", "") if done else ("not converged", _why(maximum))
    if interior is not None:
        if _settled(interior):
            return "boundary", ""
        return "not converged", "the interior point method did not close its gap"
    if perfect:
        return "perfect fit", ""
    return ("converged", "") if ascent.ending == "converged" else ("not converged", _why(maximum))


def _settled(interior: Interior | None) -> bool:
    """Whether the maximum lies on the edge of the domain and was reached."""
    return interior is not None and interior.settled and interior.active.count > 0


def _why(maximum: Maximum) -> str:
    ascent = maximum.ascent
    steps = "1 iteration" if ascent.iterations == 1 else f"{ascent.iterations} iterations"
    words = {
        "iterations": f"{steps} did not reach the maximum",
        "stuck": f"stuck: no step raises the likelihood, decrement {ascent.decrement:.1e}",
        "growing": f"the linear predictor of row {ascent.row} is still growing",
        "singular": "the information became singular",
        "ask": "separation is not excluded",
        "edge": "a mean reached the edge of its domain",
    }
    return words[ascent.ending]


def after_ladder(convergence: Convergence, ladder: Ladder, facts: Facts, maximum: Maximum) -> Convergence:
    """The trace with the passes of the ladder before the others, and why it ended where it did."""
    level = facts.deviance + 2.0 * maximum.ascent.objective
    own = (
        step if step.kind == "sample" else replace(step, deviance=step.deviance + level)
        for step in ladder.trace
    )
    trace = (*own, *convergence.trace)
    steps = convergence.iterations if ladder.ascent is None else steps_of(trace)
    return replace(convergence, trace=trace, iterations=steps, ladder=ladder.reason or "reached the maximum")


def steps_of(trace: Sequence[Pass]) -> int:
    """Return how many passes over all rows a step was taken from."""
    return sum(step.kind in ("score", "information") for step in trace)
