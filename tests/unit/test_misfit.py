"""Score tests that train nothing: R's numbers, closed forms in numpy, and what they may not depend on."""

from __future__ import annotations

import json
import warnings
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc

from glmstat import Fit, glm
from glmstat.errors import (
    ArgumentError,
    ColumnError,
    ComparisonError,
    DataError,
    FewClustersWarning,
    GlmstatError,
    GlmstatWarning,
)
from glmstat.inference.misfit.mixture import cauchy_combination, mixture_tail
from glmstat.inference.misfit.result import ScoreTests
from glmstat.inference.misfit.sobol import normal_points

REFERENCE = Path(__file__).parent.parent / "reference"
R = json.loads((REFERENCE / "inference" / "misfit.json").read_text())
ROWS = 240


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


def sample(rows: int = ROWS, seed: int = 4) -> pd.DataFrame:
    """Counts with exposure, two numbers, a factor, clusters."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"z": rng.normal(2.0, 3.0, rows), "w": rng.uniform(0.0, 1.0, rows)})
    data["f"] = rng.choice(["a", "b", "c"], rows)
    data["t"], data["firm"] = rng.uniform(0.5, 2.0, rows), np.arange(rows) % 50
    data["y"] = rng.poisson(data["t"] * np.exp(0.3 + 0.1 * data["z"])).astype(float)
    return data


def numbers(found: ScoreTests) -> list[float]:
    return [number for word in ("statistic", "df", "p_value") for number in found[word]]


def same(found: ScoreTests, other: ScoreTests, rel: float = 1e-8) -> None:
    assert numbers(found) == pytest.approx(numbers(other), rel=rel, nan_ok=True)


# ---------------------------------------------------------------- R


def test_reset_and_squares_of_a_linear_model_are_the_f_tests_of_r() -> None:
    fit = glm("mpg ~ wt + hp + qsec", read("mtcars"))
    for name in ("RESET", "quadratic"):
        expected, found = R["mtcars"][name], fit.score_test_nn(method=name.lower(), vcov="classical").tests[0]
        assert (found.statistic, found.p_value) == pytest.approx((expected["F"], expected["p"]), rel=1e-9)
        assert found.reference == f"F({expected['df'][0]}, {expected['df'][1]})"


CASES: dict[str, tuple[str, str, str, str | None, dict[str, Any], tuple[str, ...]]] = {
    "affairs": ("Affairs", "affairs ~ age + yearsmarried + rating", "poisson", None, {}, ()),
    "infert": ("infert", "case ~ age + parity + spontaneous", "binomial", "probit", {}, ("age", "parity")),
    "offset": ("nb_sim", "y ~ x + offset(log(t))", "poisson", None, {}, ()),
    "weights": (
        "Insurance",
        "I(Claims / Holders) ~ District + I(Claims / 100)",
        "gamma",
        "log",
        {"weights": "Holders", "subset": "Claims > 0"},
        ("District",),
    ),
}


@pytest.mark.parametrize("name", ["RESET", "quadratic"])
@pytest.mark.parametrize("case", CASES)
def test_statistics_are_those_of_r(case: str, name: str) -> None:
    file, formula, family, link, words, variables = CASES[case]
    fit = glm(formula, read(file), family, link=link, **words)
    expected, method = R[case][name], name.lower()
    classical = fit.score_test_nn(*variables, method=method, vcov="classical").tests[0]
    score, df = expected["rao"]["statistic"], expected["rao"]["df"]
    assert classical.df == df
    if fit.estimate.dispersion.estimated:  # R's score statistic for dispersion 1, as the auxiliary F
        rest = fit.df_residual - df
        score = score / df / ((fit.pearson - score) / rest)
        assert classical.reference == f"F({df}, {rest})"
    assert classical.statistic == pytest.approx(score, rel=1e-8)
    robust = fit.score_test_nn(*variables, method=method).tests[0]
    assert robust.statistic == pytest.approx(expected["HC0"]["statistic"], rel=1e-7)
    assert robust.p_value == pytest.approx(expected["HC0"]["p"], rel=1e-7)


def test_as_r_scores_are_compared_with_chi_squared() -> None:
    words = {"weights": "Holders", "subset": "Claims > 0", "link": "log", "compat": "R"}
    fit = glm("I(Claims / Holders) ~ District + I(Claims / 100)", read("Insurance"), "gamma", **words)
    found = fit.score_test_nn(method="reset", vcov="classical").tests[0]
    score = R["weights"]["RESET"]["rao"]["statistic"] / fit.dispersion
    assert (found.statistic, found.p_value) == pytest.approx((score, chdtrc(2, score)), rel=1e-8)


@pytest.mark.parametrize("name", ["RESET", "quadratic"])
def test_clusters_are_those_of_r(name: str) -> None:
    fit = glm("case ~ age + parity + spontaneous", read("infert"), "binomial", link="probit", vcov="~stratum")
    found = fit.score_test_nn("age", "parity", method=name.lower())
    expected = R["infert"][name]["CR0"]
    assert found["statistic"] == pytest.approx([expected["statistic"]], rel=1e-7)
    assert found["p_value"] == pytest.approx([expected["p"]], rel=1e-7)
    assert found.vcov == "CR0"
    assert "vcov: CR0 (by stratum, 83 clusters)" in str(found)


# ---------------------------------------------------------------- closed forms


def by_hand(data: pd.DataFrame, names: list[str], activation: str) -> tuple[float, np.ndarray, np.ndarray]:
    """|U|² of 128 units, the weights under HC0 and under the model, of y ~ z + w + offset(log(t))."""
    X = np.column_stack([np.ones(len(data)), data["z"], data["w"]])
    y, o, beta = data["y"].to_numpy(), np.log(data["t"].to_numpy()), np.zeros(3)
    for _ in range(30):
        mu = np.exp(X @ beta + o)
        beta = beta + np.linalg.solve((X.T * mu) @ X, X.T @ (y - mu))
    mu = np.exp(X @ beta + o)
    Z = data[sorted(names)].to_numpy()
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    weights = normal_points(128, len(names) + 1, 1)
    A = Z @ weights[:, :-1].T / np.sqrt(len(names)) + weights[:, -1]
    G = np.tanh(A) if activation == "tanh" else np.maximum(A, 0.0)
    G = G - X @ np.linalg.solve((X.T * mu) @ X, (X.T * mu) @ G)
    U, scores = G.T @ (y - mu), G * (y - mu)[:, None]
    return float(U @ U), np.linalg.eigvalsh(scores.T @ scores), np.linalg.eigvalsh((G.T * mu) @ G)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_kernels_in_numpy(activation: str) -> None:
    data = sample()
    fit = glm("y ~ z + w + offset(log(t))", data, "poisson")
    square, robust, model = by_hand(data, ["z", "w"], activation)
    for vcov, weights in ((None, robust), ("classical", model)):
        found = fit.score_test_nn(method="kernel", activation=activation, vcov=vcov)
        assert found["statistic"] == pytest.approx([square / weights.sum()], rel=1e-8)
        assert found["df"] == pytest.approx([weights.sum() ** 2 / (weights**2).sum()], rel=1e-8)
        assert found.p_value == pytest.approx(mixture_tail(np.maximum(weights, 0.0), square), rel=1e-7)
        assert found.weights[f"kernel {activation}"] == pytest.approx(weights, rel=1e-7, abs=1e-9)


def test_a_kernel_of_a_linear_model_knows_that_the_variance_is_estimated() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal(14)
    data = {"x": x, "y": rng.standard_normal(14)}
    fit = glm("y ~ x", data)
    found = fit.score_test_nn(method="kernel", vcov="classical")
    X = np.column_stack([np.ones(14), x])
    A = normal_points(128, 2, 1)
    G = np.tanh(np.outer((x - x.mean()) / x.std(), A[:, 0]) + A[:, 1])
    residual = np.eye(14) - X @ np.linalg.pinv(X)
    K = residual @ G @ G.T @ residual
    e = residual @ rng.standard_normal((14, 400_000))  # the exact law, by simulation
    ratio = np.einsum("ir,ij,jr->r", e, K, e, optimize=True) / np.einsum("ir,ir->r", e, e)
    r = residual @ np.array(data["y"])
    observed = float(r @ K @ r / (r @ r))
    assert found.p_value == pytest.approx(float(np.mean(ratio > observed)), rel=0.05)


def test_lee_white_and_granger_in_numpy() -> None:
    data = sample()
    fit = glm("y ~ z + w + offset(log(t))", data, "poisson")
    mu = np.asarray(fit.fitted)
    X = np.column_stack([np.ones(ROWS), data["z"], data["w"]])
    Z = data[["w", "z"]].to_numpy()
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    weights = np.random.default_rng(1).uniform(-2.0, 2.0, (3, 10))
    G = 1 / (1 + np.exp(-(Z @ weights[:2] + weights[2])))
    G = G - X @ np.linalg.solve((X.T * mu) @ X, (X.T * mu) @ G)
    G /= np.sqrt(mu @ G**2)
    G = G @ np.linalg.eigh((G.T * mu) @ G)[1][:, -3:]
    r = data["y"].to_numpy() - mu
    U, B = G.T @ r, (G * r[:, None] ** 2).T @ G
    found = fit.score_test_nn(method="lwg")
    statistic = float(U @ np.linalg.solve(B, U))
    assert (found["statistic"], found["df"]) == (pytest.approx([statistic], rel=1e-8), [3])
    assert found.p_value == pytest.approx(float(chdtrc(3, statistic)), rel=1e-8)


def test_omnibus_is_the_cauchy_combination_of_its_rows() -> None:
    fit = glm("y ~ z + w + f + offset(log(t))", sample(), "poisson")
    found = fit.score_test_nn(method="all")
    names = ["RESET", "quadratic", "Lee–White–Granger", "kernel tanh", "kernel relu", "omnibus"]
    assert list(found.index) == names
    used = [row.p_value for row in found.tests if row.name not in ("Lee–White–Granger", "omnibus")]
    assert (found["statistic"][-1], found.p_value) == pytest.approx(cauchy_combination(used))
    same(fit.score_test_nn(), fit.score_test_nn(method="omnibus"), rel=0)


# ---------------------------------------------------------------- what makes no difference


@pytest.fixture(scope="module")
def fit() -> Fit:
    return glm("y ~ z + w + f + offset(log(t))", sample(), "poisson")


def again(data: Any, formula: str = "y ~ z + w + f + offset(log(t))", **words: Any) -> ScoreTests:
    return glm(formula, data, "poisson", **words).score_test_nn("z", "w", "f", method="all")


def test_order_of_rows_and_of_variables(fit: Fit) -> None:
    first = fit.score_test_nn("z", "w", "f", method="all")
    same(first, again(sample().sample(frac=1.0, random_state=3)))
    same(first, fit.score_test_nn("f", "z", "w", method="all"), rel=0)
    same(first, fit.score_test_nn("f", "z", "w", "z", method="all"), rel=0)
    assert first.variables == ("f", "w", "z")


def test_scale_and_place_of_a_variable(fit: Fit) -> None:
    data = sample().assign(z=lambda d: 1e6 - 1e4 * d["z"], w=lambda d: 1e-9 * d["w"])
    flipped = glm("y ~ z + w + f + offset(log(t))", data.assign(z=-data["z"]), "poisson")
    same(fit.score_test_nn("z", "w", method="all"), flipped.score_test_nn("z", "w", method="all"), rel=1e-6)


def test_frequencies_are_repetitions() -> None:
    data = sample(90).assign(k=np.arange(90) % 4)
    repeated = data.loc[data.index.repeat(data["k"])]
    counted, written = again(data, freq_weights="k"), again(repeated)
    same(counted, written)
    clustered = {"vcov": "CR0 ~ firm"}
    same(again(data, freq_weights="k", **clustered), again(repeated, **clustered))


def test_rows_of_weight_zero_count_nothing() -> None:
    data = sample(100).assign(a=1.0)
    wild = data.iloc[:5].assign(a=0.0, z=1e4, w=-1e200, f="d", y=77.0)
    first = again(data, weights="a")
    same(
        first,
        again(
            pd.concat([data, wild], ignore_index=True),
            "y ~ z + w + C(f, levels=['a', 'b', 'c', 'd']) + offset(log(t))",
            weights="a",
        ),
    )


def test_a_column_with_a_known_coefficient_is_an_offset() -> None:
    data = sample().assign(u=lambda d: d["y"] + 0.7 * d["t"])
    moved = glm("I(u - 0.7 * t) ~ z", data)
    kept = glm("u ~ z + offset(0.7 * t)", data)
    array = glm("u ~ z", data, offset=0.7 * data["t"])
    for method in ("quadratic", "kernel", "lwg"):
        first = moved.score_test_nn("z", "w", method=method)
        same(first, kept.score_test_nn("z", "w", method=method))
        same(first, array.score_test_nn("z", "w", method=method))


def test_prior_weights_and_grouped_trials() -> None:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=60), "n": rng.integers(1, 9, 60)})
    data["s"] = rng.binomial(data["n"], 1 / (1 + np.exp(-data["x"])))
    counts = glm("cbind(s, n - s) ~ x", data, "binomial").score_test_nn(method="all")
    shares = glm("I(s / n) ~ x", data, "binomial", weights="n").score_test_nn(method="all")
    same(counts, shares)


def test_columns_that_are_aliased_change_nothing(fit: Fit) -> None:
    data = sample().assign(z2=lambda d: 2 * d["z"] + 1)
    same(
        fit.score_test_nn("z", "w"),
        glm("y ~ z + z2 + w + f + offset(log(t))", data, "poisson").score_test_nn("z", "w"),
    )


def test_separated_rows_say_nothing() -> None:
    data = sample().assign(g="rest")
    none = data.iloc[:12].assign(g="none", y=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        separated = glm(
            "y ~ z + w + g + offset(log(t))", pd.concat([data, none], ignore_index=True), "poisson"
        )
    assert separated.status == "separated"
    kept = glm("y ~ z + w + offset(log(t))", data, "poisson")
    for vcov in (None, "classical"):
        same(
            kept.score_test_nn("z", "w", method="all", vcov=vcov),
            separated.score_test_nn("z", "w", method="all", vcov=vcov),
            rel=1e-5,
        )


def test_large_frames_block_by_block() -> None:
    data = pd.concat([sample(1000)] * 110, ignore_index=True)
    noise = {f"k{place}": np.sin((place + 1.0) * np.arange(len(data))) for place in range(16)}
    data, terms = data.assign(**noise), "".join(f" + {name}" for name in noise)
    large = glm(f"y ~ z + w + f{terms} + offset(log(t))", data, "poisson")
    assert large.frame is not None and large.frame.large and large.frame.count > 1
    whole = large.score_test_nn("z", "w", "f", method="all")
    counted = glm("y ~ z + w + f + offset(log(t))", sample(1000).assign(n=110), "poisson", freq_weights="n")
    expected = counted.score_test_nn("z", "w", "f", method="all")
    # the further columns are noise: statistics are near those of a thousand rows that count 110 times
    assert whole["df"][:3] == expected["df"][:3]
    assert whole["statistic"][1] == pytest.approx(expected["statistic"][1], rel=0.05)
    part = glm(f"y ~ z + w + f{terms} + offset(log(t))", data, "poisson", subset="k0 < 0.3")
    same(
        part.score_test_nn("z"),
        glm(
            f"y ~ z + w + f{terms} + offset(log(t))", data[data["k0"] < 0.3].reset_index(), "poisson"
        ).score_test_nn("z"),
    )


def test_missing_rows_of_the_fit_are_skipped() -> None:
    data = sample().assign(m=lambda d: np.where(d["w"] < 0.1, np.nan, d["w"]))
    fit = glm("y ~ z + m", data, "poisson")
    same(fit.score_test_nn(), glm("y ~ z + m", data.dropna().reset_index(), "poisson").score_test_nn())


# ---------------------------------------------------------------- variables, rank, choices


def test_expressions_and_defaults(fit: Fit) -> None:
    assert fit.score_test_nn().variables == ("f", "w", "z")  # not t: an offset is no variable
    same(fit.score_test_nn("log(t)", "z"), fit.score_test_nn("z", "log( t )"), rel=0)
    curved = glm("y ~ poly(z, 2) + scale(w)", sample(), "poisson")
    assert curved.score_test_nn().variables == ("w", "z")
    context = glm("y ~ z", sample(), "poisson", context={"half": 0.5})
    assert context.score_test_nn("z * half").variables == ("z * half",)


def test_what_the_fit_spans_is_dropped() -> None:
    data = sample().assign(
        b=lambda d: (d["w"] > 0.5).astype(float), g=lambda d: np.where(d["z"] > 2, "p", "q")
    )
    fit = glm("y ~ z + b + g", data, "poisson")
    assert fit.score_test_nn("b", "z", method="quadratic")["df"] == [2]  # z², b z; b² is b
    assert fit.score_test_nn("g", "z", method="quadratic")["df"] == [2]  # z², z for one of two levels
    assert fit.score_test_nn("w", method="quadratic")["df"] == [2]  # w itself is not in the fit
    assert glm("y ~ z + I(z^2)", data, "poisson").score_test_nn("z", "w", method="quadratic")["df"] == [3]
    with pytest.raises(
        ComparisonError,
        match="kernel tanh is not defined: no direction is left: the columns of the fit span them all",
    ):
        fit.score_test_nn("b", method="kernel")
    found = fit.score_test_nn("b")
    assert np.isnan(found["p_value"][1:4]).all()
    assert found.p_value == found["p_value"][0]
    assert "quadratic, kernel tanh, kernel relu: no direction is left" in str(found)


def test_a_predictor_that_is_constant_has_no_powers() -> None:
    found = glm("y ~ 1", sample(), "poisson").score_test_nn("z")
    assert np.isnan(found["p_value"][0])
    assert found.p_value < 0.01  # z matters


def test_covariances_by_default_and_by_word() -> None:
    data = sample()
    plain = glm("y ~ z", data, "poisson")
    assert plain.score_test_nn().vcov == "HC0"
    assert plain.with_vcov("HC3").score_test_nn().vcov == "HC0"
    assert plain.score_test_nn(vcov="classical").vcov == "classical"
    assert glm("y ~ z", data, "quasipoisson").score_test_nn().vcov == "classical"
    assert glm("y ~ z", data, "quasipoisson").score_test_nn(vcov="HC0").vcov == "HC0"
    assert glm("y ~ z", data, "tweedie(1.5)").score_test_nn().vcov == "HC0"
    assert plain.score_test_nn(vcov="~firm").vcov == "CR0"
    same(
        plain.score_test_nn(vcov="~firm"), glm("y ~ z", data, "poisson", vcov="~firm").score_test_nn(), rel=0
    )
    alone = plain.score_test_nn(vcov="CR0 ~ I(z + w)", method="reset")  # every row a cluster
    assert numbers(alone) == pytest.approx(numbers(plain.score_test_nn(method="reset")), rel=1e-9)
    with pytest.raises(ComparisonError, match=r'under vcov HAC: .* Use vcov="HC0" or vcov="~firm"'):
        plain.score_test_nn(vcov="HAC ~ t")
    sampled = glm("y ~ z", data, "poisson", sampling_weights="t")
    assert sampled.score_test_nn().vcov == "HC0"
    with pytest.raises(ArgumentError, match="Sampling weights need a sandwich"):
        sampled.score_test_nn(vcov="classical")


def test_a_factor_of_many_levels() -> None:
    data = sample(2000).assign(s=lambda d: "s" + (np.arange(len(d)) % 150).astype(str).astype(object))
    found = glm("y ~ z", data, "poisson").score_test_nn("s")
    assert "quadratic: 149 directions" not in str(found)
    assert found["df"][1] == 149  # the levels themselves: their products are spanned
    assert found.p_value > 0.01


def test_few_clusters() -> None:
    data = sample().assign(few=lambda d: d["firm"] % 12)
    fit = glm("y ~ z + w", data, "poisson")
    with pytest.warns(FewClustersWarning):
        found = fit.score_test_nn(vcov="~few")
    assert "12 clusters, few clusters" in str(found)
    assert "quadratic: 3 directions are too many for 12 clusters" in str(found)


def test_seed_and_units_change_kernels_only(fit: Fit) -> None:
    first, second = fit.score_test_nn(), fit.score_test_nn(seed=2, units=64)
    assert first["statistic"][:2] == second["statistic"][:2]
    assert first["statistic"][2:4] != second["statistic"][2:4]
    assert (second.seed, second.units, len(second.weights["kernel relu"])) == (2, 64, 64)
    assert "64 units, seed 2" in str(second)


def test_kernels_of_many_units_depend_little_on_the_seed(fit: Fit) -> None:
    found = [fit.score_test_nn(seed=seed, units=2048)["p_value"][2:4] for seed in (1, 2, 3)]
    assert np.ptp(found, axis=0).max() < 0.1


def test_many_variables_leave_the_quadratic_test_out() -> None:
    rng = np.random.default_rng(1)
    data = {f"x{place}": rng.normal(size=100) for place in range(7)} | {"y": rng.normal(size=100)}
    found = glm("y ~ .", data).score_test_nn()
    assert "quadratic: 28 directions are too many for 100 rows. Name fewer variables." in str(found)
    assert "Cauchy combination of RESET, kernel tanh, kernel relu" in str(found)
    wide = {f"x{place}": rng.normal(size=200) for place in range(70)} | {"y": rng.normal(size=200)}
    assert "quadratic: 2,555 directions are too many. Name" in str(glm("y ~ .", wide).score_test_nn())


def test_what_is_printed(fit: Fit) -> None:
    found = fit.score_test_nn("z", "w")
    text = str(found)
    assert text.splitlines()[0].startswith("Score tests, nothing trained")
    assert "H0: no further function of w, z is missing" in text
    assert "vcov: HC0 (scores of rows, whatever their variance)" in text
    assert "128 units, seed 1" in text
    assert max(map(len, text.splitlines())) <= 80
    assert found.ascii().isascii()
    assert list(found.to_frame().index) == ["RESET", "quadratic", "kernel tanh", "kernel relu", "omnibus"]
    assert found.to_dict()["rows"][-1]["df"] is None
    model = fit.score_test_nn("z", vcov="classical", method="reset")
    assert "vcov: classical (variance of the family, dispersion 1, fixed)" in str(model)


def test_fits_from_a_file_need_data(fit: Fit, tmp_path: Path) -> None:
    from glmstat import load

    fit.save(tmp_path / "fit.safetensors")
    loaded = load(tmp_path / "fit.safetensors")
    with pytest.raises(DataError, match="score_test_nn needs the rows of the fit"):
        loaded.score_test_nn("z")
    same(fit.score_test_nn("z"), loaded.score_test_nn("z", data=sample()), rel=1e-9)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("variables", "words", "error", "message"),
    [
        (("zz",), {}, ColumnError, "No column 'zz'"),
        (("z",), {"method": "ramsey"}, ArgumentError, "Unknown method: 'ramsey'"),
        (("z",), {"method": "kernel", "activation": "sin"}, ArgumentError, "Unknown activation: 'sin'"),
        (("z",), {"seed": -1}, ArgumentError, "seed must be a whole number"),
        (("z",), {"seed": 1.5}, ArgumentError, "seed must be a whole number"),
        (("z",), {"units": 0}, ArgumentError, "units must be a whole number"),
        ((3,), {}, ArgumentError, "takes names or expressions of columns: got int"),
        (("y",), {}, ArgumentError, "cannot test 'y': it is the response"),
        (("one",), {}, DataError, "'one' is constant in the rows of the fit"),
        (("gap",), {}, DataError, r"'gap' is nan in rows 3, 5 \(2 rows\)"),
        (("hole",), {}, DataError, r"'hole' is nan in row 7 \(1 row\)"),
        (("log(zero)",), {}, DataError, r"'log\(zero\)' is -inf in row 2 \(1 row\)"),
        (("poly(z, 2)",), {}, DataError, "is not one value per row"),
        (("z", "w"), {"vcov": "HC9"}, ArgumentError, "Unknown vcov"),
    ],
)
def test_refusals(variables: Any, words: Any, error: type[GlmstatError], message: str) -> None:
    data = sample().assign(one=1.0, gap=lambda d: d["w"], hole=lambda d: d["f"], zero=lambda d: d["w"])
    data.loc[[3, 5], "gap"], data.loc[7, "hole"], data.loc[2, "zero"] = nan, None, 0.0
    with pytest.raises(error, match=message):
        glm("y ~ z", data, "poisson").score_test_nn(*variables, **words)


def test_nothing_to_test() -> None:
    with pytest.raises(ArgumentError, match="score_test_nn needs variables"):
        glm("y ~ 1", sample(), "poisson").score_test_nn()


def test_fits_without_residuals() -> None:
    x = np.arange(8.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GlmstatWarning)
        perfect = glm("y ~ x", {"y": 2 * x + 1, "x": x})
        saturated = glm("y ~ factor(x)", {"y": x + 1, "x": x}, "poisson")
        separated = glm("y ~ x", {"y": x > 3, "x": x}, "binomial")
    with pytest.raises(ComparisonError, match="separation predicts every row perfectly"):
        separated.score_test_nn()
    with pytest.raises(ComparisonError, match="score_test_nn is not defined"):
        perfect.score_test_nn()
    with pytest.raises(ComparisonError, match="score_test_nn is not defined: 0 residual degrees of freedom"):
        saturated.score_test_nn()


def test_data_that_changed_are_refused() -> None:
    data = {name: sample()[name].to_numpy().copy() for name in ("y", "z", "w")}
    fit = glm("y ~ z", data, "poisson")
    data["y"] += 1.0
    with pytest.raises(DataError, match="data changed since the fit"):
        fit.score_test_nn("w")
