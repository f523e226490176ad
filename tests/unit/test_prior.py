"""Modes of posteriors against 50-digit roots of explicit scores, closed forms and optimality conditions."""

import warnings
from dataclasses import replace

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, gammaln, ndtri
from scipy.stats import t as student

import glmstat
from glmstat import glm, load
from glmstat.errors import ArgumentError, ComparisonError, SeparationWarning
from glmstat.priors import PRIORS, Cauchy, Normal, as_prior, cauchy, laplace, normal, t

mp.mp.dps = 50
N = 40


def table(seed=7):
    """Forty rows with a response of each kind."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal(N), rng.uniform(1, 4, N)
    eta = 0.3 + 0.6 * x - 0.2 * z
    exposure = rng.uniform(0.5, 2.0, N)
    return pd.DataFrame(
        {
            "x": x,
            "z": z,
            "f": np.tile(["a", "b"], N // 2),
            "t": exposure,
            "w": rng.uniform(0.5, 2.0, N).round(2),
            "k": rng.integers(1, 4, N),
            "count": rng.poisson(np.exp(eta) * exposure).astype(float),
            "cost": rng.gamma(2.0, np.exp(eta) / 2.0),
            "size": eta + 0.7 * rng.standard_normal(N),
            "yes": (rng.random(N) < expit(eta)).astype(float),
            "above": (x > 0.1).astype(float),
        }
    )


DATA = table()


def slope(prior, b):
    """Derivative of the log density of a prior, in mpmath."""
    z = (b - prior.location) / prior.scale
    if prior.name == "normal":
        return -z / prior.scale
    if prior.name == "laplace":
        return -mp.sign(z) / prior.scale
    return -(prior.df + 1) * z / (prior.scale * (prior.df + z * z))


def columns(data, names=("x", "z")):
    return np.column_stack([np.ones(len(data)), *(data[name] for name in names)])


def root(score, start):
    """The root of a score in 50 digits, from a start of 8."""
    found = mp.findroot(lambda *b: score(list(b)), [mp.mpf(float(v)) for v in start], tol=1e-60, maxsteps=60)
    return np.array([float(v) for v in found])


def solved(row, X, priors, start, phi=1.0):
    """The mode: row(i, eta) is the derivative of a row's log-likelihood in eta, for dispersion 1."""
    rows = [[mp.mpf(float(v)) for v in line] for line in X]

    def score(b):
        slopes = [row(i, mp.fdot(line, b)) / phi for i, line in enumerate(rows)]
        total = [mp.fsum(s * line[j] for s, line in zip(slopes, rows, strict=True)) for j in range(len(b))]
        return [value + (slope(p, bj) if p else 0) for value, p, bj in zip(total, priors, b, strict=True)]

    return root(score, start)


def number(value):
    return mp.mpf(float(value))


MIXED = {"Intercept": normal(0.5, 2), "x": t(3, 0, 0.4), "z": cauchy(0, 0.5)}


@pytest.mark.parametrize("given", [MIXED, {"x": normal(0, 0.3)}, {"z": t(1.5, 1, 0.1), "x": normal(1, 0.2)}])
def test_poisson_with_exposure_and_weights(given):
    fit = glm("count ~ x + z", DATA, "poisson", exposure="t", weights="w", prior=given)
    y, w, off = DATA["count"], DATA["w"], np.log(DATA["t"])
    expected = solved(
        lambda i, eta: number(w[i]) * (number(y[i]) - mp.exp(eta + number(off[i]))),
        columns(DATA),
        [given.get(name) for name in fit.columns],
        fit.coef,
    )
    assert fit.converged
    np.testing.assert_allclose(fit.coef, expected, rtol=2e-13)


def test_separated_answers_are_finite_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = glm("above ~ x + z", DATA, "binomial", prior={"x": normal(0, 2.5)})
    y = DATA["above"]
    expected = solved(
        lambda i, eta: number(y[i]) - 1 / (1 + mp.exp(-eta)),
        columns(DATA),
        [None, normal(0, 2.5), None],
        fit.coef,
    )
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-12)
    assert fit.status == "converged" and fit.estimate.convergence.separation == "finite"


def test_cauchy_prior_of_separated_answers():
    given = {"x": cauchy(0, 2.5), "Intercept": cauchy(0, 10), "z": cauchy(0, 2.5)}
    fit = glm("above ~ x + z", DATA, "binomial", prior=given)
    y = DATA["above"]
    expected = solved(
        lambda i, eta: number(y[i]) - 1 / (1 + mp.exp(-eta)),
        columns(DATA),
        [given[name] for name in fit.columns],
        fit.coef,
    )
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-11)


