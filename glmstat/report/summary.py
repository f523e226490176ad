"""The printed result: one table of coefficients with what one needs to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from math import isfinite, isnan
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from glmstat.errors import ComparisonError
from glmstat.estimate import Dispersion
from glmstat.inference.covariance import label
from glmstat.inference.interval import Wald, reference, wald
from glmstat.report.letters import in_ascii, printable
from glmstat.report.number import coefficient_texts, common_decimals, figure, p_text, statistic_text
from glmstat.verdict import headline

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["Summary", "summary", "title"]

WIDTH = 80
TITLE_WIDTH = 73
COLUMNS = Wald._fields
SHOWN_APART = ("event", "missing", "aliased")  # notes that have a line of their own
ROLE_WORDS = ("offset", "exposure", "weights", "freq_weights", "sampling_weights", "subset")
ESTIMATORS = {
    "fixed": "fixed",
    "given": "given",
    "pearson": "Pearson",
    "deviance": "deviance / df",
    "ml": "maximum likelihood",
}

Spell = Callable[[str], str]


@dataclass(frozen=True, eq=False)
class Summary:
    """A fit in print. `str` gives text of at most 80 columns, notebooks show the same as a table.

    Parameters
    ----------
    fit : what is shown, with the covariance to show.
    level : coverage of the intervals.
    table : estimates, standard errors, tests and intervals, arrays (p,).
    head, foot : the lines above and below the table.
    """

    fit: Fit
    level: float
    table: Wald
    head: tuple[str, ...]
    foot: tuple[str, ...]

    def __str__(self) -> str:
        lines = [*self.head, "", *_table_lines(self.fit, self.table, str), "", *self.foot]
        return "\n".join(map(printable, lines))

    def __repr__(self) -> str:
        return str(self)

    def ascii(self) -> str:
        """Return the text in ASCII, laid out after the replacement of letters."""
        head, foot = _head(self.fit, _plain_letters), _foot(self.fit, self.level, _plain_letters)
        return "\n".join([*head, "", *_table_lines(self.fit, self.table, _plain_letters), "", *foot])

    def _repr_html_(self) -> str:
        cells = _cells(self.fit, self.table)
        header = "".join(
            f'<th style="{_RIGHT};border-bottom:1px solid">{name}</th>' for name in ("", *COLUMNS)
        )
        rows = "".join(
            f'<tr><th style="text-align:left;{_PAD}">{escape(row[0])}</th>{_html_cells(row[1:])}</tr>'
            for row in cells
        )
        head, foot = (_html_lines(lines) for lines in (self.head, self.foot))
        table = f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody>"
        return f'<div>{head}<table style="border-collapse:collapse;margin:.6em 0">{table}</table>{foot}</div>'

    def to_frame(self) -> Any:
        """Return the table of coefficients in the caller's library.

        Returns
        -------
        Table with columns estimate, std_error, statistic, p_value, conf_low, conf_high; the terms are the
        index in pandas and a column `term` elsewhere.
        """
        return self.fit.by_term(self.table._asdict())

    def to_dict(self) -> dict[str, Any]:
        """Return everything that is printed as JSON values: NaN as None, infinities as "inf", "-inf"."""
        fit, end = self.fit, self.fit.estimate.convergence
        rows = [[_json(float(value)) for value in row] for row in zip(*self.table, strict=True)]
        return {
            "formula": fit.formula,
            "family": fit.spec.likelihood.family.text,
            "link": fit.spec.likelihood.family.link.text,
            "coefficients": [
                {"term": name, **dict(zip(COLUMNS, row, strict=True))}
                for name, row in zip(fit.columns, rows, strict=True)
            ],
            "level": self.level,
            "vcov": label(fit.covariance),
            "reference": reference(fit),
            **{word: _json(getattr(fit, word)) for word in ("nobs", "df_residual", "df_null")},
            **{
                word: _json(getattr(fit, word))
                for word in ("deviance", "null_deviance", "pearson", "dispersion")
            },
            "dispersion_estimator": fit.estimate.dispersion.estimator,
            **_likelihood_facts(fit),
            "aliased": dict(fit.estimate.aliased),
            "status": end.status,
            "iterations": end.iterations,
            "warnings": list(headline(fit.estimate, fit.columns)),
            "notes": [note.text for note in fit.notes],
        }


def summary(fit: Fit, level: float = 0.95) -> Summary:
    """Return a fit in print, with the covariance it carries.

    Parameters
    ----------
    level : coverage of the intervals.
    """
    return Summary(fit, level, wald(fit, level), tuple(_head(fit)), tuple(_foot(fit, level)))


def title(fit: Fit, spell: Spell = str) -> tuple[str, ...]:
    """Return the first lines of a summary: family, link, rows, coefficients; the formula.

    Parameters
    ----------
    spell : what replaces letters, before the lines are laid out.
    """
    family = fit.spec.likelihood.family
    left = spell(f"{family.title}, {family.link.text.replace('_', ' ')} link")
    right = spell(f"{_count(fit.nobs, 'row')} · {_count(len(fit.columns), 'coefficient')}")
    space = TITLE_WIDTH - len(left) - len(right)
    first = (left + " " * space + right,) if space > 1 else (left, right)
    return (*first, *_wrapped(" ".join(fit.formula.split()), spell))


def _head(fit: Fit, spell: Spell = str) -> Iterator[str]:
    for text in headline(fit.estimate, fit.columns):
        yield from _wrapped(text, spell)
    yield from title(fit, spell)
    for text in _asked(fit):
        yield from _wrapped(text, spell)


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


def _foot(fit: Fit, level: float, spell: Spell = str) -> Iterator[str]:
    for text in _facts(fit, level):
        yield from _wrapped(text, spell)


def _facts(fit: Fit, level: float) -> Iterator[str]:
    estimate = fit.estimate
    yield f"vcov: {label(fit.covariance)} · intervals: {100 * level:g} % Wald, {_reference(fit)}"
    yield (
        f"deviance {figure(fit.deviance)} on {fit.df_residual} df · null {figure(fit.null_deviance)} "
        f"on {fit.df_null} df · dispersion {_dispersion(estimate.dispersion)}"
    )
    yield f"{_likelihood(fit)} · {_count(estimate.convergence.iterations, 'iteration')}"
    references = fit.spec.design.references.items()
    if references:
        yield " · ".join(f"{text}: reference level {level}" for text, level in references)
    for note in fit.notes:
        if note.kind not in SHOWN_APART:
            yield note.text


def _reference(fit: Fit) -> str:
    tests = reference(fit)
    normal = fit.convention.wald_quantile == "normal" and tests != "z"
    return f"z; tests: {tests}" if normal else tests


def _dispersion(dispersion: Dispersion) -> str:
    value = "1" if dispersion.estimator == "fixed" else figure(dispersion.value)
    return f"{value} ({ESTIMATORS[dispersion.estimator]})"


def _likelihood(fit: Fit) -> str:
    try:
        loglik = fit.loglik
    except ComparisonError as error:
        return str(error).partition(": ")[0].replace("loglik is", "loglik, AIC and BIC are")
    if isnan(loglik):
        return "no likelihood: loglik, AIC and BIC are not defined"
    counted = _count(fit.parameters, "parameter") + _own_dispersion(fit)
    return f"loglik {figure(loglik)} · AIC {figure(fit.aic)} ({counted}) · BIC {figure(fit.bic)}"


def _own_dispersion(fit: Fit) -> str:
    """What the count of parameters says of the dispersion; loglik never uses a number given for it."""
    if not fit.spec.likelihood.family.counts_dispersion:
        return ""
    given = fit.estimate.dispersion.estimator == "given"
    return "; at R's own dispersion, not the given" if given else ", dispersion counted"


def _likelihood_facts(fit: Fit) -> dict[str, Any]:
    try:
        return {word: _json(getattr(fit, word)) for word in ("loglik", "aic", "bic")}
    except ComparisonError:
        return dict.fromkeys(("loglik", "aic", "bic"))


def _cells(fit: Fit, table: Wald) -> list[tuple[str, ...]]:
    """Name and six texts for each coefficient; an aliased one has its reason in the place of them."""
    rows = zip(fit.columns, *(column.tolist() for column in table), strict=True)
    aliased = fit.estimate.aliased
    decimals = common_decimals(table.std_error.tolist())
    return [
        (name, "aliased", aliased[name]) if name in aliased else (name, *_numbers(decimals, *numbers))
        for name, *numbers in rows
    ]


def _numbers(decimals: int | None, *row: float) -> tuple[str, ...]:
    estimate, std_error, statistic, p_value, low, high = row
    if isnan(std_error):
        return (*coefficient_texts((estimate,), std_error), "NaN", "", "", "", "")
    first, second, fifth, sixth = coefficient_texts((estimate, std_error, low, high), std_error, decimals)
    return first, second, statistic_text(statistic), p_text(p_value), fifth, sixth


def _table_lines(fit: Fit, table: Wald, spell: Spell) -> Iterator[str]:
    cells = [tuple(map(spell, row)) for row in _cells(fit, table)]
    dots = spell("…")
    whole = [row for row in cells if len(row) == 1 + len(COLUMNS)]
    widths = [
        max(len(name), *(len(row[k + 1]) for row in whole)) if whole else len(name)
        for k, name in enumerate(COLUMNS)
    ]
    room = WIDTH - sum(widths) - 2 * len(widths)
    margin = max((len(row[0]) for row in cells if len(row[0]) <= room), default=0)
    yield _row("", COLUMNS, widths, margin)
    for name, *texts in cells:
        if len(name) > margin:
            yield name if len(name) <= WIDTH else name[: WIDTH - len(dots)] + dots
            name = ""
        if len(texts) == len(COLUMNS):
            yield _row(name, texts, widths, margin)
        else:
            yield f"{name:<{margin}}  {texts[0]:>{widths[0]}}  {texts[1]}"[:WIDTH]


def _row(name: str, texts: Any, widths: list[int], margin: int) -> str:
    line = f"{name:<{margin}}" + "".join(
        f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True)
    )
    return line.rstrip()


def _wrapped(text: str, spell: Spell = str) -> list[str]:
    """Lines of at most 80 columns, broken between facts if possible, else between words."""
    whole = spell(text)
    if len(whole) <= WIDTH:
        return [whole]
    lines: list[str] = []
    for fact in map(spell, text.split(" · ")):
        if lines and len(lines[-1]) + 3 + len(fact) <= WIDTH:
            lines[-1] += f"{spell(' · ')}{fact}"
        else:
            lines.append(fact)
    return [
        piece for line in lines for piece in wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    ]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _role(value: Any) -> str:
    return value if isinstance(value, str) else "an array"


def _plain_letters(text: str) -> str:
    return in_ascii(printable(text))


def _json(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else "inf" if value > 0 else "-inf"
    return value


_PAD = "padding:.1em .6em"
_RIGHT = f"text-align:right;{_PAD}"


def _html_cells(texts: tuple[str, ...]) -> str:
    if len(texts) == len(COLUMNS):
        return "".join(f'<td style="{_RIGHT}">{escape(text)}</td>' for text in texts)
    word, reason = map(escape, texts)
    return f'<td style="{_RIGHT}">{word}</td><td style="{_PAD}" colspan="{len(COLUMNS) - 1}">{reason}</td>'


def _html_lines(lines: tuple[str, ...]) -> str:
    return "".join(f'<div style="white-space:pre-wrap">{escape(line)}</div>' for line in lines)
