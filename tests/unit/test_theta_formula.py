"""Negative binomial fits whose theta has a formula: numbers, verbs, and what is refused."""

import json
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import Control, Covariance
from glmstat.errors import (
    ArgumentError,
    ColumnError,
    ComparisonError,
    ConvergenceWarning,
    DataError,
    FormulaError,
    SeparationWarning,
)
from glmstat.families import NegativeBinomial
from glmstat.likelihood.negbin import NegativeBinomialTheta
from tests.reference import reference

HERE = Path(__file__).parent
DATA = HERE.parent / "reference" / "data"
R = json.loads((HERE.parent / "reference" / "inference" / "theta_formula.json").read_text("utf-8"))
CASES = [case for case in reference.cases() if case["kind"] == "negbin"]
QUINE = pd.read_csv(DATA / "quine.csv")
SIMULATED = pd.read_csv(DATA / "nb_sim.csv").assign(v=lambda data: np.arange(1, len(data) + 1) % 3 + 1)


def nb(formula, data, theta, **words):
    return glmstat.glm(formula, data, "negative_binomial", predictors={"theta": theta}, **words)


def simulated(n=400, seed=1):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "g": rng.choice(list("abc"), n)})
    data["u"], data["k"] = 0.3 * rng.normal(size=n), rng.integers(0, 45, n)
    theta = np.exp(0.3 + 0.6 * data.z)
    mu = np.exp(1.0 + 0.5 * data.x + 0.2 * (data.g == "c") + data.u)
    data["y"] = rng.negative_binomial(theta, theta / (theta + mu))
    return data


@pytest.fixture(scope="module")
def data():
    return simulated()


@pytest.fixture(scope="module")
def fit(data):
    return nb("y ~ x + g + offset(u)", data, "~ z")


@pytest.mark.filterwarnings("ignore:The 'float_precision' argument")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_constant_theta_is_that_of_glm_nb(case):
    expected = case["expected"]
    found = nb(case["formula"], reference.data(case), "~ 1")
    names = list(expected["coef"])
    np.testing.assert_allclose(found.coef[names], list(expected["coef"].values()), rtol=1e-11)
    np.testing.assert_allclose(np.exp(found.coef["theta:Intercept"]), expected["theta"], rtol=1e-11)
    for word in ("loglik", "aic", "deviance", "null_deviance"):
        np.testing.assert_allclose(getattr(found, word), expected[word], rtol=1e-11)
    errors = expected["se_any"]["expected_given_theta"]
    np.testing.assert_allclose(found.stderror()[names], list(errors.values()), rtol=1e-11)
    joint = found.with_vcov(Covariance("classical", information="observed")).stderror()
    np.testing.assert_allclose(joint[names], list(expected["se_any"]["joint_observed"].values()), rtol=1e-11)
    of_theta = joint["theta:Intercept"] * expected["theta"]
    np.testing.assert_allclose(of_theta, expected["theta_se_any"]["joint"], rtol=1e-11)
    assert found.parameters == len(names) + 1


FITS = {
    "quine": ("Days ~ Eth + Sex + Lrn", QUINE, "~ Age", {}),
    "nb_sim": ("y ~ x + offset(log(t))", SIMULATED, "~ x", {}),
    "offset": ("y ~ x + offset(log(t))", SIMULATED, "~ x + offset(0.3 * log(t))", {}),
    "weights": ("y ~ x", SIMULATED, "~ x", {"weights": "v"}),
}


@pytest.mark.parametrize("name", FITS)
def test_numbers_of_r(name):
    formula, data, theta, words = FITS[name]
    found, expected = nb(formula, data, theta, **words), R[name]
    np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-9)
    np.testing.assert_allclose([found.loglik, found.aic], [expected["loglik"], expected["aic"]], rtol=1e-12)
    for vcov, word in (("classical", "expected"), ("oim", "observed"), ("HC0", "HC0"), ("opg", "opg")):
        np.testing.assert_allclose(found.with_vcov(vcov).stderror(), expected[word], rtol=1e-10)
    np.testing.assert_allclose(found.deviance, expected["deviance"], rtol=1e-10)
    np.testing.assert_allclose(found.predict()[:3], expected["mean"], rtol=1e-10)
    np.testing.assert_allclose(found.predict(type="theta")[:3], expected["theta"], rtol=1e-10)
    # glmmTMB stops earlier
    np.testing.assert_allclose(found.coef, expected["glmmTMB"]["coef"], atol=2e-5)
    errors = found.with_vcov("oim").stderror()
    np.testing.assert_allclose(errors, expected["glmmTMB"]["std_error"], rtol=1e-5)


