"""Exact tests, estimates and intervals: R's numbers, full enumeration, and what is refused."""

from __future__ import annotations

import json
import warnings
from functools import cache
from itertools import product
from math import comb, inf, isnan, log, prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import contingency, fisher_exact

from glmstat import glm, load
from glmstat.errors import ArgumentError, ComparisonError, DataError
from glmstat.inference.exact.blyth_still import blyth_still
from glmstat.network_fit import NetworkFit
from glmstat.statement import Statement

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "exact.json").read_text("utf-8"))
LEARNED = Statement("debiased", "debiased", refused="The features were learned.")
SIDES = ("two-sided", "less", "greater")
KINDS = ("conditional", "score")


def quiet(formula: str, data, family: str = "binomial", **words):
    """A fit; whether it is separated is of no concern here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return glm(formula, data, family, **words)


def two_by_two(table):
    """A fit of successes (first row) and failures of two columns."""
    (a, b), (c, d) = table
    return quiet("cbind(s, f) ~ g", {"s": [b, a], "f": [d, c], "g": [0, 1]})


@cache
def every_table(most):
    """All tables (k, g) of counts up to `most`."""
    return np.array(list(product(*[range(m + 1) for m in most])))


class Outcomes:
    """Every table with the sums of the observed one: the oracle, by listing them all."""

    def __init__(self, y, X, trials, slot, offset=None, most=None):
        y, X = np.asarray(y), np.asarray(X, dtype=float)
        offset = np.zeros(len(y)) if offset is None else np.asarray(offset)
        others = np.delete(X, slot, axis=1)
        tables = every_table(tuple(trials) if trials is not None else (most,) * len(y))
        tables = tables[np.isclose(tables @ others, y @ others, atol=1e-9).all(axis=1)]
        ways = -gammaln(tables + 1.0).sum(axis=1)
        if trials is not None:
            ways = ways - gammaln(np.array(trials) - tables + 1.0).sum(axis=1)
        laws: dict[float, float] = {}
        for value, weight in zip(
            np.round(tables @ X[:, slot], 9), np.exp(ways + tables @ offset), strict=True
        ):
            laws[value] = laws.get(value, 0.0) + weight
        self.t = np.array(sorted(laws))
        self.weight = np.array([laws[value] for value in self.t])
        self.own = int(np.argmin(abs(self.t - float(y @ X[:, slot]))))

    def chance(self, theta):
        logs = np.log(self.weight) + theta * (self.t - self.t[self.own])
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()

    def tail(self, theta, side, midp=False):
        p = self.chance(theta)
        beyond = p[self.own + 1 :] if side == "greater" else p[: self.own]
        return beyond.sum() + p[self.own] * (0.5 if midp else 1)

    def p_value(self, kind, midp=False, theta=0.0):
        p = self.chance(theta)
        if kind == "conditional":
            beyond = p <= p[self.own] * (1 + 1e-7)
        else:
            distance = abs(self.t - p @ self.t)
            beyond = distance >= distance[self.own] - 1e-9
        return p[beyond].sum() - (0.5 * p[self.own] if midp else 0)

    def end(self, side, tail, midp=False):
        if self.own == (0 if side == "greater" else len(self.t) - 1):
            return -inf if side == "greater" else inf
        sign = 1 if side == "greater" else -1
        return brentq(lambda theta: sign * (self.tail(theta, side, midp) - tail), -60, 60, xtol=1e-12)

    @property
    def estimate(self):
        if self.own == 0:
            return self.end("less", 0.5)
        if self.own == len(self.t) - 1:
            return self.end("greater", 0.5)
        return brentq(lambda theta: self.chance(theta) @ self.t - self.t[self.own], -60, 60, xtol=1e-12)


def check_row(found, row, oracle, kind, midp, tail=0.025):
    """A row of the table against the oracle."""
    assert found["p_value"][row] == pytest.approx(oracle.p_value(kind, midp), rel=1e-9)
    doubled = 2 * min(oracle.tail(0, "greater", midp), oracle.tail(0, "less", midp))
    assert found["p_doubled"][row] == pytest.approx(min(1, doubled), rel=1e-9)
    if len(oracle.t) > 1:
        assert found["estimate"][row] == pytest.approx(oracle.estimate, rel=1e-7, abs=1e-8)
        assert found["conf_low"][row] == pytest.approx(oracle.end("greater", tail, midp), rel=1e-7)
        assert found["conf_high"][row] == pytest.approx(oracle.end("less", tail, midp), rel=1e-7)
    assert found.tests[row].values == len(oracle.t)


BINARY = pd.DataFrame(
    {
        "y": [0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1],
        "x": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 2],
        "g": list("aabbaabbabab"),
        "z": [0.5, 0.1, 0.5, 0.3, 0.1, 0.1, 0.3, 0.3, 0.5, 0.5, 0.1, 0.3],
    }
)


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + g", "y ~ g + z + x", "y ~ 0 + x + z", "y ~ x * g"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("midp", [False, True])
def test_conditional_logistic_regression_is_that_of_all_outcomes(formula, kind, midp):
    fit = quiet(formula, BINARY)
    found = fit.exact(test=kind, midp=midp, eform=False)
    X = fit.frame.block(0).X[0].to_array()
    for row, name in enumerate(found.index):
        oracle = Outcomes(BINARY.y, X, [1] * 12, list(fit.columns).index(name))
        check_row(found, row, oracle, kind, midp)
        assert found["statistic"][row] == pytest.approx(oracle.t[oracle.own])


def test_trials_shares_frequencies_and_single_rows_are_the_same_data():
    rows = pd.DataFrame({"s": [1, 3, 2, 4], "f": [4, 2, 3, 0], "x": [0, 1, 2, 4], "g": list("abab")})
    rows["n"], rows["share"] = rows.s + rows.f, rows.s / (rows.s + rows.f)
    long = rows.loc[rows.index.repeat(rows.n)].assign(
        y=[1] * 1 + [0] * 4 + [1] * 3 + [0] * 2 + [1] * 2 + [0] * 3 + [1] * 4
    )
    counted = long.groupby(["x", "g", "y"]).size().rename("k").reset_index()
    fits = (
        quiet("cbind(s, f) ~ x + g", rows),
        quiet("share ~ x + g", rows, weights="n"),
        quiet("y ~ x + g", long),
        quiet("y ~ x + g", counted, freq_weights="k"),
    )
    first, *others = [fit.exact(eform=False) for fit in fits]
    oracle = Outcomes(rows.s, np.column_stack([np.ones(4), rows.x, rows.g == "b"]), rows.n.tolist(), 1)
    check_row(first, 0, oracle, "conditional", False)
    for other in others:
        for word in first.columns:
            assert other[word] == pytest.approx(first[word], rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_weigh_the_outcomes(kind):
    data = BINARY.assign(o=np.linspace(-1, 1, 12))
    fit = quiet("y ~ x + g + offset(o)", data)
    X = fit.frame.block(0).X[0].to_array()
    oracle = Outcomes(data.y, X, [1] * 12, 1, data.o)
    check_row(fit.exact("x", test=kind, eform=False), 0, oracle, kind, False)


POISSON = pd.DataFrame(
    {"n": [2, 0, 3, 1, 4], "t": [1.0, 2.0, 1.5, 0.5, 3.0], "x": [0, 1, 2, 3, 1], "g": list("aabba")}
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("formula", ["n ~ x", "n ~ x + g"])
def test_conditional_poisson_regression_is_that_of_all_tables(formula, kind):
    fit = quiet(formula, POISSON, "poisson", exposure="t")
    found = fit.exact(test=kind, eform=False)
    X = fit.frame.block(0).X[0].to_array()
    for row, name in enumerate(found.index):
        slot = list(fit.columns).index(name)
        oracle = Outcomes(POISSON.n, X, None, slot, np.log(POISSON.t), most=10)
        check_row(found, row, oracle, kind, False)


def test_rows_of_the_same_rate_add_their_exposure():
    fine = quiet("n ~ x", POISSON, "poisson", exposure="t").exact()
    coarse = POISSON.groupby("x", as_index=False)[["n", "t"]].sum()
    assert fine.to_dict()["rows"] == quiet("n ~ x", coarse, "poisson", exposure="t").exact().to_dict()["rows"]


def test_the_joint_test_is_that_of_all_outcomes():
    data = pd.DataFrame(
        {"s": [0, 2, 3, 1, 3, 2], "f": [3, 1, 1, 2, 0, 2], "h": list("abcabc"), "x": [0, 0, 0, 1, 1, 1]}
    )
    fit = quiet("cbind(s, f) ~ x + h", data)
    X, m, s = fit.frame.block(0).X[0].to_array(), (data.s + data.f).tolist(), data.s.to_numpy()
    laws: dict[tuple[int, int], float] = {}
    for table in product(*[range(k + 1) for k in m]):
        sums = table @ X
        if tuple(sums[:2]) == tuple((s @ X)[:2]):
            key = int(sums[2]), int(sums[3])
            laws[key] = laws.get(key, 0) + prod(map(comb, m, table))
    values, p = np.array(list(laws)), np.array(list(laws.values()))
    p = p / p.sum()
    own = (values == (s @ X)[2:]).all(axis=1)
    by_chance = fit.exact("h")
    assert by_chance.index == ("h", "h[T.b]", "h[T.c]")
    assert by_chance.p_value == pytest.approx(p[p <= p[own] * (1 + 1e-7)].sum(), rel=1e-10)
    assert by_chance["statistic"][0] == pytest.approx(p[own][0], rel=1e-10)
    assert isnan(by_chance["estimate"][0])
    away = values - p @ values
    score = np.einsum("ki,ij,kj->k", away, np.linalg.inv((away.T * p) @ away), away)
    by_score = fit.exact("h", test="score")
    assert by_score["statistic"][0] == pytest.approx(score[own][0], rel=1e-10)
    assert by_score.p_value == pytest.approx(p[score >= score[own] - 1e-9].sum(), rel=1e-10)
    middle = fit.exact("h", midp=True).p_value
    assert middle == pytest.approx(by_chance.p_value - p[own][0] / 2, rel=1e-10)


@pytest.mark.parametrize("case", R["fisher"], ids=lambda case: str(case["table"]))
def test_fisher_is_that_of_r_and_scipy(case):
    fit = two_by_two(case["table"])
    for side, p in zip(SIDES, case["p"], strict=True):
        found = fit.exact(test="fisher", alternative=side)
        assert found.p_value == pytest.approx(p, rel=1e-10)
        assert found.p_value == pytest.approx(fisher_exact(case["table"], alternative=side).pvalue, rel=1e-10)
    found = fit.exact()
    assert found.p_value == pytest.approx(case["p"][0], rel=1e-10)
    if min(map(sum, case["table"])) == 0:
        assert (found["conf_low"], found["conf_high"]) == ([0.0], [inf])
        assert isnan(found["estimate"][0])
        return
    low, high = (float(str(case[word]).replace("Inf", "inf")) for word in ("low", "high"))
    assert found["conf_low"][0] == pytest.approx(low, rel=1e-8)
    assert found["conf_high"][0] == pytest.approx(high, rel=1e-8)
    if np.isfinite(high) and low > 0:
        assert found["estimate"][0] == pytest.approx(float(case["estimate"]), rel=1e-3)  # R's root
        mine = contingency.odds_ratio(case["table"]).statistic
        assert found["estimate"][0] == pytest.approx(mine, rel=1e-8)


def test_an_odds_ratio_other_than_one():
    table = [[10, 3], [2, 15]]
    fit = two_by_two(table)
    ends = fit.exact()["conf_low"][0], fit.exact()["conf_high"][0]
    assert fit.exact(null=ends[0], alternative="greater").p_value == pytest.approx(0.025, rel=1e-6)
    assert fit.exact(null=log(ends[1]), alternative="less", eform=False).p_value == pytest.approx(
        0.025, rel=1e-6
    )


def test_freeman_halton_is_that_of_r():
    (s, f) = R["freeman"]["table"]
    fit = quiet("cbind(s, f) ~ h", {"s": s, "f": f, "h": ["a", "b", "c"]})
    assert fit.exact(test="fisher").p_value == pytest.approx(R["freeman"]["p"], rel=1e-10)


def test_the_conditional_estimate_is_that_of_clogit():
    found = quiet("y ~ x", {"x": R["clogit"]["x"], "y": R["clogit"]["y"]}).exact(eform=False)
    assert found["estimate"][0] == pytest.approx(R["clogit"]["coef"], rel=1e-8)


@pytest.mark.parametrize("case", R["binomial"], ids=lambda case: f"{case['x']} of {case['n']}")
def test_one_proportion_is_that_of_r(case):
    x, n = case["x"], case["n"]
    fit = quiet("cbind(x, f) ~ 1", {"x": [x], "f": [n - x]})
    for side, p, low, high in zip(SIDES, case["p"], *case["ci"], strict=True):
        found = fit.exact(null=case["null"], alternative=side, level=0.9)
        assert found.p_value == pytest.approx(p, rel=1e-10)
        assert found["conf_low"][0] == pytest.approx(low, rel=1e-10)
        assert found["conf_high"][0] == pytest.approx(high, rel=1e-10)
    assert found["estimate"][0] == pytest.approx(x / n)


@pytest.mark.parametrize("case", R["poisson"], ids=lambda case: f"{case['x']} in {case['t']}")
def test_one_rate_is_that_of_r(case):
    fit = quiet("n ~ 1", {"n": [case["x"]], "t": [case["t"]]}, "poisson", exposure="t")
    for side, p, low, high in zip(SIDES, case["p"], *case["ci"], strict=True):
        found = fit.exact(null=case["null"], alternative=side)
        assert found.p_value == pytest.approx(p, rel=1e-10)
        assert found["conf_low"][0] == pytest.approx(float(low), rel=1e-10)
        assert found["conf_high"][0] == pytest.approx(float(high.replace("Inf", "inf")), rel=1e-10)


@pytest.mark.parametrize("case", R["rates"], ids=lambda case: str(case["x"]))
def test_two_rates_are_those_of_r(case):
    data = {"n": case["x"], "t": case["t"], "g": ["b", "a"]}
    fit = quiet("n ~ g", data, "poisson", exposure="t")
    found = fit.exact()
    assert found.p_value == pytest.approx(case["p"], rel=1e-10)
    assert fit.exact(alternative="less").p_value == pytest.approx(case["p_less"], rel=1e-10)
    low, high = (float(end.replace("Inf", "inf")) for end in case["ci"])
    assert found["conf_low"][0] == pytest.approx(low, rel=1e-8)
    assert found["conf_high"][0] == pytest.approx(high, rel=1e-8)


@pytest.mark.parametrize("case", R["blyth_still"], ids=lambda case: f"{case['n']}, {case['level']}")
def test_blyth_still_is_the_published_refinement(case):
    for count, ends in enumerate(case["ci"]):
        assert blyth_still(count, case["n"], case["level"]) == pytest.approx(ends, abs=3e-6)


def test_blyth_still_of_a_fit():
    fit = quiet("y ~ 1", {"y": [1] * 5 + [0] * 5})
    found = fit.exact(interval="blyth-still")
    assert (found["conf_low"][0], found["conf_high"][0]) == pytest.approx(blyth_still(5, 10, 0.95))
    assert "Blyth–Still" in str(found)


def test_mid_p_intervals_invert_the_mid_p_tests():
    fit = quiet("cbind(x, f) ~ 1", {"x": [3], "f": [9]})
    found = fit.exact(midp=True)
    low, high = found["conf_low"][0], found["conf_high"][0]
    assert fit.exact(midp=True, null=low, alternative="greater").p_value == pytest.approx(0.025, rel=1e-8)
    assert fit.exact(midp=True, null=high, alternative="less").p_value == pytest.approx(0.025, rel=1e-8)
    rate = quiet("n ~ 1", {"n": [4]}, "poisson")
    found = rate.exact(midp=True)
    low, high = found["conf_low"][0], found["conf_high"][0]
    assert rate.exact(midp=True, null=low, alternative="greater").p_value == pytest.approx(0.025, rel=1e-8)
    assert rate.exact(midp=True, null=high, alternative="less").p_value == pytest.approx(0.025, rel=1e-8)


def test_separated_data_have_a_median_unbiased_estimate():
    fit = quiet("y ~ x", {"y": [0, 0, 0, 1, 1, 1], "x": [1, 2, 3, 4, 5, 6]})
    assert fit.status == "separated"
    found = fit.exact(eform=False)
    oracle = Outcomes([0, 0, 0, 1, 1, 1], [[1, k] for k in range(1, 7)], [1] * 6, 1)
    assert found["conf_high"] == [inf]
    assert found["estimate"][0] == pytest.approx(oracle.end("greater", 0.5), rel=1e-9)
    assert found.p_value == pytest.approx(4 / 20)  # sums 6, 7, 14 and 15 have one outcome each
    assert found["p_doubled"] == pytest.approx([2 / 20])
    assert "median unbiased" in str(found)


@pytest.mark.parametrize(
    "formula", ["y ~ scale(x) + g", "y ~ x + C(g, sum)", "y ~ I(x / 3) + g", "y ~ I(1e-7 * x) + g"]
)
def test_coding_and_scale_do_not_matter(formula):
    plain, other = quiet("y ~ x + g", BINARY).exact(), quiet(formula, BINARY).exact()
    assert other["p_value"] == pytest.approx(plain["p_value"], rel=1e-9)
    assert [row.tables for row in other.tests] == [row.tables for row in plain.tests]


def test_columns_without_a_lattice_match_equal_sums():
    data = BINARY.assign(r=np.log(BINARY.x + 1.0))
    fit = quiet("y ~ r + g", data)
    found = fit.exact(test="conditional", eform=False)
    X = fit.frame.block(0).X[0].to_array()
    for row, slot in enumerate((1, 2)):
        check_row(found, row, Outcomes(data.y, X, [1] * 12, slot), "conditional", False)
    assert "sums count as equal if they agree to 11 digits" in " ".join(str(found).split())


def test_rows_that_a_stream_reads_are_the_same(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.from_pandas(BINARY).write_parquet(path, row_group_size=5)
    here, there = quiet("y ~ x + g", BINARY), quiet("y ~ x + g", str(path))
    assert here.exact().to_dict()["rows"] == there.exact().to_dict()["rows"]
    here.save(tmp_path / "fit.glmstat")
    loaded = load(tmp_path / "fit.glmstat")
    assert loaded.exact(data=BINARY).to_dict()["rows"] == here.exact().to_dict()["rows"]
    with pytest.raises(DataError, match="needs the rows"):
        loaded.exact()


def test_the_table_is_that_of_the_library():
    found = quiet("y ~ x + g", pl.from_pandas(BINARY)).exact()
    table = found.to_frame()
    assert isinstance(table, pl.DataFrame)
    assert table["term"].to_list() == ["x", "g[T.b]"]
    assert max(map(len, str(found).splitlines())) <= 80
    assert "reference set of x" in str(found)


def test_the_intercept_and_names_of_coefficients():
    fit = quiet("y ~ x + g", BINARY)
    found = fit.exact(["Intercept", "g"], eform=False)
    assert found.index == ("Intercept", "g[T.b]")
    X = fit.frame.block(0).X[0].to_array()
    check_row(found, 0, Outcomes(BINARY.y, X, [1] * 12, 0), "conditional", False)
    assert "baseline odds" in str(fit.exact("Intercept"))


def test_aliased_columns_are_left_out_of_the_conditions():
    with_alias = quiet("y ~ x + twice + g", BINARY.assign(twice=2 * BINARY.x))
    assert with_alias.exact("x").p_value == pytest.approx(quiet("y ~ x + g", BINARY).exact("x").p_value)
    with pytest.raises(ArgumentError, match="'twice' cannot be tested: aliased"):
        with_alias.exact("twice")


BAD_WORDS = [
    ({"test": "fischer"}, "Unknown test: 'fischer'. .* Did you mean 'fisher'"),
    ({"alternative": "two.sided"}, "Unknown alternative"),
    ({"method": "mcmc"}, "Unknown method"),
    ({"interval": "wilson"}, "Unknown interval"),
    ({"interval": "garwood"}, "is that of one sample"),
    ({"midp": "yes"}, "midp must be True or False"),
    ({"level": 1.5}, "level"),
    ({"reps": 10}, "reps must be a whole number >= 100"),
    ({"null": -1.0}, "null must be a ratio > 0"),
    ({"null": "1"}, "null must be a finite number"),
    ({"term": "q"}, "No coefficient 'q'"),
    ({"term": []}, "term must name"),
    ({"test": "fisher"}, "one term beside the intercept"),
    ({"test": "barnard"}, "compares two proportions"),
]


@pytest.mark.parametrize(("words", "message"), BAD_WORDS)
def test_words_that_do_not_fit(words, message):
    with pytest.raises(ArgumentError, match=message):
        quiet("y ~ x + g", BINARY).exact(**words)


def test_words_that_do_not_fit_one_or_two_samples():
    one = quiet("y ~ 1", BINARY)
    for words, message in (
        ({"interval": "garwood"}, "does not fit one sample"),
        ({"null": 1.0}, "between 0 and 1"),
        ({"test": "fisher"}, "one exact distribution"),
        ({"interval": "blyth-still", "midp": True}, "two-sided and has no mid-p"),
    ):
        with pytest.raises(ArgumentError, match=message):
            one.exact(**words)
    with pytest.raises(ArgumentError, match=r"midp= does not fit test=\"boschloo\""):
        quiet("y ~ g", BINARY).exact(test="boschloo", midp=True)
    with pytest.raises(ArgumentError, match="rate > 0"):
        quiet("n ~ 1", POISSON, "poisson").exact(null=0)


def test_fits_without_an_exact_distribution():
    data = BINARY.assign(w=[0.5] * 12, n=range(12))
    for fit, kind, message in (
        (quiet("n ~ x", data, "gaussian"), ArgumentError, "gaussian with identity link"),
        (quiet("y ~ x", data, link="probit"), ArgumentError, "binomial with probit link"),
        (quiet("n ~ x", data, "quasipoisson"), ArgumentError, "knows binomial fits with logit link"),
        (quiet("n ~ x", data, "negative_binomial(2)"), ArgumentError, "knows binomial fits with logit link"),
        (quiet("y ~ x", data, sampling_weights="n"), ComparisonError, "sampling_weights"),
        (quiet("n ~ x", data, "poisson", weights="w"), ComparisonError, "prior weights"),
        (quiet("y ~ x", data, weights="w"), DataError, "successes and trials are not in rows 0, 1, 2"),
        (quiet("n ~ x | g", data, "poisson"), ArgumentError, "absorbed g"),
    ):
        with pytest.raises(kind, match=message):
            fit.exact()


def test_a_dispersion_is_refused_and_clusters_are_told():
    with pytest.raises(ComparisonError, match="dispersion 2"):
        quiet("y ~ x", BINARY, dispersion=2.0).exact()
    assert "rows count as independent" in str(quiet("y ~ x", BINARY, vcov="HC0").exact())
    assert "rows count as independent" not in str(quiet("y ~ x", BINARY).exact())


def test_an_intercept_beside_an_offset_that_varies():
    data = BINARY.assign(o=np.linspace(-1, 1, 12))
    found = quiet("y ~ 1 + offset(o)", data).exact(eform=False)
    check_row(found, 0, Outcomes(data.y, np.ones((12, 1)), [1] * 12, 0, data.o), "conditional", False)


def test_counts_without_a_bound():
    with pytest.raises(ArgumentError, match="Counts have no bound"):
        quiet("n ~ x", POISSON, "poisson").exact("Intercept")


def test_networks_refuse():
    with pytest.raises(ComparisonError, match="exact does not hold"):
        NetworkFit.exact(SimpleNamespace(spec=SimpleNamespace(statement=LEARNED)))


FAR = pd.DataFrame(
    {
        "y": [0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1],
        "k": [0, 1, 2, 3, 0, 3, 2, 1, 3, 0, 2],
        "w": [0, 2, 1, 0, 1, 2, 2, 0, 1, 1, 0],
        "g": list("uvuvuvuvuvu"),
    }
)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize(
    ("origin", "step"),
    [(1e9, 1.0), (1e7, 1e-3), (20260101.0, 1e-3), (1000.0, 1e-6), (1.0, 1e-9), (3.0, -2.5), (1 / 3, 1 / 7)],
)
@pytest.mark.parametrize("other", [0.0, 1e8])
def test_origin_and_unit_of_a_column_do_not_matter(family, origin, step, other):
    fit = quiet("y ~ k + g + w", FAR, family)
    k, g = (fit.exact(name, eform=False).tests[0] for name in ("k", "g"))
    moved = FAR.assign(k=origin + step * FAR.k, w=other + 0.1 * FAR.w)
    for formula, name in (("y ~ k + g + w", "k"), ("y ~ 0 + g + k + w", "k"), ("y ~ scale(k) + g + w", None)):
        there = quiet(formula, moved, family)
        found = there.exact(name or "scale(k)", eform=False).tests[0]
        assert (found.values, found.tables) == (k.values, k.tables)
        assert found.p_doubled == pytest.approx(k.p_doubled, rel=1e-9)
        if step > 0:
            assert found.p_value == pytest.approx(k.p_value, rel=1e-9)
        if name:
            assert found.estimate * step == pytest.approx(k.estimate, rel=1e-5)
    found = there.exact("g", eform=False).tests[0]
    assert (found.p_value, found.tables) == pytest.approx((g.p_value, g.tables), rel=1e-9)


def test_numbers_that_were_rounded_before_count_as_multiples_of_their_step():
    fine = quiet("y ~ k", FAR.assign(k=FAR.k / 3)).exact()
    text = quiet("y ~ k", FAR.assign(k=(FAR.k / 3).round(7))).exact()
    assert (text.p_value, text.tests[0].values) == (fine.p_value, fine.tests[0].values)
    assert "its column, multiples of one step to 7 digits, count as such" in " ".join(str(text).split())
    assert "count as" not in str(fine)


@pytest.mark.parametrize("formula", ["y ~ z", "y ~ g + z", "y ~ bs(z, df=3)"])
def test_sums_of_one_table_each_are_ordered_by_their_distance(formula):
    z = np.sort(np.random.default_rng(2).normal(size=12))
    data = pd.DataFrame({"z": z, "y": [0] * 6 + [1] * 6, "g": [0, 1] * 6})
    fit = quiet(formula, data)
    found = fit.exact("z" if formula != "y ~ bs(z, df=3)" else "bs(z, df=3)")
    assert found.tests[0].test == "score"
    assert found.p_value < 0.02
    assert found.p_value == fit.exact(found.index[0], test="score").p_value
    words = "few tables share a sum, so that its probability is none of its size: score test"
    assert words in " ".join(str(found).split())
    if formula == "y ~ z":
        X = np.column_stack([np.ones(12), z])
        assert found.p_value == pytest.approx(Outcomes(data.y.to_numpy(), X, [1] * 12, 1).p_value("score"))
        assert found["p_doubled"][0] == pytest.approx(2 / 924) and found["conf_low"][0] > 1
        by_probability = fit.exact(test="conditional")
        assert by_probability.p_value == pytest.approx(1.0)
        assert "few tables share a sum" in str(by_probability)


def test_lattice_data_keep_the_order_by_probability():
    for x in (range(12), [0, 1] * 6, [1, 1, 2, 3] * 3):
        found = quiet("y ~ x", {"x": list(x), "y": [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1]}).exact()
        assert found.tests[0].test == "conditional"
    three = {"s": [1, 5, 9], "n": [9, 5, 1], "f": list("abc")}
    assert quiet("cbind(s, n) ~ f", three).exact().tests[0].test == "conditional"


def test_no_coefficient():
    with pytest.raises(ArgumentError, match=r"nothing to test: the model has no coefficient"):
        quiet("y ~ 0", FAR).exact()


@pytest.mark.parametrize(("word", "value"), [("null", 2.0), ("alternative", "less")])
def test_joint_tests_that_are_left_out_are_told(word, value):
    data = FAR.assign(f=list("abcabcabcab"))
    found = quiet("y ~ f", data).exact("f", **{word: value})
    assert found.index == ("f[T.b]", "f[T.c]")
    assert f"{word}= is of single coefficients: no joint test of f" in str(found)