def test_probit_is_not_canonical_and_has_the_observed_information():
    given = {"x": t(4, 0, 0.5)}
    fit = glm("yes ~ x", DATA, "binomial", link="probit", prior=given)
    y, x = DATA["yes"], DATA["x"]

    def value(a, b):
        eta = [a + b * number(v) for v in x]
        rows = (mp.log(mp.ncdf(e if yi else -e)) for e, yi in zip(eta, y, strict=True))
        return mp.fsum(rows) - mp.mpf(5) / 2 * mp.log(1 + (b / mp.mpf("0.5")) ** 2 / 4)

    found = mp.findroot(
        lambda a, b: [mp.diff(value, (a, b), (1, 0)), mp.diff(value, (a, b), (0, 1))],
        list(map(float, fit.coef)),
    )
    np.testing.assert_allclose(fit.coef, [float(v) for v in found], rtol=1e-10)
    hessian = [[float(mp.diff(value, tuple(found), (i, j))) for i, j in pair] for pair in HESSIAN]
    np.testing.assert_allclose(fit.vcov(), np.linalg.inv(-np.array(hessian)), rtol=1e-8)


HESSIAN = (((2, 0), (1, 1)), ((1, 1), (0, 2)))


def test_gaussian_with_known_dispersion_is_the_conjugate_posterior():
    """Normal prior, known variance: mode and covariance are exact."""
    given = {"Intercept": normal(1, 3), "x": normal(0.2, 0.1), "z": normal(0, 0.5)}
    fit = glm("size ~ x + z", DATA, weights="w", dispersion=0.49, prior=given)
    X, w = columns(DATA), DATA["w"].to_numpy()
    location = np.array([given[name].location for name in fit.columns])
    precision = np.diag([given[name].scale ** -2 for name in fit.columns])
    posterior = np.linalg.inv(X.T @ (X * w[:, None]) / 0.49 + precision)
    mean = posterior @ (X.T @ (w * DATA["size"]) / 0.49 + precision @ location)
    np.testing.assert_allclose(fit.coef, mean, rtol=1e-12)
    np.testing.assert_allclose(fit.vcov(), posterior, rtol=1e-11)
    ends = fit.confint()
    np.testing.assert_allclose(
        ends["conf_high"], mean + ndtri(0.975) * np.sqrt(np.diag(posterior)), rtol=1e-11
    )
    assert "95 % credible intervals, z · vcov: Laplace approximation" in ends.attrs["notes"][0]


@pytest.mark.parametrize("estimator", ["pearson", "deviance", "ml"])
def test_estimated_dispersion_is_a_fixed_point(estimator):
    """Coefficients given phi, and phi given them, by an independent iteration."""
    given = {"x": normal(0, 0.2), "z": t(3, 0, 0.3)}
    fit = glm("size ~ x + z", DATA, prior=given, dispersion=estimator)
    X, y = columns(DATA), DATA["size"].to_numpy()
    phi, b = 1.0, np.zeros(3)
    for _ in range(500):
        weight = np.array([0.0, 1 / 0.04, 4 / (3 * 0.09 + b[2] ** 2)])
        b = np.linalg.solve(X.T @ X / phi + np.diag(weight), X.T @ y / phi)
        rest = ((y - X @ b) ** 2).sum()
        bend = np.diag([0.0, 1 / 0.04, 4 * (3 * 0.09 - b[2] ** 2) / (3 * 0.09 + b[2] ** 2) ** 2])
        effective = np.trace(np.linalg.solve(X.T @ X / phi + bend, X.T @ X / phi))
        phi = rest / (N if estimator == "ml" else N - effective)
    np.testing.assert_allclose(fit.dispersion, phi, rtol=1e-6 if estimator == "ml" else 1e-10)
    np.testing.assert_allclose(fit.coef, b, rtol=1e-6 if estimator == "ml" else 1e-10)
    assert fit.df_residual == (N - int(np.ceil(effective)))


def test_the_end_of_bayesglms_iteration():
    """Gaussian rows, normal priors: residual mean square plus phi times the mean of x'Vx."""
    fit = glm("size ~ x + z", DATA, prior={"*": normal(0, 0.2), "Intercept": normal(0, 1)})
    X, y, phi = columns(DATA), DATA["size"].to_numpy(), 1.0
    for _ in range(500):
        V = np.linalg.inv(X.T @ X + phi * np.diag([1.0, 25, 25]))
        b = V @ X.T @ y
        phi = ((y - X @ b) ** 2).mean() + phi * np.einsum("ij,jk,ik->i", X, V, X).mean()
    np.testing.assert_allclose(fit.coef, b, rtol=1e-10)
    np.testing.assert_allclose(fit.dispersion, phi, rtol=1e-10)


