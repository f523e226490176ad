"""The printed result: one table of coefficients with what one needs to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from math import inf, isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

from glmstat.errors import ArgumentError, ComparisonError
from glmstat.estimate import Dispersion
from glmstat.inference.absorbed import summary_lines
from glmstat.inference.convention.scale import genmod_scale
from glmstat.inference.covariance import label
from glmstat.inference.eform import exponentiated, ratio_notes
from glmstat.inference.interval import wald
from glmstat.inference.likelihood import plugged_in, takes_given
from glmstat.inference.reference import Reference, reference
from glmstat.inference.shape.estimated import shape_lines
from glmstat.matrix import Array
from glmstat.remedies import advice
from glmstat.table import noted
from glmstat.text.layout import (
    PAD,
    RIGHT,
    WIDTH,
    Spell,
    count,
    html_lines,
    plain_letters,
    row,
    wrapped,
)
from glmstat.text.letters import printable
from glmstat.text.number import coefficient_texts, common_decimals, figure, p_text, percent, statistic_text
from glmstat.verdict import headline

if TYPE_CHECKING:
    from glmstat.fit import Fit
    from glmstat.formula.design import Predictor

__all__ = ["Summary", "summary", "title"]

TITLE_WIDTH = 73
_LONG = 9  # letters of a number that fits into any table
SHOWN_APART = ("event", "missing", "aliased")  # notes that have a line of their own
ROLE_WORDS = ("offset", "exposure", "weights", "freq_weights", "sampling_weights", "subset")
_APART: Mapping[str, Callable[[float], str]] = {  # columns that are not on the scale of a coefficient
    "statistic": statistic_text,
    "df": "{:.1f}".format,
    "p_value": p_text,
}
ESTIMATORS = {
    "fixed": "fixed",
    "given": "given",
    "pearson": "Pearson",
    "deviance": "deviance / df",
    "ml": "maximum likelihood",
    "adjusted": "adjusted score",
}


@dataclass(frozen=True, eq=False)
class Summary:
    """A fit in print. `str` gives text of at most 80 columns, notebooks show the same as a table.

    Parameters
    ----------
    fit : what is shown, with the covariance to show.
    level : coverage of the intervals.
    columns : estimates, standard errors, tests and intervals, arrays (p,) by name; `df` among them where it
        differs from coefficient to coefficient.
    head : the lines above the table.
    facts : what stands below it, before it is broken into lines.
    """

    fit: Fit
    level: float
    columns: Mapping[str, Array]
    head: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def foot(self) -> tuple[str, ...]:
        """The lines below the table."""
        return tuple(line for text in self.facts for line in wrapped(text))

    def __str__(self) -> str:
        lines = [*self.head, "", *_table_lines(self.fit, self.columns, str), "", *self.foot]
        return "\n".join(lines if "".join(lines).isprintable() else map(printable, lines))

    def __repr__(self) -> str:
        return str(self)

    def ascii(self) -> str:
        """Return the text in ASCII, laid out after the replacement of letters."""
        head = _head(self.fit, plain_letters)
        foot = [line for text in self.facts for line in wrapped(text, plain_letters)]
        return "\n".join([*head, "", *_table_lines(self.fit, self.columns, plain_letters), "", *foot])

    def _repr_html_(self) -> str:
        cells = _cells(self.fit, self.columns)
        header = "".join(
            f'<th style="{RIGHT};border-bottom:1px solid">{name}</th>'
            for name in ("", *_headings(self.fit, self.columns))
        )
        width = len(self.columns)
        blocks = _blocks(self.fit)
        rows = "".join(
            _html_block(blocks.get(place), width)
            + f'<tr><th style="text-align:left;{PAD}">{escape(row[0])}</th>{_html_cells(row[1:], width)}</tr>'
            for place, row in enumerate(cells)
        )
        head, foot = (html_lines(lines) for lines in (self.head, self.foot))
        table = f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody>"
        return f'<div>{head}<table style="border-collapse:collapse;margin:.6em 0">{table}</table>{foot}</div>'

    def to_frame(self) -> Any:
        """Return the table of coefficients in the caller's library.

        Returns
        -------
        Table with columns estimate, std_error, statistic, p_value, conf_low, conf_high, and `df` where it
        differs between coefficients; the terms are the index in pandas and a column `term` elsewhere.
        """
        return noted(self.fit.by_term(self.columns), notes=list(self.facts))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that is printed as JSON values: NaN as None, infinities as "inf", "-inf"."""
        fit, end = self.fit, self.fit.estimate.convergence
        rows = [[_json(float(value)) for value in row] for row in zip(*self.columns.values(), strict=True)]
        return {
            "formula": fit.formula,
            "family": fit.spec.family.text,
            "link": fit.spec.likelihood.family.link.text,
            "coefficients": [
                {"term": name, **dict(zip(self.columns, row, strict=True))}
                for name, row in zip(fit.columns, rows, strict=True)
            ],
            "level": self.level,
            "vcov": label(fit),
            "reference": reference(fit).text,
            **{word: _json(getattr(fit, word)) for word in ("nobs", "df_residual", "df_null")},
            **{
                word: _json(getattr(fit, word))
                for word in ("deviance", "null_deviance", "pearson", "dispersion")
            },
            "dispersion_estimator": fit.estimate.dispersion.estimator,
            **_shape_facts(fit),
            **_likelihood_facts(fit),
            **({} if fit.spec.statement is None else {"statement": fit.spec.statement.to_json()}),
            **_other_formulas(fit),
            "aliased": dict(fit.estimate.aliased),
            "status": end.status,
            "iterations": end.iterations,
            "warnings": list(headline(fit.estimate, fit.columns, advice(fit.spec, fit.estimate))),
            "notes": [note.text for note in fit.notes],
        }


