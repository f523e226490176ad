"""Tweedie fits: likelihood, dispersion and power, against R, brute force and themselves."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import glmstat
from glmstat import anova, glm
from glmstat.errors import ArgumentError, DataError, ResponseWarning
from glmstat.families import Tweedie
from glmstat.families.tweedie_density import at_mean
from glmstat.solve.shape.heights import Heights

R = json.loads((Path(__file__).parents[1] / "reference" / "inference" / "tweedie.json").read_text("utf-8"))
MOTOR = glmstat.datasets.load("motor")
MOTOR["rate"] = MOTOR["cost"] / MOTOR["exposure"]
RNG = np.random.default_rng(8)
SIZE = 400
X = RNG.normal(size=SIZE)
DATA = pd.DataFrame(
    {
        "y": Tweedie(1.55).simulate(RNG, np.exp(0.5 + 0.4 * X), np.ones(SIZE), 1.2),
        "x": X,
        "z": RNG.normal(size=SIZE),
        "w": RNG.uniform(0.5, 2.0, SIZE),
        "k": RNG.integers(1, 4, SIZE),
        "pos": RNG.gamma(2.0, 1.0, SIZE),
        "wald": RNG.wald(2.0, 1.0, SIZE),
        "count": RNG.poisson(3.0, SIZE).astype(float),
        "share": RNG.random(SIZE),
        "event": RNG.integers(0, 2, SIZE).astype(float),
        "none": np.zeros(SIZE),
    }
)


def density_at(fit, phi, power=None):
    """Log-likelihood at the fitted means, summed from rows."""
    family = fit.spec.likelihood.family if power is None else Tweedie(power)
    y, mu = DATA["y"].to_numpy(), fit.fitted.to_numpy()
    return float(np.sum(family.saturated(y, np.ones(SIZE), phi) - family.unit_deviance(y, mu) / (2.0 * phi)))


# ---------------------------------------------------------------- against R


def test_densities_of_mgcv():
    for row in R["density"]:
        family, y = Tweedie(row["p"]), np.array([row["y"]], dtype=float)
        deviance = family.unit_deviance(y, np.array([row["mu"]]))[0]
        found = family.saturated(y, np.ones(1), row["phi"])[0] - deviance / (2.0 * row["phi"])
        assert found == pytest.approx(row["value"], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("case", "formula", "family", "weights"),
    [
        ("fixed", "cost ~ age + region", "tweedie(1.5)", None),
        ("weighted", "rate ~ age + region", "tweedie(1.6)", "exposure"),
    ],
)
def test_loglik_and_dispersion_of_r(case, formula, family, weights):
    fit = glm(formula, MOTOR, family, weights=weights, dispersion="ml")
    assert fit.loglik == pytest.approx(R[case]["loglik"], abs=1e-8)
    assert fit.dispersion == pytest.approx(R[case]["phi"], rel=1e-7)  # R's: a root of differences
    assert glm(formula, MOTOR, family, weights=weights).dispersion == pytest.approx(
        R[case]["pearson"], rel=1e-9
    )


@pytest.mark.parametrize(("case", "formula"), [("profile", "rate ~ age + region"), ("smaller", "rate ~ age")])
def test_estimated_power_of_r(case, formula):
    fit = glm(formula, MOTOR, "tweedie", weights="exposure")
    assert fit.loglik == pytest.approx(R[case]["loglik"], abs=1e-8)
    assert fit.shape.value == pytest.approx(R[case]["p"], abs=2e-5)  # R's optimize stops at 1e-5
    assert fit.shape.std_error == pytest.approx(R[case]["se"], rel=1e-5)
    np.testing.assert_allclose(fit.coef.to_numpy(), R[case]["coef"], rtol=1e-5)
    np.testing.assert_allclose(fit.shape.ends(), (R[case]["low"], R[case]["high"]), atol=2e-7)


def test_likelihood_ratio_estimates_the_power_in_each_model():
    small, large = (
        glm(f"rate ~ {terms}", MOTOR, "tweedie", weights="exposure") for terms in ("age", "age + region")
    )
    ratio = 2.0 * (R["profile"]["loglik"] - R["smaller"]["loglik"])
    assert anova(small, large)["statistic"][1] == pytest.approx(ratio, abs=1e-7)
    test = large.test("region[T.suburban] = 0, region[T.urban] = 0", method="lr")
    assert "chi-squared(2)" in str(test)
    assert large.drop1().to_frame()["statistic"]["region"] == pytest.approx(ratio, abs=1e-7)
    with pytest.raises(ArgumentError, match="known p"):
        anova(small, large, test="F")


# ---------------------------------------------------------------- against brute force


def test_loglik_is_that_of_the_likeliest_dispersion():
    fit = glm("y ~ x + z", DATA, "tweedie(1.5)", dispersion="ml")
    found = minimize(lambda at: -density_at(fit, math.exp(at[0])), [0.0], method="Nelder-Mead", tol=1e-10)
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-9)
    assert fit.dispersion == pytest.approx(math.exp(found.x[0]), rel=1e-5)
    for rule in ("pearson", "deviance"):
        assert glm("y ~ x + z", DATA, "tweedie(1.5)", dispersion=rule).loglik == fit.loglik


def test_power_maximises_the_likelihood_of_everything():
    fit = glm("y ~ x", DATA, "tweedie", dispersion="ml")
    y, x = DATA["y"].to_numpy(), DATA["x"].to_numpy()

    def height(at):
        p, phi, mu = 1.0 + 1.0 / (1.0 + math.exp(-at[3])), math.exp(at[2]), np.exp(at[0] + at[1] * x)
        family = Tweedie(p)
        return -np.sum(family.saturated(y, np.ones(SIZE), phi) - family.unit_deviance(y, mu) / (2.0 * phi))

    first = [*fit.coef.to_numpy(), math.log(fit.dispersion), 0.0]
    found = minimize(height, first, method="BFGS", options={"gtol": 1e-6})
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-7)
    assert fit.shape.value == pytest.approx(1.0 + 1.0 / (1.0 + math.exp(-found.x[3])), abs=1e-5)
    assert fit.dispersion == pytest.approx(math.exp(found.x[2]), rel=1e-5)


def test_many_rows_by_panels_are_the_sum_over_rows():
    rng = np.random.default_rng(3)
    rows = 30_000
    for p in (1.05, 1.15, 1.5, 1.8, 2.4):
        y = Tweedie(min(p, 1.9)).simulate(rng, np.full(rows, 2.0), np.ones(rows), 0.8) + (p > 2) * 0.1
        data = pd.DataFrame({"y": y, "w": rng.uniform(0.1, 3.0, rows)})
        for weights in (None, "w"):
            fit = glm("y ~ 1", data, f"tweedie({p})", weights=weights, dispersion="ml")
            w = np.ones(rows) if weights is None else data["w"].to_numpy()
            summed = np.sum(fit.spec.likelihood.family.saturated(y, w, fit.dispersion))
            assert fit.loglik == pytest.approx(summed - fit.deviance / (2.0 * fit.dispersion), rel=1e-11)


def test_frequencies_are_repeated_rows():
    one = glm("y ~ x", DATA, "tweedie(1.5)", freq_weights="k", dispersion="ml")
    two = glm("y ~ x", DATA.loc[DATA.index.repeat(DATA["k"])], "tweedie(1.5)", dispersion="ml")
    assert one.loglik == pytest.approx(two.loglik, rel=1e-12)
    assert one.dispersion == pytest.approx(two.dispersion, rel=1e-9)


def test_streams_have_the_same_likelihood(tmp_path):
    path = tmp_path / "rows.parquet"
    DATA.to_parquet(path)
    control = glmstat.Control(memory=1)
    for family in ("tweedie(1.5)", "tweedie"):
        one, two = glm("y ~ x", DATA, family), glm("y ~ x", path, family, control=control)
        assert two.loglik == pytest.approx(one.loglik, rel=1e-12)


# ---------------------------------------------------------------- near p = 1


def near_one(seed):
    """Amounts near multiples of one value: Poisson numbers of gamma amounts of a large shape."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([20, 40, 80]))
    x = rng.normal(size=size)
    number = rng.poisson(rng.uniform(0.5, 3.0) * np.exp(0.25 * x))
    shape = 10 ** rng.uniform(0.3, 1.5)
    y = np.where(number > 0, rng.gamma(np.maximum(shape * number, 1e-300), 1.0 / shape), 0.0)
    return {"y": y, "x": x}