def test_gamma_with_an_estimated_dispersion():
    given = {"x": normal(0, 0.1)}
    fit = glm("cost ~ x + z", DATA, "gamma", link="log", prior=given)
    y, phi = DATA["cost"], number(fit.dispersion)
    expected = solved(
        lambda i, eta: number(y[i]) / mp.exp(eta) - 1,
        columns(DATA),
        [None, normal(0, 0.1), None],
        fit.coef,
        phi,
    )
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-11)
    X = columns(DATA)
    ratio = (y / np.exp(X @ fit.coef)).to_numpy()
    J = X.T @ (X * ratio[:, None])
    H = J + fit.dispersion * np.diag([0, 100.0, 0])
    effective = np.trace(np.linalg.solve(H, J))
    np.testing.assert_allclose(fit.dispersion, ((ratio - 1) ** 2).sum() / (N - effective), rtol=1e-9)
    np.testing.assert_allclose(fit.vcov(), fit.dispersion * np.linalg.inv(H), rtol=1e-9)


def test_flat_priors_in_the_limit_are_maximum_likelihood():
    plain = glm("cost ~ x + f", DATA, "gamma")
    wide = glm("cost ~ x + f", DATA, "gamma", prior={"*": normal(0, 1e9), "Intercept": normal(0, 1e9)})
    np.testing.assert_allclose(wide.coef, plain.coef, rtol=1e-11)
    np.testing.assert_allclose(wide.dispersion, plain.dispersion, rtol=1e-10)
    np.testing.assert_allclose(wide.vcov(), plain.vcov("oim"), rtol=1e-9)
    assert wide.df_residual == plain.df_residual


# ---------------------------------------------------------------- laplace


@pytest.mark.parametrize("scale", [0.02, 0.1, 0.3, 2.0])
@pytest.mark.parametrize("location", [0.0, 0.4])
def test_laplace_modes_fulfil_the_optimality_conditions(scale, location):
    given = {"*": laplace(location, scale)}
    fit = glm("count ~ x + z + f", DATA, "poisson", exposure="t", prior=given)
    X = np.column_stack([columns(DATA), DATA["f"] == "b"])
    b = fit.coef.to_numpy()
    score = X.T @ (DATA["count"] - np.exp(X @ b) * DATA["t"]).to_numpy()
    held = b == location
    assert fit.converged and abs(score[0]) < 1e-9
    moving = ~held & (np.arange(4) > 0)
    np.testing.assert_allclose(score[moving], np.sign(b - location)[moving] / scale, rtol=1e-9)
    assert (np.abs(score[held]) <= 1 / scale).all()
    assert np.isnan(fit.stderror()[held]).all() and np.isfinite(fit.stderror()[~held]).all()
    assert ("at the kink of the laplace prior" in str(fit)) == held.any()
    assert not held.any() or "no interval" in " ".join(str(fit).split())


def test_laplace_beside_other_priors_and_an_estimated_dispersion():
    given = {"x": laplace(0, 0.05), "z": laplace(0, 0.4), "Intercept": normal(0, 1)}
    fit = glm("size ~ x + z", DATA, prior=given)
    X, y, phi = columns(DATA), DATA["size"].to_numpy(), fit.dispersion

    def cost(b):
        prior = 0.5 * b[0] ** 2 + abs(b[1]) / 0.05 + abs(b[2]) / 0.4
        return 0.5 * ((y - X @ b) ** 2).sum() / phi + prior

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 9999}
    points = (fit.coef, np.zeros(3), [0.3, 0.6, -0.2])
    searches = [minimize(cost, point, method="Nelder-Mead", options=options) for point in points]
    best = min(searches, key=lambda found: found.fun)
    assert cost(fit.coef.to_numpy()) <= best.fun + 1e-10
    np.testing.assert_allclose(fit.coef, best.x, atol=2e-6)


def test_laplace_of_the_intercept_far_from_the_data():
    given = {"Intercept": laplace(0, 0.001)}
    data = DATA.assign(year=2000 + 10 * DATA["x"])
    fit = glm("size ~ year", data, prior=given, dispersion=1.0)
    assert fit.coef["Intercept"] == 0.0
    x, y = data["year"], data["size"]
    np.testing.assert_allclose(fit.coef["year"], (x * y).sum() / (x * x).sum(), rtol=1e-12)


def test_laplace_does_not_tell_equal_columns_apart():
    data = DATA.assign(x2=2 * DATA["x"])
    with pytest.raises(ArgumentError, match=r"does not determine x2 .*2\*x"):
        glm("size ~ x + x2", data, prior={"x": laplace(0, 1)})


def test_separated_columns_without_a_prior_beside_laplace_are_refused():
    with pytest.raises(ArgumentError, match=r"Separated data: Intercept, x without a prior.* Give x a prior"):
        glm("above ~ x + z", DATA, "binomial", prior={"z": laplace(0, 1)})


# ---------------------------------------------------------------- several modes, separation, aliasing