def summary(fit: Fit, level: float = 0.95, *, eform: bool = False) -> Summary:
    """Return a fit in print, with the covariance it carries.

    Parameters
    ----------
    level : coverage of the intervals.
    eform : show exp(coefficient).
    """
    if not isinstance(eform, bool):
        raise ArgumentError(f"eform must be True or False: got {eform!r}.")
    known = reference(fit)
    table = wald(fit, level, known=known)
    told = _facts if fit.spec.statement is None else _stated
    facts = tuple(told(fit, level, known))
    if eform:
        table, facts = exponentiated(fit, table), (*ratio_notes(fit), *facts)
    columns = table._asdict()
    if fit.convention.wald_statistic == "square":
        columns["statistic"] = columns["statistic"] ** 2
    if len({df for df in known.df.tolist() if isfinite(df)}) > 1:
        after = list(columns).index("statistic") + 1
        named = list(columns.items())
        columns = dict([*named[:after], ("df", known.df), *named[after:]])
    return Summary(fit, level, _shown(fit, columns), tuple(_head(fit)), facts)


def _shown(fit: Fit, columns: dict[str, Array]) -> dict[str, Array]:
    """The columns that the fit's statement covers."""
    statement = fit.spec.statement
    if statement is None or statement.tests:
        return columns
    hidden = ("statistic", "p_value", "df") if statement.covariances else tuple(columns)[1:]
    return {name: values for name, values in columns.items() if name not in hidden}


def title(fit: Fit, spell: Spell = str) -> tuple[str, ...]:
    """Return the first lines of a summary: family, link, rows, coefficients; the formula.

    Parameters
    ----------
    spell : what replaces letters, before the lines are laid out.
    """
    family = fit.spec.family
    beside = " with networks" if fit.spec.design.formula.networks else ""
    left = spell(f"{family.title}{beside}, {family.link.text.replace('_', ' ')} link")
    right = spell(f"{count(fit.nobs, 'row')} · {count(len(fit.columns), 'coefficient')}")
    space = TITLE_WIDTH - len(left) - len(right)
    first = (left + " " * space + right,) if space > 1 else (left, right)
    return (*first, *wrapped(" ".join(fit.formula.split()), spell))