@pytest.mark.parametrize("p", [1.01, 1.03, 1.2])
def test_likeliest_dispersion_is_the_highest_of_many_maxima(p):
    family, grid = Tweedie(p), np.geomspace(0.02, 8.0, int(max(500, 8.0 / (p - 1.0))))
    for seed in range(700, 703):
        data = near_one(seed)
        fit = glm("y ~ x", data, f"tweedie({p})", dispersion="ml")
        y, deviance = data["y"], fit.deviance
        xi = np.outer(grid, y[y > 0] ** (p - 2.0))
        heights = at_mean(xi.ravel(), p).value.reshape(xi.shape).sum(axis=1) - np.log(y[y > 0]).sum()
        heights -= deviance / (2.0 * grid)
        assert fit.loglik >= heights.max() - 1e-9
        own = family.saturated(y, np.ones(len(y)), fit.dispersion).sum() - deviance / (2.0 * fit.dispersion)
        assert fit.loglik == pytest.approx(own, abs=1e-9)


def test_power_is_the_highest_of_many_maxima():
    powers = 1.0 + np.concatenate([np.geomspace(0.0102, 0.2, 10), [0.3, 0.5, 0.7]])
    for seed in (701, 709):
        data = near_one(seed)
        fit = glm("y ~ x", data, "tweedie")
        heights = np.array([glm("y ~ x", data, f"tweedie({p})").loglik for p in powers.tolist()])
        assert fit.loglik >= heights.max() - 1e-8
        low, high = fit.shape.ends()
        kept = powers[2.0 * (fit.loglik - heights) < 3.84]
        assert low < kept.min() and kept.max() < high


