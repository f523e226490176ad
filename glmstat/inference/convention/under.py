"""A fit under another record of conventions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from glmstat.call import Covariance
from glmstat.convention import Convention
from glmstat.errors import ArgumentError, GlmstatWarning, Note
from glmstat.fit import Fit
from glmstat.formula.schema import FACTOR
from glmstat.inference.again import refit
from glmstat.inference.covariance import RECIPES, covariance_root, settled_for, undefined

__all__ = ["differences", "under"]


def differences(here: Convention, there: Convention) -> tuple[str, ...]:
    """Return the names of the choices in which two records differ, in the order of the record.

    >>> from glmstat.convention import CONVENTIONS
    >>> differences(CONVENTIONS["glmstat"], CONVENTIONS["R"])[:3]
    ('names', 'ordered', 'wald_quantile')
    """
    names = [field.name for field in fields(Convention) if field.name not in ("name", "title")]
    return tuple(name for name in names if getattr(here, name) != getattr(there, name))


def under(fit: Fit, record: Convention) -> Fit:
    """Return a fit as it would be under a record: fitted again only where the record moves the fit.

    Raises
    ------
    DataError : the fit holds no rows and has to be made again.
    """
    moved = differences(fit.convention, record)
    covariance = _covariance(fit, record)
    if any(name in moved and moves(fit) for name, moves in _MOVES_FIT.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GlmstatWarning)
            return _with_errors(replace(refit(fit, {"compat": record, "start": None}), covariance=covariance))
    design = replace(fit.spec.design, naming=record.names) if "names" in moved else fit.spec.design
    spec = replace(fit.spec, call=fit.spec.call.changed(compat=record), design=design)
    return _with_errors(replace(fit, spec=spec, covariance=covariance, kept={}))


def _with_errors(fit: Fit) -> Fit:
    """The fit; where its covariance is not defined, without standard errors but a note, as fits are made."""
    if fit.covariance.kind == "classical" and fit.covariance.information == "expected":
        return fit
    try:
        covariance_root(fit)
    except ArgumentError as error:
        fit.kept.update(undefined(fit))
        return replace(fit, notes=(*fit.notes, Note("vcov", str(error))))
    return fit


def _factors(fit: Fit) -> bool:
    return any(part.kind == FACTOR for part in fit.spec.design.schema.parts.values())


def _ordered(fit: Fit) -> bool:
    return any(part.kind == FACTOR and part.ordered for part in fit.spec.design.schema.parts.values())


def _event(fit: Fit) -> bool:
    coding = fit.spec.design.schema.response
    return coding is not None and coding.kind == "event" and fit.spec.call["event"] is None


def _dispersion(fit: Fit) -> bool:
    return fit.spec.likelihood.family.dispersion is None and fit.spec.call["dispersion"] is None


# choice → whether it moves the fit itself, not only what is printed of it
_MOVES_FIT: Mapping[str, Callable[[Fit], bool]] = {
    "reference": _factors,
    "ordered": _ordered,
    "event": _event,
    "dispersion": _dispersion,
}


def _covariance(fit: Fit, record: Convention) -> Covariance:
    """The covariance of a fit, with the information that the record takes unless the caller chose one."""
    given, old, now = fit.spec.call["vcov"], fit.convention, fit.covariance
    for word in (given, "classical"):
        if now == settled_for(fit, word):
            return settled_for(fit, word, record)
    usual, other = ((one.information if now.kind == "classical" else one.bread) for one in (old, record))
    informed = RECIPES[now.kind].informed and now.information == usual
    return replace(now, information=other) if informed else now