def test_likelihood_ratio_of_a_theta_formula_is_that_of_r():
    found = nb("Days ~ Eth + Sex + Lrn", QUINE, "~ Age").test("theta:Age", method="lr")
    np.testing.assert_allclose(found.to_frame()["statistic"], R["quine"]["lr"], rtol=1e-9)


def test_interacted_groups_are_separate_fits(data):
    whole = nb("y ~ 0 + g + g:x + offset(u)", data, "~ 0 + g")
    for level in "abc":
        own = nb("y ~ x + offset(u)", data[data.g == level], "~ 1")
        names = [f"g[{level}]", f"g[{level}]:x", f"theta:g[{level}]"]
        np.testing.assert_allclose(whole.coef[names], own.coef, rtol=1e-9)
        np.testing.assert_allclose(whole.stderror()[names], own.stderror(), rtol=1e-9)


def exact(y, mean, theta):
    mu, size = mpmath.e**mean, mpmath.e**theta
    gammas = mpmath.loggamma(y + size) - mpmath.loggamma(size)
    return gammas + size * theta + y * mean - (y + size) * mpmath.log(size + mu)


@pytest.mark.parametrize("y", [0, 1, 40, 2000])
@pytest.mark.parametrize("mean", [-4.0, 0.5, 5.0])
@pytest.mark.parametrize("theta", [-5.0, 0.5, 3.3, 3.5, 12.0])
def test_rows_are_derivatives_of_the_likelihood(y, mean, theta):
    model = NegativeBinomialTheta(NegativeBinomial(None))
    found = model.rows(np.array([float(y)]), np.array([[mean, theta]]), None, information="observed")
    with mpmath.workdps(40):
        at = mpmath.mpf(mean), mpmath.mpf(theta)
        height = float(exact(y, *at))
        slopes = [mpmath.diff(lambda a, b: exact(y, a, b), at, order) for order in ((1, 0), (0, 1))]
        bends = [-mpmath.diff(lambda a, b: exact(y, a, b), at, o) for o in ((2, 0), (1, 1), (0, 2))]
    np.testing.assert_allclose(found.objective[0], height, rtol=1e-12)
    np.testing.assert_allclose(found.gradient[0], [float(one) for one in slopes], rtol=1e-10, atol=1e-30)
    cells = found.observed[0][[0, 0, 1], [0, 1, 1]]
    np.testing.assert_allclose(cells, [float(one) for one in bends], rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("mu", [0.05, 1.0, 60.0])
@pytest.mark.parametrize("theta", [0.05, 0.7, 20.0, 300.0])
def test_expected_information_is_the_sum_over_counts(mu, theta):
    model = NegativeBinomialTheta(NegativeBinomial(None))
    eta = np.log([[mu, theta]])
    found = model.rows(np.array([1.0]), eta, None, information="expected").expected[0]
    with mpmath.workdps(30):
        size, mean = mpmath.mpf(theta), mpmath.mpf(mu)
        mass = (size / (size + mean)) ** size
        tail, total, j = 1 - mass, mpmath.mpf(0), 0
        while tail > mpmath.mpf(10) ** -22:
            total += tail / (size + j) ** 2
            mass *= (size + j) / (j + 1) * mean / (size + mean)
            tail, j = tail - mass, j + 1
        expected = float(size**2 * total - size * mean / (size + mean))
    np.testing.assert_allclose(found[1, 1], expected, rtol=1e-9)
    np.testing.assert_allclose(found[0], [mu / (1.0 + mu / theta), 0.0], rtol=1e-12)


def test_a_restricted_theta_is_the_family_with_that_theta(data):
    found = nb("y ~ x", data, "~ 1")
    fixed = glmstat.glm("y ~ x", data, "negative_binomial(2)")
    ratio = found.test("theta:Intercept = log(2)", method="lr").to_frame()["statistic"].iloc[0]
    np.testing.assert_allclose(ratio, 2.0 * (found.loglik - fixed.loglik), rtol=1e-8)


def test_a_formula_without_columns_holds_theta(data):
    held = nb("y ~ x", data, "~ 0 + offset(log(2) + 0*u)")
    fixed = glmstat.glm("y ~ x", data, "negative_binomial(2)")
    np.testing.assert_allclose(held.coef, fixed.coef, rtol=1e-12)
    np.testing.assert_allclose(
        [held.loglik, held.deviance, held.null_deviance],
        [fixed.loglik, fixed.deviance, fixed.null_deviance],
        rtol=1e-12,
    )


@pytest.mark.parametrize("hypothesis", ["theta:z = 0", "g", "x = theta:z", "theta:Intercept = 0.2, x = 0.5"])
def test_three_tests_agree_in_order(fit, hypothesis):
    found = [fit.test(hypothesis, method=method).tests[0] for method in ("wald", "lr", "score")]
    statistic = np.array([one.statistic for one in found])
    statistic[0] **= 2 if found[0].reference == "z" else 1
    assert (statistic > 0).all() and statistic.max() < 2.5 * statistic.min()


def test_score_test_of_theta_is_the_quadratic_form(data):
    """U' I⁻¹ U at theta constant, from rows and information alone."""
    large, small = nb("y ~ x", data, "~ z"), nb("y ~ x", data, "~ 1")
    X, Z = np.column_stack([np.ones(len(data)), data.x]), np.column_stack([np.ones(len(data)), data.z])
    eta = np.column_stack([X @ small.coef[:2], np.full(len(data), small.coef["theta:Intercept"])])
    rows = large.spec.likelihood.rows(data.y.to_numpy(float), eta, None, information="expected")
    score = Z.T @ rows.gradient[:, 1]
    information = Z.T @ (rows.expected[:, 1, 1, None] * Z)
    found = large.test("theta:z = 0", method="score").to_frame()["statistic"].iloc[0]
    np.testing.assert_allclose(found, score @ np.linalg.solve(information, score), rtol=1e-8)


def test_terms_are_tested_by_refits(fit, data):
    smaller = nb("y ~ x + offset(u)", data, "~ z")
    constant = nb("y ~ x + g + offset(u)", data, "~ 1")
    dropped = fit.drop1().to_frame()
    np.testing.assert_allclose(dropped.loc["g", "statistic"], 2 * (fit.loglik - smaller.loglik), rtol=1e-7)
    np.testing.assert_allclose(
        dropped.loc["theta:z", "statistic"], 2 * (fit.loglik - constant.loglik), rtol=1e-7
    )
    np.testing.assert_allclose(dropped.loc["g", "aic"], smaller.aic, rtol=1e-9)
    both = glmstat.anova(smaller, fit).to_frame()
    np.testing.assert_allclose(both["statistic"].iloc[1], 2 * (fit.loglik - smaller.loglik), rtol=1e-7)
    assert both.index[1] == "y ~ x + g + offset(u), theta ~ z"
    sequential = fit.anova().to_frame()
    assert list(sequential.index) == ["null", "x", "g", "theta:z"]
    added = smaller.add1(". + g").to_frame()
    np.testing.assert_allclose(added.loc["g", "aic"], fit.aic, rtol=1e-9)
    only = fit.drop1("theta:z").to_frame()
    assert list(only.index) == ["none", "theta:z"]
    assert "theta estimated in each model" in str(fit.drop1())


def test_step_keeps_the_formula_of_theta(data):
    found = nb("y ~ x + g + u", data, "~ z").step().fit
    assert found.spec.design.others["theta"].text == "~ z"


def test_profile_ends_are_roots_of_the_likelihood_ratio(fit):
    ends = fit.confint(method="profile").loc["theta:z"]
    for end in ends:
        ratio = fit.test(f"theta:z = {float(end)!r}", method="lr").to_frame()["statistic"].iloc[0]
        np.testing.assert_allclose(ratio, 3.841458820694124, rtol=1e-6)


def test_predictions(fit, data):
    new = data.head(5)
    for type in ("response", "link"):
        found = fit.predict(new.drop(columns=["z", "y"]), type=type)
        np.testing.assert_array_equal(found, fit.predict(type=type)[:5])
    np.testing.assert_array_equal(fit.predict(new[["z"]], type="theta"), fit.predict(type="theta")[:5])
    eta = fit.coef["theta:Intercept"] + fit.coef["theta:z"] * new.z
    table = fit.predict(new, type="theta", se_fit=True, interval="confidence")
    np.testing.assert_allclose(table["estimate"], np.exp(eta), rtol=1e-12)
    V = fit.vcov().loc[["theta:Intercept", "theta:z"], ["theta:Intercept", "theta:z"]].to_numpy()
    rows = np.column_stack([np.ones(5), new.z])
    error = np.sqrt(np.einsum("ij,jk,ik->i", rows, V, rows))
    np.testing.assert_allclose(table["std_error"], np.exp(eta) * error, rtol=1e-10)
    np.testing.assert_allclose(table["conf_low"], np.exp(eta - 1.959963984540054 * error), rtol=1e-9)
    parts = fit.predict(type="terms")
    total = parts.sum(axis=1) + parts.attrs["constant"] + data.u
    np.testing.assert_allclose(total, fit.predict(type="link"), rtol=1e-10)
    with pytest.raises(ColumnError, match="predict needs column 'z'"):
        fit.predict(new.drop(columns="z"), type="theta")


def test_residuals_have_the_variance_of_each_row(fit, data):
    mu, theta = fit.predict(), fit.predict(type="theta")
    np.testing.assert_allclose(
        fit.residuals("pearson"), (data.y - mu) / np.sqrt(mu + mu**2 / theta), rtol=1e-9
    )
    np.testing.assert_allclose((fit.residuals("deviance") ** 2).sum(), fit.deviance, rtol=1e-10)
    np.testing.assert_allclose((fit.residuals("pearson") ** 2).sum(), fit.pearson, rtol=1e-10)


def test_frequencies_are_repeats(data):
    times = np.random.default_rng(2).integers(0, 4, len(data))
    counted = nb("y ~ x + g", data.assign(w=times), "~ g + z", freq_weights="w")
    repeated = nb("y ~ x + g", data.loc[data.index.repeat(times)], "~ g + z")
    for vcov in ("classical", "HC0"):
        one, two = counted.with_vcov(vcov), repeated.with_vcov(vcov)
        np.testing.assert_allclose(one.stderror(), two.stderror(), rtol=1e-9)
    np.testing.assert_allclose(counted.coef, repeated.coef, rtol=1e-9)
    for word in ("nobs", "loglik", "aic", "bic", "deviance", "null_deviance"):
        np.testing.assert_allclose(getattr(counted, word), getattr(repeated, word), rtol=1e-10)


def test_a_stream_has_the_bits_of_memory(tmp_path):
    data, path = simulated(70_000, 3), tmp_path / "rows.parquet"
    data.to_parquet(path, row_group_size=20_011)
    small = Control(memory=1e5)
    one, two = (nb("y ~ x + g", source, "~ z + g", control=small) for source in (path, data))
    whole = nb("y ~ x + g", data, "~ z + g")
    np.testing.assert_array_equal(one.coef, two.coef)
    np.testing.assert_allclose(one.coef, whole.coef, rtol=1e-10)
    np.testing.assert_allclose(one.with_vcov("~ k").stderror(), whole.with_vcov("~ k").stderror(), rtol=1e-9)
    np.testing.assert_allclose(one.predict(type="theta"), whole.predict(type="theta"), rtol=1e-10)
    ratios = [each.test("theta:g", method="lr").to_frame()["statistic"].iloc[0] for each in (one, whole)]
    np.testing.assert_allclose(*ratios, rtol=1e-6)


def test_missing_values_of_theta_drop_the_row(data):
    gaps = data.copy()
    gaps.loc[3:7, "z"], gaps.loc[10, "x"] = np.nan, np.nan
    found, whole = nb("y ~ x", gaps, "~ z"), nb("y ~ x", gaps.dropna(), "~ z")
    np.testing.assert_array_equal(found.coef, whole.coef)
    assert found.nobs == len(data) - 6
    assert found.notes[0].text == "dropped 6 of 400 rows: z 5, x 1 missing"


def test_files_and_copies(tmp_path, data):
    fit = nb("y ~ x + g", data, "~ scale(z) + offset(0.1*u)", offset="u")
    fit.save(tmp_path / "fit.safetensors")
    again = glmstat.load(tmp_path / "fit.safetensors")
    assert again == fit and str(again) == str(fit)
    new = data.head(4)
    for type in ("response", "theta"):
        np.testing.assert_array_equal(again.predict(new, type=type), fit.predict(new, type=type))
    whole = again.with_data(data)
    for each in (whole, fit.refit(data), fit.update(predictors={"theta": "~ scale(z) + offset(0.1*u)"})):
        np.testing.assert_allclose(each.coef, fit.coef, rtol=1e-10)
    ratios = [one.test("g", method="lr").to_frame()["statistic"].iloc[0] for one in (whole, fit)]
    np.testing.assert_allclose(*ratios, rtol=1e-9)
    assert fit.update(". ~ . + z").columns[-3:] == ("z", "theta:Intercept", "theta:scale(z)")


def test_resamples(data):
    fit = nb("y ~ x", data.head(80), "~ z")
    leave_one_out = fit.with_vcov("jackknife").stderror()
    found = [nb("y ~ x", data.head(80).drop(index=row), "~ z").coef for row in range(80)]
    spread = np.sqrt(79 / 80 * ((np.array(found) - np.mean(found, axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(leave_one_out, spread, rtol=1e-6)
    drawn = fit.bootstrap(30, seed=1).to_frame()
    assert set(fit.columns) <= set(drawn.columns)


def test_summary_has_two_blocks(fit):
    text = str(fit.summary())
    assert "\n\ntheta, log link: ~ z\ntheta:Intercept" in text
    assert "theta, log link: ~ z" in fit._repr_html_()
    assert fit.summary().to_dict()["predictors"] == {"theta": "~ z"}


# ---------------------------------------------------------------- where no maximum is finite


def test_a_group_of_zeros_has_an_infinite_mean(data):
    zeros = data.copy()
    zeros.loc[zeros.g == "b", "y"] = 0
    rest = zeros[zeros.g != "b"]
    with pytest.warns(SeparationWarning, match=r"g\[T.b\] → -inf"):
        one = nb("y ~ x + g", zeros, "~ z")
    np.testing.assert_allclose(one.coef.drop("g[T.b]"), nb("y ~ x + g", rest, "~ z").coef, rtol=1e-9)
    with pytest.warns(SeparationWarning):
        two = nb("y ~ x + g", zeros, "~ g")
    assert two.estimate.aliased["theta:g[T.b]"].startswith("not determined")
    own = nb("y ~ x + g", rest, "~ g")
    np.testing.assert_allclose(two.predict(rest), own.predict(), rtol=1e-9)
    np.testing.assert_allclose(two.predict(rest, type="theta"), own.predict(type="theta"), rtol=1e-9)
    np.testing.assert_allclose(two.loglik, own.loglik, rtol=1e-12)
    with pytest.raises(DataError, match="not estimable"):
        two.predict(type="theta")


@pytest.mark.parametrize(
    ("level", "columns"),
    [("b", r"theta:g\[T.b\]"), ("a", r"theta:Intercept, theta:g\[T.b\], theta:g\[T.c\]")],
)
def test_a_group_without_overdispersion_is_named(data, level, columns):
    flat = data.copy()
    own = flat.g == level
    flat.loc[own, "y"] = np.round(np.exp(1.0 + 0.5 * flat.x[own]) + 0.2)
    with pytest.raises(DataError, match=rf"theta runs to infinity in rows .* by {columns}: .* Poisson"):
        nb("y ~ x * g", flat, "~ g")


def test_a_group_of_zeros_with_a_mean_is_named(data):
    zeros = data.copy()
    zeros.loc[zeros.g == "b", "y"] = 0
    with pytest.raises(DataError, match=r"theta runs to 0 in rows .* by theta:g\[T.b\]"):
        nb("y ~ x", zeros, "~ g")


def test_aliased_columns_of_theta(data):
    found = nb("y ~ x", data.assign(z2=2 * data.z - 1), "~ z + z2")
    assert found.estimate.aliased == {"theta:z2": "= -theta:Intercept + 2*theta:z"} or found.estimate.aliased[
        "theta:z2"
    ].startswith("=")
    np.testing.assert_allclose(found.loglik, nb("y ~ x", data, "~ z").loglik, rtol=1e-12)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("family", "predictors", "error", "words"),
    [
        ("negative_binomial", {"sigma": "~ z"}, ArgumentError, "Unknown predictor: 'sigma'"),
        ("poisson", {"theta": "~ z"}, ArgumentError, "family poisson has no parameter with a formula"),
        ("negative_binomial(2)", {"theta": "~ z"}, ArgumentError, "estimates theta: family="),
        ("negative_binomial", {"theta": "y ~ z"}, FormulaError, "formula of theta has a response"),
        ("negative_binomial", {"theta": "z"}, FormulaError, "has no '~': 'z'. Write '~ z'"),
        ("negative_binomial", {"theta": "~ z | g"}, FormulaError, r"Formula of theta: .* behind '\|'"),
        ("negative_binomial", {"theta": "~ nn(z)"}, FormulaError, r"Formula of theta: nn\(\)"),
        ("negative_binomial", {"theta": "~ z +"}, FormulaError, "Formula of theta: The formula ends"),
        ("negative_binomial", {"theta": "~ q"}, ColumnError, "No column 'q'"),
        ("negative_binomial", {"theta": 2}, ArgumentError, "must be a text"),
        ("negative_binomial", "~ z", ArgumentError, "predictors must be a mapping"),
    ],
)
def test_wrong_predictors_are_one_error(data, family, predictors, error, words):
    with pytest.raises(error, match=words):
        glmstat.glm("y ~ x", data, family, predictors=predictors)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"dispersion": 2.0}, "dispersion=2.0 does not go with predictors="),
        ({"method": "firth"}, "do not go together"),
        ({"prior": "weak"}, "do not go together"),
    ],
)
def test_words_that_do_not_go_with_predictors(data, words, match):
    with pytest.raises(ArgumentError, match=match):
        nb("y ~ x", data, "~ z", **words)


