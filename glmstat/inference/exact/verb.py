"""`Fit.exact`: which exact distribution a formula asks for, and the table of its tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glmstat.errors import ArgumentError, ComparisonError, near, one_of
from glmstat.inference.eform import baseline_name, ratio_name
from glmstat.inference.exact import proportion, rate
from glmstat.inference.exact.conditional import Question, TooMany, joint, single
from glmstat.inference.exact.groups import Groups, groups_of
from glmstat.inference.exact.outcome import ALTERNATIVES, Asked, Exact, ExactTest, interval_words, listing
from glmstat.inference.exact.proportion import one_proportion
from glmstat.inference.exact.rate import one_rate
from glmstat.inference.exact.unconditional import two_proportions
from glmstat.inference.hypothesis.names import names_of
from glmstat.inference.reference import check_level
from glmstat.inference.statement import need_effects, need_likelihood

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["exact"]

_VERB = "exact()"
_TESTS = ("conditional", "score", "fisher", "barnard", "boschloo")
_METHODS = ("auto", "enumerate", "monte carlo")
_TAILS = ("tails",)
_LINKS = {"binomial": "logit", "poisson": "log"}


def exact(fit: Fit, term: str | Sequence[str] | None, asked: Asked, data: Any = None) -> Exact:
    """Return the table; the words are those of `Fit.exact`.

    Raises
    ------
    ArgumentError : another family or link, a word that is not known or does not fit the others, a term that
        the fit has not, or a distribution that is too large.
    DataError : counts that are not whole numbers.
    """
    _check(asked)
    _refuse(fit)
    if not any(_estimated(fit, slot) for slot in range(len(fit.columns))):
        raise ArgumentError(f"{_VERB} has nothing to test: the model has no coefficient.")
    groups = groups_of(fit, data)
    chosen = _chosen(fit, term)
    if _alone(fit) and len(groups) == 1:
        return _one(fit, groups, asked)
    if asked.test in ("barnard", "boschloo"):
        return _unconditional(fit, groups, chosen, asked)
    return _conditional(fit, groups, chosen, asked)


def _check(asked: Asked) -> None:
    """Refuse words that no case knows."""
    for word, value, known in (
        ("test", asked.test, (None, *_TESTS)),
        ("alternative", asked.alternative, ALTERNATIVES),
        ("method", asked.method, _METHODS),
        ("interval", asked.interval, (None, *proportion.INTERVALS, *rate.INTERVALS, *_TAILS)),
    ):
        if value not in known:
            words = [text for text in known if text is not None]
            raise ArgumentError(
                f"Unknown {word}: {value!r}. Known: {one_of(words)}.{near(str(value), words)}"
            )
    for word, flag in (("midp", asked.midp), ("eform", asked.eform)):
        if not isinstance(flag, bool | np.bool_):
            raise ArgumentError(f"{word} must be True or False: got {flag!r}.")
    for word, number, least in (
        ("reps", asked.reps, 100),
        ("seed", asked.seed, 0),
        ("limit", asked.limit, 1),
    ):
        if not isinstance(number, (int, np.integer)) or isinstance(number, bool) or number < least:
            raise ArgumentError(f"{word} must be a whole number >= {least}: got {number!r}.")
    if asked.null is not None and not _is_finite(asked.null):
        raise ArgumentError(f"null must be a finite number: got {asked.null!r}.")
    check_level(asked.level)


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(fit: Fit) -> None:
    """Refuse fits whose counts have no exact distribution."""
    if fit.spec.estimator is None or fit.spec.estimator.kind != "bias":  # nothing of the estimate is used
        need_likelihood(fit, _VERB)
    need_effects(fit, _VERB, "Write the factors as terms, as in y ~ x + C(firm).")
    family, call = fit.spec.likelihood.family, fit.spec.call
    link = family.link.name
    if _LINKS.get(family.name) != link:
        raise ArgumentError(
            f"{_VERB} knows binomial fits with logit link and Poisson fits with log link, in which sums of "
            f"columns are sufficient: this one is {family.text} with {family.link.text} link. Take "
            'fit.test(), confint(method="profile") or bootstrap().'
        )
    if len(fit.spec.design.predictors) > 1:
        raise ArgumentError(f"{_VERB} needs a model with one predictor: this has several. Use fit.test().")
    if call["sampling_weights"] is not None:
        raise ComparisonError(
            f"{_VERB} does not hold with sampling_weights: weighted counts have no exact distribution. Use "
            "fit.test()."
        )
    response = fit.spec.design.schema.response
    shares = family.name == "binomial" and (response is None or response.kind != "counts")
    if call["weights"] is not None and not shares:
        raise ComparisonError(
            f"{_VERB} does not hold with prior weights that are no trials. Use freq_weights= for rows that "
            "count several times, or exposure= for counts."
        )
    if fit.dispersion != 1.0:
        raise ComparisonError(
            f"{_VERB} is that of the family's own variance: this fit has dispersion {fit.dispersion:.4g}. "
            "Fit without dispersion=."
        )
    if fit.estimate.penalty is not None:
        raise ComparisonError(
            f"{_VERB} has no prior: this fit has one. Fit without it; separation does no harm to {_VERB}."
        )


def _alone(fit: Fit) -> bool:
    """Whether the intercept is all that the model has."""
    return fit.spec.design.intercept is not None and int((~np.isnan(fit.estimate.theta)).sum()) == 1


def _chosen(fit: Fit, term: str | Sequence[str] | None) -> list[tuple[str, tuple[int, ...]]]:
    """Names and places of the coefficients that are asked for; terms of several ones whole."""
    names = names_of(fit)
    if term is None:
        found = _terms(fit)
        return found or [(name, (slot,)) for slot, name in enumerate(fit.columns) if _estimated(fit, slot)]
    given = [term] if isinstance(term, str) else list(term)
    if not given or any(not isinstance(text, str) for text in given):
        raise ArgumentError(f"term must name a coefficient or a term: got {term!r}.")
    chosen = []
    for text in given:
        if text not in names.known:
            raise names.unknown(text)
        slots = tuple(slot for slot in names.known[text] if _estimated(fit, slot))
        if not slots:
            name = fit.columns[names.known[text][0]]
            raise ArgumentError(f"'{text}' cannot be tested: aliased ({fit.estimate.aliased[name]}).")
        chosen.append((fit.columns[slots[0]] if len(slots) == 1 else text, slots))
    return chosen


def _terms(fit: Fit) -> list[tuple[str, tuple[int, ...]]]:
    """The terms of the fit but for the intercept."""
    from glmstat.inference.deviance.submodel import fit_terms

    found = []
    for term in fit_terms(fit):
        slots = tuple(int(slot) for slot in term.slots if _estimated(fit, int(slot)))
        if slots:
            found.append((fit.columns[slots[0]] if len(slots) == 1 else term.label, slots))
    return found


def _estimated(fit: Fit, slot: int) -> bool:
    return not np.isnan(fit.estimate.theta[slot])


def _one(fit: Fit, groups: Groups, asked: Asked) -> Exact:
    """One proportion or one rate."""
    binomial = fit.spec.likelihood.family.name == "binomial"
    known = proportion.INTERVALS if binomial else rate.INTERVALS
    if asked.interval not in (None, *known):
        raise ArgumentError(
            f'interval="{asked.interval}" does not fit one sample. Known here: {one_of(known)}.'
        )
    if asked.test not in (None, "conditional", "score") or asked.method == "monte carlo":
        raise ArgumentError(
            f'One sample has one exact distribution: test="{asked.test}", method="{asked.method}" do not '
            'fit. Leave them out, or take test="score".'
        )
    name, events = fit.columns[0], int(groups.observed[0])
    if binomial:
        row, line = one_proportion(name, events, int(groups.trials[0]), asked)
        return listing(fit, "Exact inference: one proportion", [row], asked, [line])
    row, line = one_rate(name, events, float(np.exp(groups.offset[0])), asked)
    return listing(fit, "Exact inference: one rate", [row], asked, [line])


def _unconditional(
    fit: Fit, groups: Groups, chosen: list[tuple[str, tuple[int, ...]]], asked: Asked
) -> Exact:
    """Barnard's or Boschloo's test of two proportions."""
    names = [name for name, slots in chosen if slots != (fit.spec.design.intercept,)]
    if not (_two_groups(fit, groups) and groups.bounded and len(chosen) == len(names) == 1):
        raise ArgumentError(
            f'test="{asked.test}" compares two proportions: a binomial fit of one term with two values, '
            'without offset. Take test="conditional", which holds for any terms.'
        )
    given = {
        "midp": asked.midp,
        "interval": asked.interval is not None,
        "null": asked.null is not None,
        "method": asked.method == "monte carlo",
    }
    for word in (word for word, there in given.items() if there):
        raise ArgumentError(f'{word}= does not fit test="{asked.test}". Leave it out, or take test="fisher".')
    place = _kept(fit).index(chosen[0][0])
    order = np.argsort(groups.X[:, place])
    count, trials = groups.observed[order].tolist(), groups.trials[order].astype(int).tolist()
    row = two_proportions(names[0], (count[0], count[1]), (trials[0], trials[1]), asked)
    line = 'no interval: that of the odds ratio is in test="fisher"'
    return listing(fit, "Exact inference: two proportions", [row], asked, [line])


def _two_groups(fit: Fit, groups: Groups) -> bool:
    intercept = fit.spec.design.intercept is not None
    return intercept and groups.X.shape == (2, 2) and groups.offset[0] == groups.offset[1]


def _kept(fit: Fit) -> list[str]:
    return [name for slot, name in enumerate(fit.columns) if _estimated(fit, slot)]


def _conditional(fit: Fit, groups: Groups, chosen: list[tuple[str, tuple[int, ...]]], asked: Asked) -> Exact:
    """A row for each coefficient, before them one for each term of several."""
    if asked.interval not in (None, *_TAILS):
        raise ArgumentError(
            f'interval="{asked.interval}" is that of one sample: this formula has terms. Leave interval= out.'
        )
    if asked.eform and asked.null is not None and asked.null <= 0:
        raise ArgumentError(f"null must be a ratio > 0: got {asked.null!r}. A coefficient takes eform=False.")
    if asked.test == "fisher" and not (groups.bounded and len(_terms(fit)) == 1 and _flat(fit, groups)):
        raise ArgumentError(
            'test="fisher" compares groups: a binomial fit with one term beside the intercept, without '
            'offset. Take test="conditional", which is the same test for any terms.'
        )
    found = [row for name, slots in chosen for row in _rows(fit, groups, name, slots, asked)]
    rows = [row for row in found if isinstance(row, ExactTest)]
    failed = [row for row in found if isinstance(row, TooMany)]
    if not rows:
        raise ArgumentError(str(failed[0]))
    drawn = any(row.drawn for row in rows)
    scale = "observed sums of the columns" if len(rows) > 1 else "observed sum of the column"
    lines = [f"statistic: {scale}, given the sums of all others"]
    if any(math.isnan(row.estimate) and row.estimator == "" and not row.note for row in rows):
        what = "score statistic" if drawn or asked.test == "score" else "probability of what was observed"
        lines.append(f"statistic of a term of several columns: {what}")
    middle = "mid-p " if asked.midp else ""
    both = asked.alternative == "two-sided"
    how = f"both one-sided {middle}tests inverted" if both else f"the {middle}test inverted"
    lines.append(interval_words(asked, how))
    if asked.null is not None:
        lines.append(f"hypothesis: {rows[0].parameter or 'ratio'} {asked.null:g}")
    single = "alternative" if asked.alternative != "two-sided" else "null"
    several = [name for name, slots in chosen if len(slots) > 1]
    if several and not _has_joint(asked):
        lines.append(f"{single}= is of single coefficients: no joint test of {one_of(several)}")
    if failed:
        lines.append(f"left out: {one_of([reason.name for reason in failed])}. {failed[0]}")
    names = {"binomial": "logistic", "poisson": "Poisson"}
    title = f"Exact conditional {names[fit.spec.likelihood.family.name]} regression"
    return listing(fit, title, rows, asked, lines)


def _has_joint(asked: Asked) -> bool:
    return asked.alternative == "two-sided" and asked.null is None


def _flat(fit: Fit, groups: Groups) -> bool:
    return fit.spec.design.intercept is not None and bool((groups.offset == groups.offset[0]).all())


def _rows(
    fit: Fit, groups: Groups, name: str, slots: tuple[int, ...], asked: Asked
) -> Iterator[ExactTest | TooMany]:
    """The rows of a term, or why there are none: the joint test, then each column."""
    kept = _kept(fit)
    places = tuple(kept.index(fit.columns[slot]) for slot in slots)
    if len(slots) > 1 and _has_joint(asked):
        yield _tried(joint, Question(name, groups, places, asked))
    for slot, place in zip(slots, places, strict=True):
        row = _tried(single, Question(fit.columns[slot], groups, (place,), asked))
        if isinstance(row, TooMany):
            yield row
            continue
        parameter = "coefficient"
        if asked.eform:
            parameter = baseline_name(fit) if slot == fit.spec.design.intercept else ratio_name(fit)
        row = replace(row, parameter=parameter)
        yield row.exponentiated if asked.eform else row


def _tried(verb: Callable[[Question], ExactTest], question: Question) -> ExactTest | TooMany:
    try:
        return verb(question)
    except TooMany as error:
        return error
