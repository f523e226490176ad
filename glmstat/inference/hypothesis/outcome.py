"""What tests of hypotheses return: one record per test, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from glmstat.inference.covariance import is_robust, label
from glmstat.inference.selected import selection_note
from glmstat.matrix import Array
from glmstat.text.layout import count
from glmstat.text.listing import Listing
from glmstat.text.number import figure, percent

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = [
    "DELTA",
    "FIELLER",
    "LR",
    "RAO_SCOTT",
    "ROBUST_SCORE",
    "ROBUST_WALD",
    "SANDWICH",
    "SCORE",
    "WALD",
    "Test",
    "Tests",
    "covariance_of",
    "table",
]

WALD, ROBUST_WALD = "Wald", "robust Wald"
LR, SCORE, ROBUST_SCORE = "likelihood ratio", "score (Rao)", "robust score"
RAO_SCOTT, DELTA, FIELLER = "Rao–Scott", "delta method", "Fieller"
_BY_ROW = "t, Satterthwaite df "
_LISTED = 4  # hypotheses that a line names
SANDWICH = "HC3"  # what "all" takes for its robust rows where the fit has no sandwich: sandwich's default


@dataclass(frozen=True, eq=False)
class Test:
    """One test of one hypothesis; NaN where a number is not defined.

    Parameters
    ----------
    name : which test: "Wald", "likelihood ratio", …
    hypothesis : as written.
    statistic : signed z or t for one restriction by Wald; else chi-squared or F.
    df : number of restrictions; for Rao–Scott Satterthwaite's degrees of freedom.
    reference : distribution of the statistic: "z", "t(37)", "chi-squared(2)", "F(2, 37)".
    note : what a reader should know; why there is no number.
    p_unadjusted : the p-value before it was adjusted for several tests.
    combination : (p,) gradient of what is estimated.
    """

    name: str
    hypothesis: str
    statistic: float = nan
    df: float = nan
    p_value: float = nan
    reference: str = ""
    note: str = ""
    estimate: float = nan
    std_error: float = nan
    conf_low: float = nan
    conf_high: float = nan
    p_unadjusted: float = nan
    combination: Array | None = field(default=None, repr=False)

    __test__ = False  # its name is no wish to be collected by pytest

    @property
    def robust(self) -> bool:
        """Whether it uses a sandwich for its standard error."""
        return self.name.startswith("robust")


@dataclass(frozen=True, eq=False, repr=False)
class Tests(Listing):
    """Tests of hypotheses in print; `tests` holds them one by one.

    Parameters
    ----------
    tests : one per row.
    """

    tests: tuple[Test, ...] = ()

    __test__ = False

    def __getitem__(self, name: str) -> list[Any]:
        return (
            list(self.columns[name]) if name in self.columns else [getattr(row, name) for row in self.tests]
        )

    def to_frame(self) -> Any:
        """Return the table with reference distribution and note of each row, in the caller's library."""
        facts = ("p_unadjusted", "reference", "note")
        columns = {**self.columns, **{name: [getattr(row, name) for row in self.tests] for name in facts}}
        whole = Listing(self.title, self.index, columns, self.notes, self.native, self.index_name)
        return whole.to_frame()


def covariance_of(fit: Fit, row: Test) -> Fit:
    """Return the fit with the covariance that a row uses: its own, the model's, or the sandwich of "all"."""
    if row.robust == is_robust(fit) or fit.spec.call["sampling_weights"] is not None:
        return fit
    return fit.with_vcov(SANDWICH if row.robust else "classical")


def table(fit: Fit, rows: list[Test], level: float, remarks: Sequence[str], *, intervals: str = "") -> Tests:
    """Return the table of some tests.

    Parameters
    ----------
    level : coverage of the intervals.
    remarks : lines below: how p-values were adjusted.
    intervals : what to say of the intervals beside their coverage.
    """
    asked = tuple(dict.fromkeys(row.hypothesis for row in rows))
    names = tuple(dict.fromkeys(row.name for row in rows))
    several = len(asked) > 1
    columns = {word: [getattr(row, word) for row in rows] for word in _words(rows)}
    if several and len(names) > 1:
        columns = {"test": [row.name for row in rows], **columns}
    family = fit.spec.family
    whole = asked[0] if "=" in asked[0] else f"{asked[0]} = 0"
    title = (
        f"Tests of {len(asked)} hypotheses" if several else f"Test of {whole}",
        f"{family.title}, {family.link.text.replace('_', ' ')} link · {count(fit.nobs, 'row')}",
        " ".join(fit.formula.split()),
    )
    return Tests(
        title,
        tuple(row.hypothesis if several else row.name for row in rows),
        columns,
        (*_facts(fit, rows, level, intervals), *remarks, *_notes(rows, several=several)),
        fit.native,
        "hypothesis" if several else "test",
        tests=tuple(rows),
    )