def test_two_maxima_in_the_power_are_both_told():
    y = (
        0.741,
        1.751,
        2.532,
        6.22,
        0.768,
        1.601,
        4.008,
        2.824,
        2.533,
        4.101,
        0.766,
        6.096,
        1.18,
        3.965,
        3.344,
    )
    data = {"y": [*y, 0.83, 0.62, 1.945, 4.209, 3.232]}
    with pytest.warns(ResponseWarning):
        fit = glm("y ~ 1", data, "tweedie")
    end = glm("y ~ 1", data, "tweedie(1.995)").loglik
    assert fit.shape.value < 1.1
    words = f"another maximum, at the end p = 2, lower by {fit.loglik - end:.2f}"
    assert words in " ".join(str(fit.summary()).split()) and words in " ".join(str(fit.shape).split())


def test_no_power_up_to_two_is_rejected():
    y = (0.4, 2.1, 0.9, 5.3, 0.2, 1.7, 3.9, 0.6, 0.05, 2.8, 0.0, 1.2)
    fit = glm("y ~ 1", {"y": y}, "tweedie")
    low, high = fit.shape.ends(0.999)
    assert math.isfinite(low)
    assert high <= 2.0


@pytest.mark.parametrize("weights", [None, "two", "w"])
@pytest.mark.parametrize("rows", [300, 40_000])
def test_heights_are_sums_over_rows(weights, rows):
    rng = np.random.default_rng(5)
    y = Tweedie(1.4).simulate(rng, np.full(rows, 2.0), np.ones(rows), 0.8)
    data = pd.DataFrame({"y": y, "two": 2.0, "w": rng.uniform(0.3, 3.0, rows)})
    fit = glm("y ~ 1", data, "tweedie(1.4)", weights=weights)
    mu, w = fit.fitted.to_numpy(), np.ones(rows) if weights is None else data[weights].to_numpy()
    powers = (1.04, 1.35, 1.8)
    found = Heights(fit.frame, fit.spec.likelihood.family.link, 0.9).at(fit.estimate, powers)
    for p, height in zip(powers, found, strict=True):
        family = Tweedie(p)
        rowwise = family.saturated(y, w, 0.9) - w * family.unit_deviance(y, mu) / 1.8
        assert height == pytest.approx(rowwise.sum(), rel=1e-11)


def test_powers_that_are_one_but_for_rounding_have_no_likelihood():
    assert math.isfinite(glm("y ~ x", DATA, "tweedie(1.001)").loglik)
    fit = glm("y ~ x", DATA, "tweedie(1.0009)")
    assert math.isnan(fit.loglik) and fit.parameters == 2
    assert "no likelihood" in str(fit.summary())
    with pytest.raises(ArgumentError, match="has none"):
        glm("y ~ x", DATA, "tweedie(1.0009)", dispersion="ml")


def test_zeros_alone_have_probability_one():
    with pytest.warns(glmstat.errors.SeparationWarning):
        fit = glm("none ~ x", DATA, "tweedie(1.5)")
    assert fit.loglik == 0.0


# ---------------------------------------------------------------- a dispersion that is given


