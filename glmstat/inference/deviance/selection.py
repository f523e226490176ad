"""Terms dropped and added one by one: `drop1` and `add1`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from glmstat.formula.terms import Linear
from glmstat.inference.deviance.anova import NO_TERMS, Anova
from glmstat.inference.deviance.comparison import DISPERSIONS, dispersion_text
from glmstat.inference.deviance.criterion import aic_column, aic_words, dropped
from glmstat.inference.deviance.difference import (
    Inside,
    Outcome,
    check_test,
    columns_of,
    foot,
    heading,
)
from glmstat.inference.deviance.larger import NO_WALD, Larger
from glmstat.inference.deviance.scope import Scope, to_add, to_drop
from glmstat.inference.deviance.submodel import FitTerm, without
from glmstat.inference.restrict import Restricted
from glmstat.inference.statement import need_neighbours

if TYPE_CHECKING:
    from glmstat.fit import Covariance, Fit

__all__ = ["add1", "drop1"]


def drop1(
    fit: Fit,
    scope: Scope = None,
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return what the fit loses without each term that can be dropped.

    The words are those of `Fit.drop1`.

    Source: Chambers & Hastie (1992), section 6.2; numbers as R's drop1.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "f": list("ababab")}
    >>> drop1(glmstat.glm("y ~ x + f", data, "poisson")).index
    ('none', 'x', 'f')
    """
    fit = fit.with_vcov(vcov, data=data)
    kind = check_test(fit, test)
    inside, terms = Inside(fit, kind), to_drop(fit, scope)
    models = [without(fit, [term]) for term in terms]
    outcomes = [dropped(inside, model) for model in models]
    if kind == "Wald":
        columns = columns_of([None, *outcomes], ("df", "statistic", "p_value"))
        return _table(fit, "drop", "single terms dropped", terms, columns, kind, outcomes, inside.notes())
    points = [inside.point(model) for model in models]
    labels = [f"without {term.label}" for term in terms]
    columns = {
        **columns_of([None, *outcomes], ("df",)),
        "deviance": [fit.deviance, *(point.deviance for point in points)],
        **aic_column(fit, [point.estimate for point in points]),
        **columns_of([None, *outcomes], ("statistic", "p_value")),
    }
    return _table(
        fit,
        "drop",
        "single terms dropped",
        terms,
        columns,
        kind,
        outcomes,
        [*inside.notes(), *_infinite(labels, points)],
    )


def add1(
    fit: Fit,
    scope: Scope,
    *,
    test: str = "LRT",
    vcov: str | Covariance | None = None,
    data: Any = None,
) -> Anova:
    """Return what the fit gains by each further term.

    The words are those of `Fit.add1`.

    Source: Chambers & Hastie (1992), section 6.2; Rao (1948). Numbers as R's add1 and, for "Rao", anova.

    >>> import glmstat
    >>> data = {"y": [1, 2, 3, 5, 9, 4], "x": [0, 1, 2, 3, 4, 2], "f": list("ababab")}
    >>> add1(glmstat.glm("y ~ x", data, "poisson"), ". + f", test="Rao").index
    ('none', 'f')
    """
    fit = fit.with_vcov(vcov, data=data)
    kind = check_test(fit, test)
    if kind != "Wald":
        need_neighbours(fit, "add1()")
    terms = to_add(fit, scope)
    trials = [Larger(fit, term) for term in terms]
    outcomes = [trial.outcome(kind) for trial in trials]
    columns = columns_of([None, *outcomes], ("df", "statistic", "p_value"))
    notes = [f"{trial.term}: {NO_WALD}" for trial in trials if trial.at_limit]
    if kind in ("LRT", "F"):
        points = [trial.point for trial in trials]
        fields = {
            "deviance": [fit.deviance, *(point.deviance for point in points)],
            **aic_column(fit, [point.estimate for point in points]),
        }
        columns = {"df": columns["df"], **fields, **{k: v for k, v in columns.items() if k != "df"}}
        notes += [*_failures(terms, points), *_infinite([f"with {term}" for term in terms], points)]
    return _table(fit, "add", "single terms added", terms, columns, kind, outcomes, notes)


def _table(
    fit: Fit,
    type: str,
    words: str,
    terms: Sequence[FitTerm | Linear],
    columns: dict[str, list[Any]],
    kind: str,
    outcomes: Sequence[Outcome],
    notes: Iterable[str],
) -> Anova:
    lines = list(foot(fit, kind, outcomes, dispersion=_divided_by(fit, type, kind)))
    if "aic" in columns:
        lines.append(f"aic: {aic_words(fit)}")
    if not terms:
        lines.append(NO_TERMS)
    labels = [term.label if isinstance(term, FitTerm) else str(term) for term in terms]
    return Anova(
        (heading(fit, words[:1].upper() + words[1:]), " ".join(fit.formula.split())),
        ("none", *labels),
        columns,
        (*lines, *notes),
        fit.native,
        "term",
        type,
        kind,
        fit.dispersion,
    )


def _divided_by(fit: Fit, type: str, kind: str) -> str:
    """Whose dispersion the statistics are divided by, where it is not that of the fit, or not by its rule."""
    found, old = fit.estimate.dispersion, fit.convention.selection == "scaled"
    if not found.estimated or kind == "Wald":
        return ""
    if old and kind == "F" and found.estimator == "pearson":
        return f"dispersion: deviance / df of {'each larger model' if type == 'add' else 'the fit'}, as R"
    if old and kind == "LRT" and fit.spec.likelihood.family.power == 0:
        return "statistic: n log(deviance ratio), as R"
    if type == "add" and kind != "Rao" and not old:
        return f"dispersion: {DISPERSIONS[found.estimator]}, of each larger model"
    return f"{dispersion_text(fit)}, of the fit" if type == "add" else ""


def _infinite(labels: Sequence[str], points: Sequence[Restricted]) -> list[str]:
    """The models whose theta is infinite, in words."""
    return [
        f"{label}: theta is infinite, -2 loglik that of its limit"
        for label, point in zip(labels, points, strict=True)
        if point.estimate.at_limit
    ]


def _failures(terms: Sequence[Linear], points: Sequence[Restricted]) -> list[str]:
    return [
        f"with {term}: not converged"
        for term, point in zip(terms, points, strict=True)
        if point.estimate.convergence.status == "not converged"
    ]