def test_absorbed_effects_are_refused(data):
    with pytest.raises(ArgumentError, match="does not go with absorbed effects"):
        nb("y ~ x | g", data, "~ z")


def test_names_that_would_meet(data):
    with pytest.raises(FormulaError, match="Two coefficients would be called 'theta:z'"):
        nb("y ~ x + theta:z", data.assign(theta=data.u), "~ z")


REFUSED = {
    "HC3": lambda fit: fit.with_vcov("HC3"),
    "influence": lambda fit: fit.influence(),
    "standardized": lambda fit: fit.residuals("pearson", standardized=True),
    "check": lambda fit: fit.check(),
    "score_test_nn": lambda fit: fit.score_test_nn("x"),
    "extend": lambda fit: fit.extend("nn(x)"),
}


@pytest.mark.parametrize("verb", REFUSED)
def test_what_needs_one_predictor_says_so(fit, verb):
    with pytest.raises(ArgumentError):
        REFUSED[verb](fit)


def test_fits_of_other_predictors_are_not_compared(fit, data):
    fixed = glmstat.glm("y ~ x + offset(u)", data, "negative_binomial(2)")
    with pytest.raises(ComparisonError):
        glmstat.anova(fixed, fit)


def test_an_edge_of_the_mean_is_not_called_a_maximum():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=200), "z": rng.normal(size=200)})
    g = rng.choice(list("abc"), 200)
    rng.integers(0, 30, 200), rng.normal(size=200)
    theta, mu = np.exp(0.3 + 0.6 * data.z), np.exp(1.0 + 0.5 * data.x + 0.2 * (g == "c"))
    data["y"] = rng.negative_binomial(theta, theta / (theta + mu))
    with pytest.warns(ConvergenceWarning, match="edge of its domain"):
        found = nb("y ~ x", data, "~ z", link="identity")
    assert found.status == "not converged"


def test_a_dot_in_the_formula_of_theta_leaves_the_response_out():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"x": rng.normal(size=150), "z": rng.normal(size=150)})
    table["y"] = rng.negative_binomial(1.5, 1.5 / (1.5 + np.exp(1.0 + 0.3 * table.x)))
    fit = glmstat.glm("y ~ x", table, "negative_binomial", predictors={"theta": "~ ."})
    assert fit.columns == ("Intercept", "x", "theta:Intercept", "theta:x", "theta:z")