@pytest.mark.parametrize("phi", [0.6, 2.0])
def test_given_dispersion_is_given_in_all_of_it(phi):
    large, small = (
        glm(f"y ~ {terms}", DATA, "tweedie", weights="w", dispersion=phi) for terms in ("x + z", "x")
    )
    y, w = DATA["y"].to_numpy(), DATA["w"].to_numpy()
    design = np.column_stack([np.ones(SIZE), DATA["x"], DATA["z"]])

    def top(columns):
        def height(at):
            family = Tweedie(1.0 + 1.0 / (1.0 + math.exp(-at[-1])))
            deviance = family.unit_deviance(y, np.exp(design[:, :columns] @ at[:-1]))
            return -np.sum(family.saturated(y, w, phi) - w * deviance / (2.0 * phi))

        found = minimize(height, [*[0.5, 0.4, 0.0][:columns], 0.0], method="BFGS", options={"gtol": 1e-6})
        return 1.0 + 1.0 / (1.0 + math.exp(-found.x[-1])), -found.fun

    for fit, columns in ((large, 3), (small, 2)):
        p, loglik = top(columns)
        assert fit.shape.value == pytest.approx(p, abs=1e-5)
        assert fit.loglik == pytest.approx(loglik, abs=1e-7)
        assert fit.parameters == columns + 1  # p, and no dispersion
        assert "given dispersion" in str(fit.summary())
    ratio = 2.0 * (large.loglik - small.loglik)
    assert anova(small, large)["statistic"][1] == pytest.approx(ratio, abs=1e-8)
    assert large.drop1().to_frame()["statistic"]["z"] == pytest.approx(ratio, abs=1e-8)
    assert f"dispersion {phi:g}" in str(large.drop1()) and "likeliest" not in str(large.drop1())
    held = [
        glm(f"y ~ {terms}", DATA, "tweedie(1.5)", weights="w", dispersion=phi) for terms in ("x", "x + z")
    ]
    scaled = (held[0].deviance - held[1].deviance) / phi
    assert 2.0 * (held[1].loglik - held[0].loglik) == pytest.approx(scaled, abs=1e-9)
    assert held[1].parameters == 3


# ---------------------------------------------------------------- what counts, and what is printed


def test_criteria_count_dispersion_and_power():
    known, open_ = glm("y ~ x", DATA, "tweedie(1.5)"), glm("y ~ x", DATA, "tweedie")
    assert (known.parameters, open_.parameters) == (3, 4)
    assert known.aic == pytest.approx(6.0 - 2.0 * known.loglik)
    assert open_.loglik > known.loglik
    assert "3 parameters, dispersion counted; at its likeliest value" in str(known.summary())
    likeliest = glm("y ~ x", DATA, "tweedie(1.5)", dispersion="ml")
    assert "likeliest" not in str(likeliest.summary())


def test_r_has_no_likelihood():
    fit = glm("y ~ x", DATA, "tweedie(1.5)", compat="R")
    assert math.isnan(fit.loglik) and math.isnan(fit.aic)
    assert "no likelihood" in str(fit.summary())


def test_power_one_has_none():
    fit = glm("y ~ x", DATA, "tweedie(1)")
    assert math.isnan(fit.loglik) and fit.parameters == 2
    with pytest.raises(ArgumentError, match="tweedie\\(1\\) has none"):
        glm("y ~ x", DATA, "tweedie(1)", dispersion="ml")


