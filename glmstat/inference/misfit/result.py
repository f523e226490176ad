"""What score tests without training return, and how it prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmstat.inference.deviance.difference import heading
from glmstat.inference.hypothesis.outcome import Test
from glmstat.inference.misfit.directions import KERNEL, LWG
from glmstat.inference.selected import selection_note
from glmstat.matrix import Array
from glmstat.text.layout import count
from glmstat.text.listing import Listing

if TYPE_CHECKING:
    from glmstat.fit import Fit

__all__ = ["OMNIBUS", "ScoreTests", "listing"]

OMNIBUS = "omnibus"


@dataclass(frozen=True, eq=False, repr=False)
class ScoreTests(Listing):
    """Score tests of what a fit may have missed, in print.

    Parameters
    ----------
    tests : one per row: statistic, df, p-value, reference, note.
    variables : of which a function may be missing.
    vcov : how scores are weighed: "HC0", "CR0" or "classical".
    weights : for each kernel the weights of its sum of chi-squared variables, largest last.
    units, seed : of the kernels and of Lee, White and Granger's test.
    """

    tests: tuple[Test, ...] = ()
    variables: tuple[str, ...] = ()
    vcov: str = ""
    weights: Mapping[str, Array] = field(default_factory=dict)
    units: int = 0
    seed: int = 0

    __test__ = False

    @property
    def p_value(self) -> float:
        """The p-value of the last row: of the omnibus test where there is one."""
        return self.tests[-1].p_value


def listing(
    fit: Fit,
    rows: list[Test],
    *,
    variables: tuple[str, ...],
    vcov: str,
    words: str,
    weights: Mapping[str, Array],
    units: int,
    seed: int,
) -> ScoreTests:
    """Return the table of some tests.

    Parameters
    ----------
    vcov, words : the kind of covariance, and what there is to say of it.
    """
    columns = {word: [getattr(row, word) for row in rows] for word in ("statistic", "df", "p_value")}
    title = (
        heading(fit, "Score tests, nothing trained"),
        " ".join(fit.formula.split()),
        f"H0: no further function of {', '.join(variables)} is missing",
    )
    notes = (
        *_references(rows),
        f"vcov: {vcov} ({words})",
        *_drawn(rows, units, seed),
        *_remarks(rows),
        *(["the fit has not converged"] if fit.status == "not converged" else []),
        *selection_note(fit),
    )
    return ScoreTests(
        title,
        tuple(row.name for row in rows),
        columns,
        notes,
        fit.native,
        "test",
        tests=tuple(rows),
        variables=variables,
        vcov=vcov,
        weights=weights,
        units=units,
        seed=seed,
    )


def _references(rows: list[Test]) -> Iterator[str]:
    """The distributions of the tests, but of the omnibus test: that is told in a line of its own."""
    of: dict[str, list[str]] = {}
    for row in rows:
        if row.reference and row.name != OMNIBUS:
            law = "chi-squared" if row.reference.startswith("chi-squared") else row.reference
            of.setdefault(law, []).append(row.name)
    yield "reference: " + " · ".join(f"{law} for {', '.join(names)}" for law, names in of.items())


def _drawn(rows: list[Test], units: int, seed: int) -> Iterator[str]:
    """What is said of tests with random weights."""
    names = [row.name for row in rows if row.reference]
    if any(name.startswith(KERNEL) for name in names):
        yield f"kernel: |U|² over its mean, effective df · {count(units, 'unit')}, seed {seed}"
    if LWG in names:
        yield f"{LWG}: leading components of 10 logistic units, seed {seed}"


def _remarks(rows: list[Test]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            found.setdefault(row.note, []).append(row.name)
    for note, names in found.items():
        yield f"{', '.join(names)}: {note}"