def _head(fit: Fit, spell: Spell = str) -> Iterator[str]:
    for text in headline(fit.estimate, fit.columns, advice(fit.spec, fit.estimate)):
        yield from wrapped(text, spell)
    yield from title(fit, spell)
    for text in _asked(fit):
        yield from wrapped(text, spell)


def _asked(fit: Fit) -> Iterator[str]:
    """The event, the rows dropped, and the arguments in use."""
    design, call = fit.spec.design, fit.spec.call
    if design.modelled:
        yield f"modelled: {design.modelled}"
    if design.schema.missing.dropped:
        yield design.schema.missing.text
    used = [f"{word}: {_role(call[word])}" for word in ROLE_WORDS if call[word] is not None]
    if used:
        yield " · ".join(used)


def _stated(fit: Fit, level: float, known: Reference) -> Iterator[str]:
    """What a table says that is not one of a maximum of the likelihood, and what it rests on."""
    statement = fit.spec.statement
    assert statement is not None
    yield f"{statement.choice}: {statement.title}"
    if statement.covariances:
        kind = statement.interval
        yield f"vcov: {label(fit)} · intervals: {percent(level)} {kind}, {_reference(known)}"
    learned = "" if statement.argument else " in sample"
    yield (
        f"deviance{learned} {figure(fit.deviance)} · {_null(fit)}"
        f"dispersion {_dispersion(fit.estimate.dispersion)}"
    )
    yield from shape_lines(fit)
    if "loglik" in statement.holds:
        yield f"{_likelihood(fit)} · {count(fit.estimate.convergence.iterations, 'iteration')}"
    yield from _conventions(fit)
    yield from statement.lines
    yield from _references_and_notes(fit)


def _null(fit: Fit) -> str:
    """The null deviance, where there is one."""
    value = fit.null_deviance
    return "" if isnan(value) else f"null {figure(value)} on {fit.df_null} df · "


def _facts(fit: Fit, level: float, known: Reference) -> Iterator[str]:
    estimate = fit.estimate
    yield f"vcov: {label(fit)} · intervals: {percent(level)} Wald, {_reference(known)}"
    yield (
        f"deviance {figure(fit.deviance)} on {fit.df_residual} df · {_null(fit)}"
        f"dispersion {_dispersion(estimate.dispersion)}"
    )
    yield from shape_lines(fit)
    yield from _without_columns(fit)
    yield f"{_likelihood(fit)} · {count(estimate.convergence.iterations, 'iteration')}"
    yield from _conventions(fit)
    yield from summary_lines(fit)
    yield from _references_and_notes(fit)


def _conventions(fit: Fit) -> Iterator[str]:
    """Whose conventions the table follows, where these are another system's."""
    if fit.convention.described:
        yield " · ".join((f"conventions of {fit.convention.described}", *_apart(fit)))


def _apart(fit: Fit) -> Iterator[str]:
    """What a convention prints that stands in no other line."""
    statement = fit.spec.statement
    if fit.convention.wald_statistic == "square" and (statement is None or statement.tests):
        yield "statistic: Wald's chi-squared(1)"
    scale = genmod_scale(fit) if fit.convention.scale == "genmod" else None
    if scale is not None:
        yield f"scale {figure(scale)}"


def _references_and_notes(fit: Fit) -> Iterator[str]:
    references = fit.spec.design.references.items()
    if references:
        yield " · ".join(f"{text}: reference level {level}" for text, level in references)
    for note in fit.notes:
        if note.kind not in SHOWN_APART:
            yield note.text


def _reference(known: Reference) -> str:
    return f"z; tests: {known.text}" if known.normal_ends and known.text != "z" else known.text


def _dispersion(dispersion: Dispersion) -> str:
    value = "1" if dispersion.estimator == "fixed" else figure(dispersion.value)
    return f"{value} ({ESTIMATORS[dispersion.estimator]})"