def test_the_higher_of_two_modes():
    """Far data against a tight Cauchy: one mode near the prior, one near the data."""
    y = np.array([9.6, 10.1, 10.3])
    b = np.linspace(-5, 15, 400_001)

    def log_density(scale):
        return -0.5 * ((y[:, None] - b) ** 2).sum(0) / 8.0 - np.log1p((b / scale) ** 2)

    chosen = []
    for scale in (1e-5, 0.01):
        fit = glm("y ~ 1", {"y": y}, prior={"Intercept": cauchy(0, scale)}, dispersion=8.0)
        np.testing.assert_allclose(fit.coef["Intercept"], b[np.argmax(log_density(scale))], atol=1e-4)
        assert "several modes" in str(fit)
        chosen.append(fit.coef["Intercept"])
    assert chosen[0] < 1 and chosen[1] > 5


def test_separation_along_a_column_without_a_prior_is_still_reported():
    with pytest.warns(SeparationWarning, match="x → inf"):
        fit = glm("above ~ x + z", DATA, "binomial", prior={"z": normal(0, 2.5)})
    assert fit.coef["x"] == np.inf and fit.status == "separated"


def test_separation_leaves_the_mode_of_the_other_rows():
    g = (np.arange(N) < 3).astype(float)
    data = DATA.assign(g=g, y=np.where(g == 1, 0.0, DATA["count"]))
    with pytest.warns(SeparationWarning, match="g → -inf"):
        fit = glm("y ~ g + x", data, "poisson", prior={"x": normal(0, 0.2)})
    rest = glm("y ~ x", data[data["g"] == 0], "poisson", prior={"x": normal(0, 0.2)})
    np.testing.assert_allclose(fit.coef[["Intercept", "x"]], rest.coef, rtol=1e-11)


def test_a_prior_of_an_aliased_column_identifies_it():
    data = DATA.assign(x2=2 * DATA["x"])
    fit = glm("size ~ x + x2", data, prior={"x": normal(0, 1), "x2": normal(0, 1)}, dispersion=0.5)
    X, y = columns(data, ("x", "x2")), data["size"].to_numpy()
    expected = np.linalg.solve(X.T @ X / 0.5 + np.diag([0.0, 1, 1]), X.T @ y / 0.5)
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-11)
    assert not fit.estimate.aliased
    flat = glm("size ~ z + x + x2", data, prior={"z": normal(0, 1)}, dispersion=0.5)
    assert flat.estimate.aliased == {"x2": "= 2*x"}


def test_more_columns_than_rows():
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.standard_normal((10, 15)), columns=[f"x{k}" for k in range(15)])
    data["y"] = rng.standard_normal(10)
    fit = glm("y ~ " + " + ".join(data.columns[:15]), data, prior={"*": normal(0, 0.5)}, dispersion=1.0)
    X = np.column_stack([np.ones(10), data.iloc[:, :15]])
    expected = np.linalg.solve(X.T @ X + np.diag([0.0, *[4.0] * 15]), X.T @ data["y"])
    np.testing.assert_allclose(fit.coef, expected, rtol=1e-9)


# ---------------------------------------------------------------- where the rows are


def test_frequencies_are_repeats_and_streams_are_memory(tmp_path):
    given = {"x": t(3, 0, 0.5), "z": "weak", "Intercept": "weak"}
    counted = glm("cost ~ x + z", DATA, "gamma", link="log", freq_weights="k", prior=given)
    repeated = DATA.loc[DATA.index.repeat(DATA["k"])].reset_index(drop=True)
    written = glm("cost ~ x + z", repeated, "gamma", link="log", prior=given)
    np.testing.assert_allclose(counted.coef, written.coef, rtol=1e-11)
    np.testing.assert_allclose(counted.vcov(), written.vcov(), rtol=1e-9)
    repeated.to_parquet(tmp_path / "rows.parquet")
    for prior in (given, {"*": laplace(0.1, 0.05)}):
        control = glmstat.Control(memory=0)
        here = glm("cost ~ x + z", repeated, "gamma", link="log", prior=prior, control=control)
        there = glm(
            "cost ~ x + z", str(tmp_path / "rows.parquet"), "gamma", link="log", prior=prior, control=control
        )
        assert np.array_equal(here.coef, there.coef) and np.array_equal(
            here.vcov(), there.vcov(), equal_nan=True
        )
        small = glm("cost ~ x + z", repeated, "gamma", link="log", prior=prior)
        np.testing.assert_allclose(small.coef, here.coef, rtol=1e-9)


def test_grouped_trials_are_the_answers_written_out():
    trials = DATA.groupby(["f", "k"], as_index=False).agg(yes=("yes", "sum"), n=("yes", "size"))
    trials["no"] = trials["n"] - trials["yes"]
    grouped = glm("cbind(yes, no) ~ f + k", trials, "binomial", prior="weak")
    alone = glm("yes ~ f + k", DATA, "binomial", prior="weak")
    np.testing.assert_allclose(grouped.coef, alone.coef, rtol=1e-10)


# ---------------------------------------------------------------- the weak rule


