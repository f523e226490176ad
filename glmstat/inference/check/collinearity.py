"""Collinearity: how much related columns widen standard errors, and the condition number of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

from glmstat.inference.check.finding import Checked, Finding
from glmstat.matrix import Array
from glmstat.text.listing import Listing

__all__ = ["collinearity", "condition", "condition_number", "inflation"]

_WIDER = sqrt(10.0)  # a VIF of 10: Marquardt (1970)
_SEEN = 1.05  # times that a standard error is wider, below which nobody would see it
_CONDITION = 30.0  # Belsley, Kuh & Welsch (1980), section 3.2


def collinearity(checked: Checked) -> Finding:
    """Return the (generalised) variance inflation of the term that has most of it."""
    table = inflation(checked)
    if not len(table):
        return Finding("collinearity", "collinearity", "one column has none")
    width = table["GVIF^(1/(2df))"]
    place = int(np.argmax(width))
    term, wider = table.index[place], width[place]
    doubtful = wider > _WIDER
    strong = "strong, " if doubtful else ""
    words = f"{strong}related columns widen standard errors, most that of {term}: {wider:.3g} times"
    words = words if wider >= _SEEN else "columns are hardly related"
    return Finding(
        f"collinearity of {term}",
        "collinearity",
        words,
        table["GVIF"][place],
        table["df"][place],
        doubtful=doubtful,
    )


def condition(checked: Checked) -> Finding:
    """Return the condition number of the columns."""
    value = condition_number(checked)
    doubtful = value > _CONDITION
    words = f"strong, the condition number is above {_CONDITION:.0f}" if doubtful else ""
    method = "condition number: of columns of length 1"
    return Finding("condition number", "collinearity", words, value, method=method, doubtful=doubtful)


def inflation(checked: Checked) -> Listing:
    """Return the (generalised) variance inflation factor of each term.

    det R11 det R22 / det R, R the correlation of the estimates without the intercept, R11 that of the term.
    With one column it is the VIF, 1 / (1 - R²) of the column on the others. GVIF^(1/(2df)) is the factor by
    which standard errors widen.

    Source: Fox & Monette (1992), Journal of the American Statistical Association 87, 178-183; numbers as
    car::vif.
    """
    fit = checked.fit
    free, intercept = set(fit.estimate.free.tolist()), fit.spec.design.intercept
    terms: dict[str, list[int]] = {}
    for piece in fit.spec.design.predictors[0].pieces:
        slots = [slot for slot in range(piece.slots.start, piece.slots.stop) if slot in free]
        if slots and piece.slots.start != intercept:
            terms.setdefault(str(piece.term), []).extend(slots)
    every = [slot for slots in terms.values() for slot in slots]
    factors = [_factor(checked.root, slots, every) for slots in terms.values()]
    sizes = [len(slots) for slots in terms.values()]
    notes = () if intercept is not None else ("no intercept: relations are those of the columns about 0",)
    return Listing(
        ("Variance inflation", fit.formula),
        tuple(terms),
        {
            "GVIF": factors,
            "df": sizes,
            "GVIF^(1/(2df))": [f ** (0.5 / df) for f, df in zip(factors, sizes, strict=True)],
        },
        ("GVIF^(1/(2df)): how many times related columns widen standard errors", *notes),
        fit.native,
    )


def condition_number(checked: Checked) -> float:
    """Return the largest over the least singular value of the columns, each of length 1, the intercept too.

    Source: Belsley, Kuh & Welsch (1980), section 3.2.
    """
    free = checked.fit.estimate.free
    if not len(free):
        return 1.0
    try:
        columns = np.linalg.inv(checked.root[free])
    except np.linalg.LinAlgError:
        return inf
    values = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 0 else inf


def _factor(root: Array, own: Sequence[int], every: Sequence[int]) -> float:
    others = [slot for slot in every if slot not in own]
    with np.errstate(over="ignore"):
        return float(np.exp(_log_det(root, own) + _log_det(root, others) - _log_det(root, every)))


def _log_det(root: Array, slots: Sequence[int]) -> float:
    """Logarithm of the determinant of the correlation of some estimates."""
    if not slots:
        return 0.0
    rows = root[list(slots)]
    triangle = np.linalg.qr((rows / np.linalg.norm(rows, axis=1, keepdims=True)).T, mode="r")
    return 2.0 * float(np.log(np.abs(np.diag(triangle))).sum())