def _likelihood(fit: Fit) -> str:
    try:
        loglik = fit.loglik
    except ComparisonError as error:
        return str(error).partition(": ")[0].replace("loglik is", "loglik, AIC and BIC are")
    if loglik == inf:
        return "loglik is infinite: AIC and BIC are not defined"
    if isnan(loglik):
        return "no likelihood: loglik, AIC and BIC are not defined"
    counted = count(fit.parameters, "parameter") + _own_dispersion(fit) + _own_shape(fit)
    aic = "AIC / row" if fit.convention.aic == "per row" else "AIC"
    bic = "BIC of the deviance" if fit.convention.bic == "deviance" else "BIC"
    return f"loglik {figure(loglik)} · {aic} {figure(fit.aic)} ({counted}) · {bic} {figure(fit.bic)}"


def _own_dispersion(fit: Fit) -> str:
    """What the count of parameters says of the dispersion; only Tweedie's loglik uses a given number."""
    if not fit.spec.likelihood.family.counts_dispersion:
        return ""
    at, used = plugged_in(fit), fit.estimate.dispersion.estimator
    counted = ", dispersion counted" if fit.convention.counts_dispersion else ", dispersion not counted"
    if at is not None:
        return f"{counted}; at dispersion {figure(at)}"
    if takes_given(fit.estimate, fit.spec.likelihood):
        return "; at the given dispersion"
    if fit.spec.likelihood.family.name == "tweedie":
        return counted if used == "ml" else f"{counted}; at its likeliest value"
    return "; at R's own dispersion, not the given" if used == "given" else counted


def _own_shape(fit: Fit) -> str:
    shape = fit.estimate.shape
    return f", {shape.name} not counted" if shape is not None and not fit.convention.counts_shape else ""


def _other_formulas(fit: Fit) -> dict[str, Any]:
    others = fit.spec.design.others
    return {"predictors": {name: one.text for name, one in others.items()}} if others else {}


def _shape_facts(fit: Fit) -> dict[str, Any]:
    shape = fit.estimate.shape
    if shape is None:
        return {}
    words = ("name", "value", "std_error", "estimator")
    return {"shape": {word: _json(getattr(shape, word)) for word in words}}


def _likelihood_facts(fit: Fit) -> dict[str, Any]:
    try:
        return {word: _json(getattr(fit, word)) for word in ("loglik", "aic", "bic")}
    except ComparisonError:
        return dict.fromkeys(("loglik", "aic", "bic"))


def _cells(fit: Fit, columns: Mapping[str, Array], *, alike: bool = True) -> list[tuple[str, ...]]:
    """Name and a text per column for each coefficient; an aliased one has its reason in the place of them.

    Where `alike`, all rows have the same number of decimals.
    """
    rows = zip(fit.columns, *(column.tolist() for column in columns.values()), strict=True)
    aliased = fit.estimate.aliased
    decimals = common_decimals(columns["std_error"].tolist()) if alike and "std_error" in columns else None
    return [
        (name, "aliased", aliased[name])
        if name in aliased
        else (name, *_texts(decimals, dict(zip(columns, numbers, strict=True))))
        for name, *numbers in rows
    ]


def _texts(decimals: int | None, cells: Mapping[str, float]) -> tuple[str, ...]:
    estimate, std_error = cells["estimate"], cells.get("std_error", nan)
    if isnan(std_error):
        without = ("NaN", *[""] * (len(cells) - 2)) if len(cells) > 1 else ()
        return (*coefficient_texts((estimate,), std_error), *without)
    scaled = [value for name, value in cells.items() if name not in _APART]
    numbers = iter(coefficient_texts(scaled, std_error, decimals))
    return tuple([_APART[name](value) if name in _APART else next(numbers) for name, value in cells.items()])