def _words(rows: list[Test]) -> Iterator[str]:
    """Columns that have something in them; df where not all tests are of one restriction by Wald."""
    estimated = any(not isnan(row.estimate) for row in rows)
    if estimated:
        yield from ("estimate", "std_error")
    yield "statistic"
    if not estimated or any(row.df > 1 for row in rows):
        yield "df"
    yield "p_value"
    if estimated:
        yield from ("conf_low", "conf_high")


def _facts(fit: Fit, rows: list[Test], level: float, intervals: str) -> Iterator[str]:
    from glmstat.report.summary import ESTIMATORS

    yield from _references(rows)
    yield from _covariances(fit, rows)
    if any(not isnan(row.conf_low) for row in rows):
        yield f"intervals: {percent(level)}{intervals}"
    phi = fit.estimate.dispersion
    by_dispersion = (SCORE,) if fit.estimate.profiled else (LR, SCORE)
    scaled = [row.name for row in rows if row.name in by_dispersion and row.reference]
    if scaled and phi.estimator != "fixed":
        names = " and ".join(dict.fromkeys(scaled))
        used = f"{figure(phi.value)} ({ESTIMATORS[phi.estimator]})"
        yield f"{names}: scaled by the dispersion of the fit, {used}"
    if fit.status == "not converged":
        yield "the fit has not converged"
    yield from selection_note(fit)


def _references(rows: list[Test]) -> Iterator[str]:
    """The distribution of each test; a line for each set of hypotheses that have the same ones."""
    of: dict[str, dict[str, str]] = {}
    for row in rows:
        law = _law(row, rows)
        if law:
            of.setdefault(row.hypothesis, {})[row.name] = law
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    known = {name: law for laws in of.values() for name, law in laws.items()}
    if all(known[name] == law for laws in of.values() for name, law in laws.items()):
        alike = {tuple(known.items()): []} if known else {}
    else:
        for hypothesis, laws in of.items():
            alike.setdefault(tuple(laws.items()), []).append(hypothesis)
    single = len({row.name for row in rows}) == 1
    for laws, whose in alike.items():
        names: dict[str, list[str]] = {}
        for name, law in laws:
            names.setdefault(law, []).append(name)
        plain = single or len(names) == len(set(known.values())) == 1
        texts = [law if plain else f"{law} for {', '.join(several)}" for law, several in names.items()]
        yield f"reference{_of(whose)}: " + ("; " if whose else " · ").join(texts)


def _of(hypotheses: Sequence[str]) -> str:
    if not hypotheses:
        return ""
    more = f", … ({len(hypotheses)} hypotheses)" if len(hypotheses) > _LISTED else ""
    return f" of {'; '.join(hypotheses[:_LISTED])}{more}"


def _law(row: Test, rows: list[Test]) -> str:
    """The reference of a row; degrees of freedom that differ from row to row as their range."""
    if not row.reference.startswith(_BY_ROW):
        return row.reference
    others = [other.reference for other in rows if other.reference.startswith(_BY_ROW)]
    ordered = sorted(dict.fromkeys(others), key=lambda text: float(text.removeprefix(_BY_ROW).split()[0]))
    last = ordered[-1].removeprefix(_BY_ROW).strip()
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {last}"


def _covariances(fit: Fit, rows: list[Test]) -> Iterator[str]:
    """The covariance of the fit, and that of rows which use another."""
    used = [row for row in rows if row.reference and row.name not in (LR, SCORE)]
    own = [row for row in used if row.robust == is_robust(fit) or row.name == RAO_SCOTT]
    if own:
        yield f"vcov: {label(fit)}"
    others = [row for row in used if row not in own]
    if others:
        names = ", ".join(dict.fromkeys(row.name for row in others))
        yield f"vcov of {names}: {label(covariance_of(fit, others[0]))}"


def _notes(rows: list[Test], *, several: bool) -> Iterator[str]:
    """The notes of the rows, each once: for all hypotheses together where all have it."""
    names = {row.name for row in rows}
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            named = row.name if not row.note.startswith(row.name) and (not several or len(names) > 1) else ""
            found.setdefault((named, row.note), []).append(row.hypothesis)
    asked = len({row.hypothesis for row in rows})
    for (name, note), whose in found.items():
        shown = [""] if not several or len(whose) == asked else whose
        for hypothesis in shown:
            subject = ", ".join(filter(None, [hypothesis, name]))
            yield f"{subject}: {note}" if subject else note
