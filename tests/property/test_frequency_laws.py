"""A row that counts f times is f rows: in every covariance, test, interval, criterion and measure.

Two kinds of covariance are outside the law. The bootstrap draws what is in the data: of f equal rows each by
itself, of a row that counts f times all or none. HAC needs an order of the rows, which rows inside a count do
not have: it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import glmstat
from glmstat import Covariance, Fit, glm
from glmstat.call import Values
from glmstat.errors import ArgumentError
from glmstat.inference.covariance import RECIPES, as_covariance, facts
from glmstat.inference.deviance.anova import anova
from glmstat.inference.influence.result import METHODS as DELETIONS
from glmstat.inference.interval import METHODS as INTERVALS
from glmstat.inference.residual import RESIDUALS
from glmstat.inference.vcov.small_sample import PRESETS
from glmstat.text.listing import Listing

LAWS = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FAMILIES = [
    ("gaussian", "identity"),
    ("poisson", "log"),
    ("binomial", "logit"),
    ("binomial", "cloglog"),
    ("gamma", "log"),
    ("inverse_gaussian", "log"),
    ("negative_binomial(2)", "log"),
    ("quasipoisson", "sqrt"),
]
FORMULA = "y ~ x + z + f"
pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.GlmstatWarning")


def draw(seed: int, family: str, link: str) -> pd.DataFrame:
    """A table of 36 rows, of which `k` says how often each counts: 0, 1, 2 or 3 times."""
    rng, n = np.random.default_rng(seed), 36
    data = pd.DataFrame(
        {
            "x": rng.uniform(-1, 1, n),
            "z": rng.normal(0, 0.5, n),
            "v": rng.normal(0, 1, n),
            "f": rng.permutation(np.resize(["a", "b", "c"], n)),
            "k": rng.permutation(np.resize([1, 2, 0, 3, 1, 2], n)).astype(float),
            "firm": np.arange(n) // 4,
            "year": np.arange(n) % 4,
            "stratum": np.arange(n) // 12,
            "population": 100 + np.arange(n) // 12,
        }
    )
    eta = 1.2 + 0.4 * data["x"] + 0.2 * data["z"] + 0.1 * (data["f"] == "b")
    mean = eta**2 if link == "sqrt" else np.exp(eta)
    draws: dict[str, Any] = {
        "gaussian": lambda: eta + rng.normal(0, 1, n),
        "gamma": lambda: mean * rng.gamma(4, 1 / 4, n),
        "inverse_gaussian": lambda: mean * rng.wald(1, 6, n),
        "binomial": lambda: rng.binomial(8, rng.uniform(0.2, 0.8, n)) / 8,
    }
    data["y"] = draws.get(family, lambda: rng.poisson(mean).astype(float))()
    data["w"] = 8.0 if family == "binomial" else rng.integers(1, 5, n) / 2
    return data


@dataclass(frozen=True)
class Case:
    """A drawn table, by the numbers that it is made of."""

    seed: int
    family: str
    link: str

    @cached_property
    def data(self) -> pd.DataFrame:
        return draw(self.seed, self.family, self.link)

    @property
    def pair(self) -> tuple[Fit, Fit]:
        return fits(self)


@cache
def fits(case: Case) -> tuple[Fit, Fit]:
    """The fit of rows that count, and of the rows written out."""
    prior: dict[str, Any] = {} if case.family == "negative_binomial(2)" else {"weights": "w"}
    counted = glm(FORMULA, case.data, case.family, link=case.link, freq_weights="k", **prior)
    return counted, glm(FORMULA, written_out(case.data), case.family, link=case.link, **prior)


CASES = st.builds(
    lambda seed, model: Case(seed, *model), st.integers(0, 10**6), st.sampled_from(FAMILIES)
).filter(lambda case: case.pair[0].status == "converged")


def written_out(data: pd.DataFrame) -> pd.DataFrame:
    return data.loc[data.index.repeat(data["k"].astype(int))].reset_index(drop=True)


def close(left: Any, right: Any, rel: float = 1e-7) -> None:
    left, right = np.asarray(left, dtype=float), np.asarray(right, dtype=float)
    size = np.abs(right[np.isfinite(right)]).max(initial=0.0)
    np.testing.assert_allclose(left, right, rtol=rel, atol=1e-9 * size)


def same_table(left: Listing, right: Listing) -> None:
    """Equal labels, and equal numbers in every column."""
    assert left.index == right.index
    assert list(left.columns) == list(right.columns)
    for name in left.columns:
        cells = [["" if cell is None else cell for cell in table[name]] for table in (left, right)]
        if any(isinstance(cell, str) and cell for column in cells for cell in column):
            assert cells[0] == cells[1], name
        else:
            left_cells, right_cells = (
                [np.nan if cell == "" else cell for cell in column] for column in cells
            )
            close(left_cells, right_cells)


def outcome(verb: Any, *arguments: Any, **words: Any) -> Any:
    """What a verb returns, or the class of its refusal."""
    try:
        return verb(*arguments, **words)
    except glmstat.errors.GlmstatError as error:
        return type(error)


# ---------------------------------------------------------------- covariances

UNLAWFUL = ("bootstrap", "joint")  # drawn anew; of families with an estimated parameter alone
VARIABLES: Mapping[str, list[dict[str, Any]]] = {
    "cluster": [{"cluster": "firm"}, {"cluster": ("firm", "year")}, {"cluster": "firm:year"}],
    "strata": [{"strata": "stratum"}, {"strata": "stratum", "cluster": "firm"}],
    "fpc": [{"strata": "stratum", "fpc": "population"}],
}


def choices(kind: str) -> list[Covariance]:
    """The covariances of a kind, one per use of its arguments."""
    recipe = RECIPES[kind]
    plain = [] if kind.startswith("CR") else [Covariance(kind)]
    out = plain + [Covariance(kind, **words) for word in recipe.takes for words in VARIABLES.get(word, [])]
    first = out[0]
    if recipe.small_sample:
        out += [replace(first, small_sample=word) for word in PRESETS if word != "default"]
    return [*out, replace(first, information="observed")] if recipe.informed else out


LAWFUL = [
    covariance
    for kind, recipe in RECIPES.items()
    if "order" not in recipe.takes and kind not in UNLAWFUL
    for covariance in choices(kind)
]
ORDERED = [kind for kind, recipe in RECIPES.items() if "order" in recipe.takes]


def title(covariance: Covariance) -> str:
    words = [covariance.kind, *map(str, covariance.cluster), str(covariance.strata), str(covariance.fpc)]
    return "-".join([*filter(None, words), covariance.small_sample, covariance.information])


@pytest.mark.parametrize("covariance", LAWFUL, ids=title)
@LAWS
@given(case=CASES)
def test_covariances(covariance: Covariance, case: Case) -> None:
    counted, rows = (outcome(fit.vcov, covariance) for fit in case.pair)
    if counted is rows is ArgumentError:  # an observed information may be indefinite, a factor unknown
        assert covariance.information == "observed" or covariance.small_sample != "default"
        return
    close(counted, rows)
    known, wanted = (facts(fit, as_covariance(covariance)).to_array() for fit in case.pair)
    close(known, wanted)


@pytest.mark.parametrize("kind", ORDERED)
@LAWS
@given(case=CASES)
def test_rows_without_an_order_are_refused(kind: str, case: Case) -> None:
    counted, rows = case.pair
    order = np.arange(len(rows.fitted)) // 3 if kind == "DK" else ""
    assert np.isfinite(np.asarray(rows.stderror(Covariance(kind, order=order)))).all()
    with pytest.raises(ArgumentError, match="cannot use freq_weights"):
        counted.stderror(Covariance(kind, order=Values(np.arange(36)) if kind == "DK" else ""))


# ---------------------------------------------------------------- tests

HYPOTHESES = ["x = 0.5", "x, z", "f", "f[T.b] = f[T.c], x = 0", "exp(x) = 2", "x / z"]
COVARIANCES = ["classical", "HC3", "CR2 ~ firm", "~firm + year"]
LIKELIHOOD_TESTS = ["LRT", "F", "Rao"]


def same_outcome(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, type):
        assert left is right
    else:
        same_table(left, right)


@pytest.mark.parametrize("method", ["wald", "lr", "score", "all"])
@LAWS
@given(case=CASES)
def test_hypotheses(method: str, case: Case) -> None:
    for hypothesis in HYPOTHESES:
        same_outcome(*(outcome(fit.test, hypothesis, method=method) for fit in case.pair))


@pytest.mark.parametrize("vcov", COVARIANCES)
@LAWS
@given(case=CASES)
def test_wald_tests_under_other_covariances(vcov: str, case: Case) -> None:
    for hypothesis in HYPOTHESES:
        same_outcome(*(outcome(fit.test, hypothesis, vcov=vcov) for fit in case.pair))
    same_table(*(fit.test(["x", "z", "f[T.b]"], vcov=vcov, adjust="holm") for fit in case.pair))


@pytest.mark.parametrize("type", ["I", "II", "III"])
@pytest.mark.parametrize("test", [*LIKELIHOOD_TESTS, "Wald"])
@LAWS
@given(case=CASES)
def test_analysis_of_deviance(type: Any, test: str, case: Case) -> None:
    same_outcome(*(outcome(fit.anova, type, test=test) for fit in case.pair))
    if test == "Wald":
        same_outcome(*(outcome(fit.anova, type, test=test, vcov="CR1 ~ firm") for fit in case.pair))


@pytest.mark.parametrize("test", LIKELIHOOD_TESTS)
@LAWS
@given(case=CASES)
def test_comparison_of_fits(test: str, case: Case) -> None:
    smaller = [fit.update(". ~ . - f") for fit in case.pair]
    both = (outcome(anova, less, fit, test=test) for less, fit in zip(smaller, case.pair, strict=True))
    same_outcome(*both)


@pytest.mark.parametrize("test", [*LIKELIHOOD_TESTS, "Wald"])
@LAWS
@given(case=CASES)
def test_single_terms(test: str, case: Case) -> None:
    same_outcome(*(outcome(fit.drop1, test=test) for fit in case.pair))
    same_outcome(*(outcome(fit.add1, ". + v + x:z", test=test) for fit in case.pair))


@LAWS
@given(case=CASES)
def test_criteria_and_goodness_of_fit(case: Case) -> None:
    same_outcome(*(outcome(fit.information_criteria) for fit in case.pair))
    same_outcome(*(outcome(fit.goodness_of_fit) for fit in case.pair))


# ---------------------------------------------------------------- intervals


@pytest.mark.parametrize("method", INTERVALS)
@LAWS
@given(case=CASES)
def test_intervals(method: str, case: Case) -> None:
    counted, rows = case.pair
    for of in (None, "x - z"):
        close(counted.confint(method=method, of=of), rows.confint(method=method, of=of), 1e-6)
    close(counted.confint(0.9, vcov="HC3"), rows.confint(0.9, vcov="HC3"))


# ---------------------------------------------------------------- rows


def copies(fit: Fit) -> tuple[Any, Any]:
    """Places of the rows that count, and of the first copy of each among the rows written out."""
    assert fit.frame is not None
    times = np.concatenate([np.asarray(block.frequency) for block in fit.frame.blocks()]).astype(int)
    return np.flatnonzero(times > 0), (np.cumsum(times) - times)[times > 0]


@LAWS
@given(case=CASES)
def test_influence(case: Case) -> None:
    counted, rows = (fit.influence() for fit in case.pair)
    used, first = copies(case.pair[0])
    left, right = (np.asarray(measures.to_frame(), dtype=float) for measures in (counted, rows))
    close(left[used], right[first])
    for method in DELETIONS:
        left, right = counted.deletion(method, of=used), rows.deletion(method, of=first)
        close(left.coef, right.coef)


@LAWS
@given(case=CASES)
def test_influence_of_clusters(case: Case) -> None:
    left, right = (np.asarray(fit.influence(by="firm").to_frame(), dtype=float) for fit in case.pair)
    close(left, right)


@pytest.mark.parametrize("type", list(RESIDUALS))
@LAWS
@given(case=CASES)
def test_residuals(type: str, case: Case) -> None:
    used, first = copies(case.pair[0])
    counted, rows = case.pair
    close(np.asarray(counted.residuals(type))[used], np.asarray(rows.residuals(type))[first])
    if type in ("deviance", "pearson"):
        left, right = (np.asarray(fit.residuals(type, standardized=True)) for fit in case.pair)
        close(left[used], right[first])