def _table_lines(fit: Fit, columns: Mapping[str, Array], spell: Spell) -> Iterator[str]:
    cells, widths = _laid_out(fit, columns, spell, alike=True)
    room, dots = _room(widths), spell("…")
    if any(len(row[0]) > room for row in cells):
        shorter = _laid_out(fit, columns, spell, alike=False)
        if all(len(row[0]) <= _room(shorter[1]) for row in cells):
            (cells, widths), room = shorter, _room(shorter[1])
    if room < 0:
        cells = [
            (name, *map(_four_digits, texts)) if len(texts) > 2 else (name, *texts) for name, *texts in cells
        ]
        widths = _widths(cells, columns)
        room = _room(widths)
    margin = max((len(row[0]) for row in cells if len(row[0]) <= room), default=0)
    yield row("", _headings(fit, columns), widths, margin)
    blocks = _blocks(fit)
    for place, (name, *texts) in enumerate(cells):
        yield from (() if place not in blocks else ("", *wrapped(blocks[place], spell)))
        if len(name) > margin:
            yield name if len(name) <= WIDTH else name[: WIDTH - len(dots)] + dots
            name = ""
        if len(texts) == len(columns):
            yield row(name, texts, widths, margin)
        else:
            yield f"{name:<{margin}}  {texts[0]:>{widths[0]}}  {texts[1]}"[:WIDTH]


def _blocks(fit: Fit) -> dict[int, str]:
    """What stands above the first coefficient of each predictor besides the mean's, by its place."""
    return {int(one.slots[0]): words for one, words in _further(fit) if len(one.slots)}


def _without_columns(fit: Fit) -> Iterator[str]:
    """The formulas of predictors besides the mean's that have no coefficient."""
    for one, words in _further(fit):
        if not len(one.slots):
            known = "given by the offset" if one.offsets else "1"
            yield f"{words} (no coefficient: {one.name} is {known})"


def _further(fit: Fit) -> Iterator[tuple[Predictor, str]]:
    """The predictors besides the mean's, with their links and formulas in words."""
    design, links = fit.spec.design, fit.spec.likelihood.links
    for one, link in zip(design.predictors, links, strict=True):
        if one.name in design.others:
            yield one, f"{one.name}, {link.text.replace('_', ' ')} link: {design.others[one.name].text}"


def _laid_out(
    fit: Fit, columns: Mapping[str, Array], spell: Spell, *, alike: bool
) -> tuple[list[tuple[str, ...]], list[int]]:
    """The texts of the table, and how wide each column is."""
    cells = [tuple(map(spell, row)) for row in _cells(fit, columns, alike=alike)]
    return cells, _widths(cells, dict.fromkeys(_headings(fit, columns)))


def _headings(fit: Fit, columns: Iterable[str]) -> list[str]:
    """The names of the columns in print: what standard errors are is for the statement to say."""
    statement = fit.spec.statement
    words = {} if statement is None else {"std_error": statement.std_error}
    return [words.get(name, name) for name in columns]


def _widths(cells: list[tuple[str, ...]], columns: Iterable[str]) -> list[int]:
    columns = list(columns)
    whole = [row[1:] for row in cells if len(row) == 1 + len(columns)]
    return [max(map(len, texts)) for texts in zip(columns, *whole, strict=True)]


def _four_digits(text: str) -> str:
    """A long number with four significant digits."""
    return text if len(text) <= _LONG or not text else f"{float(text):.4g}"


def _room(widths: list[int]) -> int:
    return WIDTH - sum(widths) - 2 * len(widths)


def _role(value: Any) -> str:
    return value if isinstance(value, str) else "an array"


def _json(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else "inf" if value > 0 else "-inf"
    return value


def _html_block(text: str | None, width: int) -> str:
    if text is None:
        return ""
    return f'<tr><th style="text-align:left;{PAD}" colspan="{width + 1}">{escape(text)}</th></tr>'


def _html_cells(texts: tuple[str, ...], width: int) -> str:
    if len(texts) == width:
        return "".join(f'<td style="{RIGHT}">{escape(text)}</td>' for text in texts)
    word, reason = map(escape, texts)
    return f'<td style="{RIGHT}">{word}</td><td style="{PAD}" colspan="{width - 1}">{reason}</td>'