FAMILIES = {
    "poisson": "count", "binomial": "event", "negative_binomial(2)": "count", "tweedie(0)": "z",
    "tweedie(1)": "y", "tweedie(1.5)": "y", "tweedie(2)": "pos", "tweedie(2.5)": "pos", "tweedie(3)": "pos",
    "tweedie": "y", "gamma": "pos", "gaussian": "z", "inverse_gaussian": "pos", "quasipoisson": "count",
    "quasibinomial": "share", "quasi(mu^2)": "pos",
}  # fmt: skip
NOTHING = ("poisson", "binomial", "negative_binomial(2)")
LACKING = ("tweedie(1)", "quasipoisson", "quasibinomial", "quasi(mu^2)")
PRINTED = {"pearson": "Pearson", "deviance": "deviance / df", "ml": "maximum likelihood", 0.7: "given"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rule", PRINTED)
def test_every_dispersion_of_every_family(family, rule):
    link = "identity" if family in ("tweedie(0)", "gaussian") else None
    call = {"formula": f"{FAMILIES[family]} ~ x", "data": DATA, "family": family, "link": link}
    if rule == "ml" and family in (*NOTHING, *LACKING):
        words = "nothing to maximise" if family in NOTHING else "needs a likelihood"
        with pytest.raises(ArgumentError, match=words):
            glm(**call, dispersion=rule)
        return
    fit = glm(**call, dispersion=rule)
    assert f"({PRINTED[rule]})" in str(fit.summary())
    df = SIZE - 2
    known = {"pearson": fit.pearson / df, "deviance": fit.deviance / df, 0.7: 0.7}
    if rule in known:
        assert fit.dispersion == pytest.approx(known[rule], rel=1e-12)
    else:
        assert fit.dispersion == pytest.approx(_likeliest(fit), rel=1e-5)
    plain = glm(**call, dispersion="pearson") if family not in NOTHING else glm(**call, dispersion=1.0)
    if family == "tweedie" and rule == 0.7:  # p is another where the dispersion is given
        assert fit.shape.value != pytest.approx(plain.shape.value, abs=1e-3)
        return
    ratio = math.sqrt(fit.dispersion / plain.dispersion)
    np.testing.assert_allclose(fit.stderror(), ratio * plain.stderror(), rtol=1e-10)


def _likeliest(fit):
    """By brute force, from rows."""
    y, family = DATA[fit.formula.split(" ~")[0]].to_numpy(), fit.spec.likelihood.family
    ones = np.ones(SIZE)

    def height(at):
        return fit.deviance / (2.0 * math.exp(at[0])) - np.sum(family.saturated(y, ones, math.exp(at[0])))

    return math.exp(minimize(height, [math.log(fit.dispersion) + 0.1], method="Nelder-Mead", tol=1e-12).x[0])


@pytest.mark.parametrize("rule", [-1.0, 0.0, math.nan, "mle", [1.0]])
def test_dispersion_that_is_none(rule):
    with pytest.raises(ArgumentError, match="dispersion"):
        glm("y ~ x", DATA, "tweedie(1.5)", dispersion=rule)


# ---------------------------------------------------------------- where p has no estimate


@pytest.mark.parametrize(
    ("response", "words"),
    [("none", "0 in every row"), ("count", "runs to 1"), ("wald", "runs to 2.*no zeros.*gamma")],
)
def test_power_that_the_data_do_not_determine(response, words):
    with pytest.raises(DataError, match=words):
        glm(f"{response} ~ x", DATA, "tweedie")


def test_positive_responses_are_warned_of():
    rng = np.random.default_rng(12)
    x = rng.normal(size=300)
    y = Tweedie(1.5).simulate(rng, np.exp(5.0 + x), np.ones(300), 0.5)
    assert (y > 0).all()
    with pytest.warns(ResponseWarning, match="no zeros among 300 rows.*gamma"):
        fit = glm("y ~ x", {"y": y, "x": x}, "tweedie")
    assert "no zeros" in str(fit.summary())


@pytest.mark.parametrize("power", ["0.5", "-1", "inf", "nan"])
def test_power_outside_its_range(power):
    with pytest.raises(ArgumentError, match="0 or >= 1"):
        glm("y ~ x", DATA, f"tweedie({power})")


def test_other_ways_to_estimate_are_refused():
    with pytest.raises(ArgumentError, match="moments"):
        glm("y ~ x", DATA, "tweedie", method="moments")


def test_separated_level_with_the_power_estimated():
    data = DATA.assign(
        g=np.where(DATA.index % 2 == 0, "a", "b"), y=np.where(DATA.index % 2 == 0, 0.0, DATA["y"])
    )
    with pytest.warns(glmstat.errors.SeparationWarning):
        fit = glm("y ~ g + z", data, "tweedie")
    assert fit.coef["g[T.b]"] == math.inf
    rest = glm("y ~ z", data[data["g"] == "b"], "tweedie")
    assert fit.shape.value == pytest.approx(rest.shape.value, abs=1e-5)
    assert fit.loglik == pytest.approx(rest.loglik, rel=1e-9)


def test_bootstrap_estimates_the_power_again():
    fit = glm("y ~ x", DATA.iloc[:120], "tweedie")
    assert fit.bootstrap(6, seed=3).usable == 6


@pytest.mark.parametrize("compat", ["glmstat", "R", "stata", "statsmodels", "sas"])
def test_zeros_alone_are_separated_under_every_preset(compat):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", glmstat.errors.GlmstatWarning)
        data = {"y": [0.0] * 4, "x": [1.0, 2, 3, 4]}
        fit = glmstat.glm("y ~ x", data, "tweedie(1.5)", link="log", compat=compat)
        assert fit.status == "separated" and fit.deviance == 0.0
        assert str(fit.explain_difference("statsmodels"))