def test_weak_is_scaled_by_the_spread_of_each_column():
    fit = glm("size ~ x + f", DATA, prior="weak")
    X = np.column_stack([DATA["x"], DATA["f"] == "b"])
    unit = DATA["size"].std(ddof=0)
    scales = [one.prior.scale for one in fit.spec.estimator.priors]
    np.testing.assert_allclose(scales, [2.5 * unit, *(2.5 * unit / X.std(axis=0))], rtol=1e-12)
    middle = fit.spec.estimator.priors[0]
    np.testing.assert_allclose(middle.prior.location, DATA["size"].mean(), rtol=1e-12)
    np.testing.assert_allclose([value for _, value in middle.beside], X.mean(axis=0), rtol=1e-12)
    assert "x ~ normal(0," in str(fit) and "Intercept at the means of the other columns ~" in str(fit)


def test_weak_does_not_depend_on_units():
    one = glm("count ~ x + z", DATA, "poisson", prior="weak")
    other = glm(
        "count ~ x + z", DATA.assign(x=DATA["x"] * 1000 + 70, z=DATA["z"] / 7), "poisson", prior="weak"
    )
    np.testing.assert_allclose(one.coef["x"], 1000 * other.coef["x"], rtol=1e-10)
    np.testing.assert_allclose(one.fitted, other.fitted, rtol=1e-10)
    inverse = glm("cost ~ x", DATA, "gamma", prior="weak")
    scaled = glm("cost ~ x", DATA.assign(cost=1e4 * DATA["cost"]), "gamma", prior="weak")
    np.testing.assert_allclose(inverse.coef, 1e4 * scaled.coef, rtol=1e-9)


def test_weak_posterior_with_a_centred_intercept():
    """The prior of the intercept is that of the predictor at the means: a normal of a combination."""
    fit = glm("count ~ x + z", DATA, "poisson", prior="weak")
    X, y = columns(DATA), DATA["count"].to_numpy()
    rows = np.array([one.row(fit.columns) for one in fit.spec.estimator.priors])
    scale = np.array([one.prior.scale for one in fit.spec.estimator.priors])
    location = np.array([one.prior.location for one in fit.spec.estimator.priors])
    b = np.zeros(3)
    for _ in range(50):
        mu = np.exp(X @ b)
        H = X.T @ (X * mu[:, None]) + (rows.T / scale**2) @ rows
        b = b + np.linalg.solve(H, X.T @ (y - mu) - rows.T @ ((rows @ b - location) / scale**2))
    np.testing.assert_allclose(fit.coef, b, rtol=1e-11)
    np.testing.assert_allclose(fit.vcov(), np.linalg.inv(H), rtol=1e-10)


# ---------------------------------------------------------------- keys, words, refusals


def test_a_column_goes_before_its_term_and_that_before_the_others():
    given = {"*": normal(0, 3), "f": normal(0, 2), "f[T.b]": normal(0, 1), "z": None, "x:z": "cauchy(0, 0.5)"}
    fit = glm("size ~ x*z + f", DATA, prior=given)
    found = {one.name: one.prior.text for one in fit.spec.estimator.priors}
    assert found == {"x": "normal(0, 3)", "x:z": "cauchy(0, 0.5)", "f[T.b]": "normal(0, 1)"}
    assert "no prior (flat): Intercept, z" in str(fit)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"xx": normal(0, 1)}, "prior names 'xx', .* columns are Intercept, x, z. Did you mean 'x'"),
        ({"x": "norma(0, 1)"}, "prior of 'x': Unknown prior: 'norma.* Did you mean 'normal'"),
        ({"x": "normal(0, 1, 2)"}, "needs location, scale"),
        ({"x": "t(a)"}, "needs df, location, scale"),
        ({"x": 2.5}, "prior of 'x': A prior is a text or a Prior: got float"),
        ({"x": None}, "gives no coefficient a prior"),
        ({}, "gives no coefficient a prior"),
        (2.5, "prior must be"),
        ("week", "Unknown prior: 'week'.*Did you mean"),
    ],
)
def test_bad_priors(given, words):
    with pytest.raises(ArgumentError, match=words):
        glm("size ~ x + z", DATA, prior=given)


@pytest.mark.parametrize(
    "make", [lambda: normal(0, 0), lambda: t(-1), lambda: normal("a"), lambda: cauchy(0, np.inf)]
)
def test_bad_numbers_of_a_prior(make):
    with pytest.raises(ArgumentError, match="must be"):
        make()


def test_priors_are_frozen_listed_and_read_back():
    assert set(PRIORS) == {"normal", "t", "cauchy", "laplace"}
    for name, law in PRIORS.items():
        prior = law(3.0, 0.5, 1e-7) if name == "t" else law(0.5, 1e-7)
        assert as_prior(prior.text) == prior and as_prior(str(prior)) is not prior
    assert normal(0, 2.5) == Normal(0, 2.5) and isinstance(as_prior("cauchy(0, 2.5)"), Cauchy)
    with pytest.raises(AttributeError):
        normal(0, 1).scale = 2


