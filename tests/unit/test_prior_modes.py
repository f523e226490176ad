"""Several modes, dispersions of their own, profiles at kinks: against direct search over the densities."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize

import glmstat
from glmstat import glm
from glmstat.errors import ArgumentError
from glmstat.priors import cauchy, laplace, normal, t

N = 12


def line(seed=3, noise=0.05):
    """Twelve rows on a steep line."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(N)
    return pd.DataFrame({"x": x, "u": 3 * x + noise * rng.standard_normal(N)})


def joint(fit, data, prior):
    """Log posterior of coefficients and dispersion of a straight line."""
    a, b = fit.coef
    law = {"cauchy": stats.cauchy, "normal": stats.norm}[prior.name]
    rows = stats.norm.logpdf(data["u"], a + b * data["x"], np.sqrt(fit.dispersion))
    return rows.sum() + law.logpdf(b, prior.location, prior.scale)


def test_modes_are_compared_each_at_its_own_dispersion():
    data, prior = line(), cauchy(0, 0.001)
    fit = glm("u ~ x", data, prior={"x": prior})
    assert abs(fit.coef["x"] - 3) < 0.05 and fit.dispersion < 0.01
    low = glm("u ~ x", data, prior={"x": prior}, dispersion=22.5488)
    assert abs(low.coef["x"]) < 1e-4
    depth = joint(fit, data, prior) - joint(low, data, prior)
    assert f"each with its own dispersion, differ by {depth:.3f}" in " ".join(str(fit).split())