def test_draws_have_the_density_of_the_prior():
    rng = np.random.default_rng(0)
    drawn = t(5, 1, 2).draw(rng, 200_000)
    for level in (0.1, 0.5, 0.9):
        assert abs((drawn < 1 + 2 * student.ppf(level, 5)).mean() - level) < 4 * np.sqrt(
            level * (1 - level) / 2e5
        )


def test_sampling_weights_are_refused():
    with pytest.raises(ArgumentError, match="does not go with sampling_weights"):
        glm("size ~ x", DATA, sampling_weights="w", prior="weak")


FIT = glm("count ~ x + z", DATA, "poisson", prior={"x": normal(0, 0.5)})


@pytest.mark.parametrize(
    "verb",
    [
        lambda: FIT.test("x = 0"),
        lambda: FIT.test("x = 0", method="lr"),
        lambda: FIT.anova(),
        lambda: FIT.drop1(),
        lambda: FIT.aic,
        lambda: FIT.loglik,
        lambda: FIT.bootstrap(20),
        lambda: FIT.goodness_of_fit(),
        lambda: glm("size ~ x", DATA, prior="weak").check(),
        lambda: FIT.confint(method="score"),
        lambda: FIT.information_criteria(),
    ],
)
def test_tests_and_criteria_are_refused_with_the_reason(verb):
    with pytest.raises(ComparisonError, match=r"not hold for prior=.*: the coefficients are the mode"):
        verb()


def test_a_network_beside_priors_is_refused():
    with pytest.raises(ArgumentError, match="extend\\(\\) has no priors of single coefficients"):
        FIT.extend("nn(x)")


def test_no_ladder_is_climbed_with_priors():
    fit = glm("size ~ x", DATA, prior="weak", control=glmstat.Control(solver="ladder"))
    assert fit.estimate.convergence.ladder == "priors take Newton's method"


def test_a_checkpoint_knows_the_prior(tmp_path):
    control = glmstat.Control(memory=0, checkpoint=str(tmp_path / "fit.journal"))
    first = glm("count ~ x", DATA, "poisson", prior={"x": normal(0, 0.5)}, control=control)
    assert glm("count ~ x", DATA, "poisson", prior={"x": normal(0, 0.5)}, control=control) == first


def test_a_sandwich_is_refused():
    with pytest.raises(ArgumentError, match=r'vcov "HC0" does not hold for prior=.* Known: classical'):
        FIT.vcov("HC0")


def test_summary_says_what_it_shows():
    text = str(FIT)
    assert "posterior sd" in text and "p_value" not in text
    assert "vcov: Laplace approximation to the posterior · intervals: 95 % credible, z" in text
    assert "prior: x ~ normal(0, 0.5)" in text and "no prior (flat): Intercept, z" in text


def test_prediction_has_credible_intervals():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = FIT.predict(DATA.head(3), type="link", se_fit=True, interval="confidence")
    X = columns(DATA.head(3))
    np.testing.assert_allclose(
        table["std_error"], np.sqrt(np.einsum("ij,jk,ik->i", X, FIT.vcov(), X)), rtol=1e-12
    )
    assert table.attrs["vcov"] == "Laplace approximation to the posterior"


def test_files_refits_and_updates_keep_the_prior(tmp_path):
    fit = glm("cost ~ x + f", DATA, "gamma", link="log", prior={"x": t(3, 0, 0.2), "*": "weak"})
    fit.save(tmp_path / "fit.safetensors")
    again = load(tmp_path / "fit.safetensors")
    assert again == fit and str(again) == str(fit) and again.spec.estimator == fit.spec.estimator
    assert again.refit(DATA) == fit and fit.refit() == fit
    assert fit.update("~ . + z").spec.estimator.priors[0].prior == t(3, 0, 0.2)
    whole = glm("cost ~ x", DATA, "gamma", link="log", prior=normal(0, 1))
    whole.save(tmp_path / "whole.safetensors")
    assert load(tmp_path / "whole.safetensors").refit(DATA) == whole


def test_start_values_do_not_move_the_mode():
    again = glm("count ~ x + z", DATA, "poisson", prior={"x": normal(0, 0.5)}, start=[1.0, -1.0, 0.3])
    np.testing.assert_allclose(again.coef, FIT.coef, rtol=1e-11)


def test_log_density_of_the_fixed_shape():
    """criterion: minus twice the log posterior, up to the constant of the data."""
    b, y = FIT.coef.to_numpy(), DATA["count"].to_numpy()
    eta = columns(DATA) @ b
    loglik = (y * eta - np.exp(eta) - gammaln(y + 1)).sum()
    saturated = np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0.0).sum() - gammaln(y + 1).sum()
    expected = -2 * (loglik - saturated - 0.5 * (b[1] / 0.5) ** 2)
    np.testing.assert_allclose(FIT.estimate.criterion, expected, rtol=1e-12)


# ---------------------------------------------------------------- simulated responses