@pytest.mark.parametrize("start", [[0, 0], [0, 3], [5, -20], [0, 1e-6]])
def test_start_does_not_choose_the_mode(start):
    for prior in (cauchy(0, 0.001), t(3, 1, 0.01), normal(0, 0.01)):
        fit = glm("u ~ x", line(), prior={"x": prior})
        again = glm("u ~ x", line(), prior={"x": prior}, start=start)
        np.testing.assert_allclose(again.coef, fit.coef, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(again.dispersion, fit.dispersion, rtol=1e-7)


def test_a_normal_prior_may_have_two_modes_with_an_estimated_dispersion():
    """Few rows: small residuals outweigh the prior, large ones do not."""
    data = pd.DataFrame({"u": [9.9, 10.0, 10.1, 10.0]})
    x = np.linspace(-1, 11, 240_001)
    chosen = []
    for scale in (1.0, 2.0):
        fit = glm("u ~ 1", data, prior={"Intercept": normal(0, scale)}, dispersion="ml")
        residual = np.square(data["u"].to_numpy()[:, None] - x).mean(0)
        profiled = -2 * np.log(residual) - 0.5 * (x / scale) ** 2  # phi at its maximum for each value
        np.testing.assert_allclose(fit.coef["Intercept"], x[np.argmax(profiled)], atol=1e-4)
        assert "several modes" in str(fit)
        chosen.append(fit.coef["Intercept"])
    assert chosen[0] < 1 and chosen[1] > 9


@pytest.mark.parametrize(
    ("family", "noise"), [("gamma", 0.05), ("inverse_gaussian", 0.05), ("quasipoisson", 0.0)]
)
def test_modes_of_other_families(family, noise):
    """A mean that the data know well and a tight prior elsewhere: the data win, whatever the start."""
    rng = np.random.default_rng(1)
    y = 20.0 + 20.0 * noise * rng.standard_normal(20) + (noise == 0) * rng.integers(-1, 2, 20)
    link = {"link": "log"} if family != "quasipoisson" else {}
    given = {"Intercept": cauchy(0, 0.001)}
    fits = [
        glm("y ~ 1", {"y": y}, family, prior=given, start=start, **link) for start in (None, [0.0], [3.0])
    ]
    for fit in fits:
        np.testing.assert_allclose(fit.coef["Intercept"], np.log(20), atol=0.05)
        np.testing.assert_allclose(fit.dispersion, fits[0].dispersion, rtol=1e-8)


def test_coefficients_near_the_prior_and_near_the_data_at_once():
    """The highest mode has one coefficient at its prior and the other at the data."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.standard_normal(30), "z": rng.standard_normal(30)})
    data["y"] = 2 * data["x"] + 0.35 * data["z"] + rng.standard_normal(30)
    given = {"x": cauchy(0, 0.001), "z": cauchy(0, 0.001)}
    fit = glm("y ~ 0 + x + z", data, prior=given, dispersion=1.0)
    X, y = data[["x", "z"]].to_numpy(), data["y"].to_numpy()

    def cost(b):
        return 0.5 * ((y - X @ b) ** 2).sum() + np.log1p((b / 0.001) ** 2).sum()

    points = [(a, b) for a in (0.0, 2.0) for b in (0.0, 0.4)]
    options = {"xatol": 1e-10, "fatol": 1e-13}
    best = min(
        (minimize(cost, p, method="Nelder-Mead", options=options) for p in points), key=lambda f: f.fun
    )
    np.testing.assert_allclose(fit.coef, best.x, atol=1e-6)
    assert abs(fit.coef["z"]) < 0.01 and fit.coef["x"] > 1


def test_modes_do_not_depend_on_where_the_rows_are(tmp_path):
    data = line()
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=5)
    given, control = {"x": cauchy(0, 0.001)}, glmstat.Control(memory=0)
    here = glm("u ~ x", data, prior=given)
    there = glm("u ~ x", str(tmp_path / "rows.parquet"), prior=given, control=control)
    np.testing.assert_allclose(there.coef, here.coef, rtol=1e-9)
    assert there.estimate.convergence.notes == here.estimate.convergence.notes
    counted = glm("u ~ x", data.assign(k=3), freq_weights="k", prior=given)
    written = glm("u ~ x", pd.concat([data] * 3), prior=given)
    np.testing.assert_allclose(counted.coef, written.coef, rtol=1e-9)
    assert str(counted).split("several modes")[1] == str(written).split("several modes")[1]


# ---------------------------------------------------------------- profiles


def test_profile_at_a_kink_has_finite_ends():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.standard_normal(60), "f": np.tile(list("abc"), 20)})
    data["u"] = data["x"] + rng.standard_normal(60)
    fit = glm("u ~ x + f", data, prior={"f": laplace(0, 0.01)})
    assert (fit.coef[["f[T.b]", "f[T.c]"]] == 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = fit.confint(method="profile")
    assert np.isfinite(ends).all(axis=None)
    X = np.column_stack([np.ones(60), data["x"], data["f"] == "b", data["f"] == "c"])
    cut = stats.t.ppf(0.975, fit.df_residual) ** 2

    def minus_twice(b):
        rest = ((data["u"] - X @ b) ** 2).sum() / fit.dispersion
        return rest + 2 * np.abs(b[2:]).sum() / 0.01

    least = minus_twice(fit.coef.to_numpy())
    for end in ends.loc["f[T.b]"]:
        searched = minimize(
            lambda free, end=end: minus_twice(np.array([free[0], free[1], end, free[2]])),
            fit.coef.to_numpy()[[0, 1, 3]],
            method="Powell",
            options={"xtol": 1e-10, "ftol": 1e-14},
        )
        np.testing.assert_allclose(searched.fun - least, cut, rtol=1e-6)


def test_profile_at_kinks_with_an_estimated_dispersion_of_a_log_link():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.standard_normal(200), "f": np.tile(list("abcd"), 50)})
    data["s"] = rng.gamma(2, np.exp(0.1 * data["x"]))
    fit = glm("s ~ x + f", data, "gamma", link="log", prior={"f": laplace(0, 0.01), "x": t(3, 0, 1)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = fit.confint(method="profile", of=["x", "f[T.c]"])
    assert np.isfinite(ends).all(axis=None) and ends.loc["f[T.c]"].abs().max() < 0.1


def test_profile_at_the_boundary_ends_at_the_edge():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=60) * 3 + 5})
    data["y"] = (data["x"] - 5 + rng.logistic(size=60) > 0).astype(int)
    for given in ({"prior": {"x": normal(0, 1)}}, {}):
        with pytest.warns(glmstat.BoundaryWarning):
            fit = glm("y ~ x", data, "binomial", link="identity", **given)
        with pytest.warns(glmstat.BoundaryWarning, match=r"x: upper end .* is the edge of the domain"):
            ends = fit.confint(method="profile")
        reach = 1 / (data["x"].max() - data["x"].min())  # both means at their bounds
        np.testing.assert_allclose(ends.loc["x", "conf_high"], reach, rtol=1e-9)
        assert np.isfinite(ends).all(axis=None)


# ---------------------------------------------------------------- numbers and keys


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160])
def test_scales_whose_squares_overflow_are_refused(scale):
    for law in (normal, cauchy, laplace):
        with pytest.raises(ArgumentError, match="must be between 1e-70 and 1e"):
            law(0, scale)
    with pytest.raises(ArgumentError, match="location of normal must be within"):
        normal(1e160, 1)


def test_the_narrowest_priors_hold_their_coefficient():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.standard_normal(30), "y": rng.integers(0, 2, 30)})
    for prior in (normal(1, 1e-70), t(3, 1, 1e-70), cauchy(1, 1e-70), laplace(1, 1e-70)):
        fit = glm("y ~ x", data, "binomial", prior={"x": prior})
        assert fit.converged and fit.coef["x"] == 1.0 and np.isfinite(fit.coef).all()


def test_a_t_prior_of_many_degrees_of_freedom_is_the_normal():
    data = line(noise=2.0)
    one = glm("u ~ x", data, prior={"x": t(1e300, 0, 0.7)})
    other = glm("u ~ x", data, prior={"x": normal(0, 0.7)})
    np.testing.assert_allclose(one.coef, other.coef, rtol=1e-10)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": normal(), "x ": normal(0, 2)}, "prior names x twice: by 'x' and by 'x '"),
        ({"f:x": normal()}, "Did you mean 'x:f'"),
        ({"f[T.b]:x": normal()}, r"Did you mean 'x:f\[T.b\]'"),
    ],
)
def test_keys_that_are_not_clear(given, words):
    data = line().assign(f=np.tile(list("ab"), N // 2))
    with pytest.raises(ArgumentError, match=words):
        glm("u ~ x * f", data, prior=given)


def test_one_coefficient_by_the_names_of_two_systems():
    data = line().assign(f=np.tile(list("ab"), N // 2))
    with pytest.raises(ArgumentError, match=r"prior names fb twice: by 'fb' and by 'f\[T.b\]'"):
        glm("u ~ x + f", data, prior={"fb": normal(), "f[T.b]": normal(0, 2)}, compat="R")


# ---------------------------------------------------------------- another system's conventions


@pytest.mark.parametrize("system", ["stata", "sas"])
@pytest.mark.parametrize("choice", [{"prior": "weak"}, {"method": "firth"}])
def test_conventions_of_other_systems_beside_priors_and_bias_reduction(system, choice):
    """The information is that of the estimator, and the table says whose conventions it follows."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.standard_normal(60), "s": rng.gamma(2, 1, 60)})
    fit = glm("s ~ x", data, "gamma", link="log", compat=system, dispersion=0.5, **choice)
    own = glm("s ~ x", data, "gamma", link="log", dispersion=0.5, **choice)
    np.testing.assert_allclose(fit.stderror(), own.stderror(), rtol=1e-9)
    assert f"conventions of {glmstat.convention.CONVENTIONS[system].title}" in str(fit)
    assert ("chi-squared(1)" in str(fit)) == (system == "sas" and "method" in choice)


# ---------------------------------------------------------------- estimated dispersions of counts


def apart(n=12):
    """Rows of 0 and 1 that x separates."""
    y = np.repeat([0.0, 1.0], n // 2)
    return {"y": y, "x": y + np.linspace(0, 0.3, n)}


@pytest.mark.parametrize(
    ("family", "choice"),
    [
        ("quasibinomial", {}),
        ("quasibinomial", {"dispersion": "deviance"}),
        ("binomial", {"dispersion": "pearson"}),
        ("quasi(mu(1-mu))", {"link": "logit"}),
    ],
)
def test_separated_rows_do_not_take_the_weight_of_the_prior(family, choice):
    """The dispersion counts as 1 at least: the mode is that of the binomial family."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit, plain = (
            glm("y ~ x", apart(), name, prior="weak", **words)
            for name, words in ((family, choice), ("binomial", {}))
        )
    np.testing.assert_allclose(fit.coef, plain.coef, rtol=1e-9)
    np.testing.assert_allclose(fit.stderror(), plain.stderror(), rtol=1e-9)
    assert fit.converged and fit.dispersion == 1.0
    assert "is below 1, that of independent counts or 0/1 rows, and counts as 1" in " ".join(str(fit).split())
    assert "NOT" not in str(fit.verify())


def test_zero_counts_of_a_group_and_a_prior():
    data = {"y": [0.0] * 5 + [3.0, 2, 4, 3, 3, 2, 4, 3], "g": ["a"] * 5 + ["b"] * 8}
    fit = glm("y ~ g", data, "quasipoisson", prior="weak")
    plain = glm("y ~ g", data, "poisson", prior="weak")
    assert fit.dispersion == 1.0
    np.testing.assert_allclose(fit.coef, plain.coef, rtol=1e-9)


def test_other_dispersions_stay_what_they_are():
    """Those of fractions, those above 1, and those that are given."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(60)
    p = 1 / (1 + np.exp(-x))
    fractions = glm("y ~ x", {"y": rng.beta(20 * p, 20 * (1 - p)), "x": x}, "quasibinomial", prior="weak")
    assert 0.03 < fractions.dispersion < 0.08
    counts = {"y": rng.negative_binomial(1, 0.1, 60).astype(float), "x": x}
    wide = glm("y ~ x", counts, "quasipoisson", prior={"x": normal(0, 1)})
    assert wide.dispersion > 5 and "counts as 1" not in str(wide)
    assert glm("y ~ x", apart(), "quasibinomial", prior="weak", dispersion=0.5).dispersion == 0.5