PROPER = {"*": normal(0, 0.5), "Intercept": normal(0.2, 0.3)}


def test_prior_predictive_draws_coefficients_and_responses():
    fit = glm("size ~ x + z", DATA, prior=PROPER, dispersion=0.25)
    found = fit.prior_predictive(4000, seed=3)
    np.testing.assert_allclose(found.coef.mean(axis=0), [0.2, 0, 0], atol=4 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(found.coef.std(axis=0), [0.3, 0.5, 0.5], rtol=4 / np.sqrt(8000))
    X = columns(DATA)
    total = X.mean(axis=0)
    variance = 0.09 * total[0] ** 2 + 0.25 * (total[1] ** 2 + total[2] ** 2) + 0.25 / N
    np.testing.assert_allclose(found.statistics["mean"].std(), np.sqrt(variance), rtol=4 / np.sqrt(8000))
    np.testing.assert_allclose(found.observed["sd"], DATA["size"].std(), rtol=1e-12)
    responses = found.responses()
    assert responses.shape == (N, 4000)
    np.testing.assert_allclose(responses.mean(), found.statistics["mean"], rtol=1e-9)
    np.testing.assert_allclose(responses.max(), found.statistics["max"])
    assert list(found.to_frame().columns)[:5] == ["mean", "sd", "min", "max", "zeros"]
    assert "seed 3" in str(found)


def test_prior_predictive_of_a_centred_intercept():
    fit = glm("size ~ x + z", DATA, prior="weak")
    found = fit.prior_predictive(4000, seed=1)
    middle = found.coef @ columns(DATA).mean(axis=0)
    prior = fit.spec.estimator.priors[0].prior
    np.testing.assert_allclose(middle.std(), prior.scale, rtol=4 / np.sqrt(8000))


def test_posterior_predictive_draws_from_the_approximation():
    fit = glm("size ~ x + z", DATA, prior=PROPER, dispersion=0.25)
    found = fit.posterior_predictive(6000, seed=5)
    error = np.abs(np.cov(found.coef.T) / fit.vcov().to_numpy() - 1)
    assert error.max() < 0.2
    np.testing.assert_allclose(
        found.coef.mean(axis=0), fit.coef, atol=4 * fit.stderror().max() / np.sqrt(6000)
    )
    assert "Laplace approximation to the posterior" in str(found)


def test_predictive_draws_do_not_depend_on_where_the_rows_are(tmp_path):
    DATA.to_parquet(tmp_path / "rows.parquet")
    here = glm("count ~ x", DATA, "poisson", exposure="t", prior=PROPER)
    there = glm("count ~ x", str(tmp_path / "rows.parquet"), "poisson", exposure="t", prior=PROPER,
                control=glmstat.Control(memory=0))  # fmt: skip
    one, other = here.prior_predictive(50, seed=2), there.prior_predictive(50, seed=2)
    for name, values in one.statistics.items():
        np.testing.assert_array_equal(values, other.statistics[name])


def test_predictive_with_frequencies_counts_each_row_as_often():
    fit = glm("count ~ x", DATA, "poisson", freq_weights="k", prior=PROPER)
    found = fit.prior_predictive(10, seed=2)
    np.testing.assert_allclose(found.observed["mean"], np.average(DATA["count"], weights=DATA["k"]))
    with pytest.raises(ArgumentError, match="several responses"):
        found.responses()


def test_wide_priors_do_not_overflow():
    fit = glm("count ~ x", DATA, "poisson", prior={"*": normal(0, 1), "Intercept": normal(0, 300)})
    found = fit.prior_predictive(200, seed=1)
    assert (found.statistics["max"] > 1e50).any() and "observed" in str(found)


def test_means_outside_the_domain_are_told():
    fit = glm("cost ~ x", DATA.assign(x=DATA["x"] / 10), "gamma", link="identity", prior={"*": normal(0, 0.1),
              "Intercept": normal(1, 0.5)})  # fmt: skip
    assert "outside the domain" in str(fit.prior_predictive(500, seed=1))


def test_predictive_refusals():
    with pytest.raises(ComparisonError, match="Intercept, z without one"):
        FIT.prior_predictive()
    with pytest.raises(ComparisonError, match="needs a fit with priors"):
        glm("size ~ x", DATA).posterior_predictive()
    held = glm("size ~ x", DATA, prior={"*": laplace(0, 1e-4)})
    with pytest.raises(ComparisonError, match="which x does not have"):
        held.posterior_predictive()
    for words in ({"draws": 0}, {"draws": 1.5}, {"seed": -1}):
        with pytest.raises(ArgumentError, match="whole number"):
            glm("size ~ x", DATA, prior="weak").prior_predictive(**words)
    with pytest.raises(ArgumentError, match="too many to hold"):
        replace(
            glm("size ~ x", DATA, prior="weak").prior_predictive(2), coef=np.zeros((10**6, 2))
        ).responses()


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_modes_at_the_edge_of_the_domain(bound):
    """poisson with identity link, whose mean is 0 at x = 0 at the mode."""
    data = {"y": [0, 0, 1, 3, 5, 6], "x": [0, 1, 2, 3, 4, 5]}
    with pytest.warns(glmstat.BoundaryWarning):
        fit = glm("y ~ x", data, "poisson", link="identity", prior={"x": normal(bound, 0.5)})
    x, y = np.arange(6.0)[1:], np.array(data["y"], float)[1:]
    slopes = np.linspace(0.5, 2, 150_001)[:, None]
    value = (y * np.log(slopes * x) - slopes * x).sum(1) - 0.5 * ((slopes[:, 0] - bound) / 0.5) ** 2
    assert fit.status == "boundary"
    np.testing.assert_allclose(fit.coef, [0, slopes[np.argmax(value), 0]], atol=2e-5)
    assert np.isnan(fit.stderror()).all()


# ---------------------------------------------------------------- profile of the posterior


@pytest.mark.parametrize("name", ["x", "z", "Intercept"])
def test_profile_of_the_posterior_falls_by_half_a_quantile(name):
    """The ends against a one-dimensional search over refits by scipy."""
    given = {"x": t(3, 0, 0.4), "Intercept": cauchy(0, 1)}
    fit = glm("count ~ x + z", DATA, "poisson", exposure="t", prior=given)
    X, y, off = columns(DATA), DATA["count"].to_numpy(), np.log(DATA["t"]).to_numpy()

    def minus_log_posterior(b):
        eta = X @ b + off
        return (np.exp(eta) - y * eta).sum() + 2 * np.log1p((b[1] / 0.4) ** 2 / 3) + np.log1p(b[0] ** 2)

    place, rest = list(fit.columns).index(name), [k for k in range(3) if fit.columns[k] != name]
    least = minus_log_posterior(fit.coef.to_numpy())
    ends = fit.confint(method="profile", of=name)
    for end in ends.loc[name]:

        def held(free, end=end):
            b = np.zeros(3)
            b[place], b[rest] = end, free
            return minus_log_posterior(b)

        found = minimize(held, fit.coef.to_numpy()[rest], method="BFGS", options={"gtol": 1e-9})
        np.testing.assert_allclose(2 * (found.fun - least), ndtri(0.975) ** 2, rtol=1e-6)
    assert ends.attrs["notes"][0].startswith("posterior · cut: normal 1.96")


def test_profile_with_an_estimated_dispersion_is_the_wald_interval_of_a_normal_posterior():
    """Gaussian rows and normal priors, phi held at its estimate: the profile is a parabola."""
    fit = glm("size ~ x + z", DATA, prior=PROPER)
    np.testing.assert_allclose(fit.confint(method="profile"), fit.confint(), rtol=1e-7)
    assert "Profile of the posterior" in str(fit.profile("x"))


def test_profile_passes_the_kink_of_a_laplace_prior():
    """Where the approximation has no interval, the profile has one: gaussian rows, one coefficient."""
    data = {"y": np.array([0.3, -0.4, 0.6, 0.1]), "x": np.array([1.0, -1, 1, -1])}
    fit = glm("y ~ 0 + x", data, dispersion=1.0, prior={"x": laplace(0, 0.5)})
    assert fit.coef["x"] == 0 and np.isnan(fit.stderror()["x"])
    low, high = fit.confint(method="profile").loc["x"]

    def height(b):
        return ((data["y"] - b * data["x"]) ** 2).sum() - (data["y"] ** 2).sum() + 4 * abs(b)

    np.testing.assert_allclose([height(low), height(high)], ndtri(0.975) ** 2, rtol=1e-9)


@pytest.mark.parametrize("compat", ["R", "stata"])
@pytest.mark.parametrize(
    "prior", ["weak", {"*": "normal(0, 1)"}, {"f": "normal(0, 0.1)", "Intercept": "t(3, 0, 1)"}]
)
def test_the_names_of_other_systems_move_no_prior(compat, prior):
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": rng.normal(size=60), "f": list("abc") * 20, "y": rng.poisson(2.0, 60)})
    ours, theirs = (
        glm("y ~ x + f", table, "poisson", prior=prior, compat=word) for word in ("glmstat", compat)
    )
    assert theirs.columns != ours.columns
    np.testing.assert_array_equal(theirs.coef, ours.coef)


def test_weights_of_counts_do_not_enter_the_draws_and_it_says_so():
    data = pd.DataFrame({"y": [1, 0, 3, 2, 5, 4], "x": [0.0, 1, 2, 3, 4, 5], "w": [1, 5, 1, 5, 1, 5]})
    words = "weights= do not enter the draws"
    assert words in str(glm("y ~ x", data, "poisson", weights="w", prior="weak").prior_predictive(9, seed=1))
    assert words not in str(glm("y ~ x", data, weights="w", prior="weak").prior_predictive(9, seed=1))
