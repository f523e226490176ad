"""Covariances of dependent rows against R's sandwich and plm, and their words and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import Covariance, Fit, glm
from glmstat.errors import ArgumentError, DataError, PerfectFitWarning
from glmstat.inference.covariance import covariance_root, facts, label
from glmstat.inference.vcov.hac import HAC
from glmstat.inference.vcov.kernel import KERNELS
from glmstat.inference.vcov.recipe import Facts

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "hac.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv")


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE.parent / "reference" / "data" / f"{name}.csv")


def air(rows: Any = slice(None)) -> pd.DataFrame:
    data = table("airquality").dropna(subset=["Ozone"]).reset_index(drop=True)
    dates = pd.to_datetime(pd.DataFrame({"year": 1973, "month": data["Month"], "day": data["Day"]}))
    return data.assign(date=dates, day=dates.dt.day_of_year).iloc[rows].reset_index(drop=True)


def mixed() -> pd.DataFrame:
    count = len(air())
    return air([*range(1, count, 2), *range(0, count, 2)])


def gap() -> pd.DataFrame:
    sleep = table("sleepstudy")
    subject, days = sleep["Subject"], sleep["Days"]
    out = (subject.eq(308) & days.isin([2, 5])) | (subject.eq(335) & days.gt(6)) | days.eq(4)
    return sleep[~out].reset_index(drop=True)


SERIES: dict[str, tuple[Callable[[], Fit], str]] = {
    "D": (lambda: glm("y ~ x + f + offset(log(t))", D, "poisson"), ""),
    "D_weighted": (lambda: glm("g ~ x + f", D, "gamma", link="log", weights="w"), ""),
    "D_no_intercept": (lambda: glm("y ~ 0 + x + t", D, "quasipoisson"), ""),
    "D_one": (lambda: glm("y ~ 1", D, "poisson"), ""),
    "air": (lambda: glm("Ozone ~ Temp + Wind", air(), "quasipoisson"), "day"),
    "air_mixed": (lambda: glm("Ozone ~ Temp + Wind", mixed(), "quasipoisson"), "day"),
    "air_gaussian": (lambda: glm("Ozone ~ Temp + Wind", air()), "day"),
}
PANEL: dict[str, tuple[Callable[[], Fit], str, str]] = {
    "sleep": (lambda: glm("Reaction ~ Days", table("sleepstudy")), "Subject", "Days"),
    "sleep_gap": (
        lambda: glm("Reaction ~ Days + I(Days**2)", gap(), "gamma", link="log"),
        "Subject",
        "Days",
    ),
    "cbpp": (
        lambda: glm("cbind(incidence, size - incidence) ~ period", table("cbpp"), "binomial"),
        "herd",
        "period",
    ),
}
FITS: dict[str, Fit] = {}


def fitted(name: str) -> Fit:
    if name not in FITS:
        FITS[name] = SERIES[name][0]() if name in SERIES else PANEL[name][0]()
    return FITS[name]


def lower(fit: Fit, covariance: Covariance) -> Any:
    root = covariance_root(fit, covariance)
    vcov = root @ root.T
    return vcov[np.triu_indices(len(vcov))]


def near(found: Any, wanted: Any) -> None:
    """Equal to 10 digits: R's scores hold to as many."""
    wanted = np.atleast_1d(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11 * np.abs(wanted).max())


def asked(key: str) -> dict[str, Any]:
    """The arguments of Covariance that a key of the table stands for."""
    kind, *words = [word for word in key.split() if word not in ("rows", "in", "order", "default")]
    given: dict[str, Any] = {"kind": "HAC" if kind == "panel" else kind}
    if words and words[-1] == "adjusted":
        given["small_sample"] = "sandwich"
        words.pop()
    if words and words[0] == "lag":
        return {**given, "lag": int(words[1])}
    if words and words[0] in KERNELS:
        rule = words[1]
        return {**given, "kernel": words[0], "bandwidth": float(rule) if rule[0].isdigit() else rule}
    return {**given, "bandwidth": words[0]} if words else given


def cases(part: str, values: str = "vcov") -> list[tuple[str, str]]:
    return [(name, key) for name, case in R[part].items() for key in case[values]]


@pytest.mark.parametrize(("name", "key"), cases("series"))
def test_series_as_sandwich(name: str, key: str):
    fit, covariance = fitted(name), Covariance(order=SERIES[name][1], **asked(key))
    near(lower(fit, covariance), R["series"][name]["vcov"][key])


@pytest.mark.parametrize(("name", "key"), cases("series", "bandwidth"))
def test_automatic_bandwidths_as_sandwich(name: str, key: str):
    rule, kernel = key.split()
    covariance = Covariance("HAC", order=SERIES[name][1], kernel=kernel, bandwidth=rule)
    wanted = R["series"][name]["bandwidth"][key]
    assert facts(fitted(name), covariance).bandwidth == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("name", list(SERIES))
def test_newey_west_lag_as_sandwich(name: str):
    assert facts(fitted(name), Covariance("NW", order=SERIES[name][1])).lag == R["series"][name]["lag"]


@pytest.mark.parametrize(("name", "key"), cases("panel"))
def test_panels_as_sandwich(name: str, key: str):
    given, (_, unit, time) = asked(key), PANEL[name]
    order = "" if "rows in order" in key else time
    cluster = unit if given["kind"] == "HAC" else ()
    found = lower(fitted(name), Covariance(order=order, cluster=cluster, **given))
    near(found, R["panel"][name]["vcov"][key])


@pytest.mark.parametrize("key", list(R["plm"]))
def test_panels_as_plm(key: str):
    given = asked(key)
    cluster = "Subject" if given["kind"] == "HAC" else ()
    near(lower(fitted("sleep"), Covariance(order="Days", cluster=cluster, **given)), R["plm"][key])


# ---------------------------------------------------------------- what is printed, and the distribution


WORDS: list[tuple[Covariance, str]] = [
    (
        Covariance("NW"),
        "NW (one series in the order of the rows, bartlett kernel, lag 8 by newey-west, not prewhitened, "
        "no small-sample factor)",
    ),
    (
        Covariance("HAC", kernel="QS", bandwidth=2),
        "HAC (one series in the order of the rows, quadratic spectral kernel, bandwidth 2, not prewhitened, "
        "no small-sample factor)",
    ),
    (
        Covariance("HAC", cluster="Subject", order="Days", lag=2, small_sample="stata"),
        "HAC (within 18 units of Subject in order of Days, lags count the 10 periods that occur, bartlett "
        "kernel, lag 2, not prewhitened, factor 1.0112)",
    ),
    (
        Covariance("DK", order="Days"),
        "DK (scores summed over the 10 periods of Days that occur, bartlett kernel, lag 1 by NW1987, not "
        "prewhitened, no small-sample factor)",
    ),
]


@pytest.mark.parametrize(("covariance", "words"), WORDS)
def test_words(covariance: Covariance, words: str):
    assert label(fitted("sleep").with_vcov(covariance)) == words


def test_degrees_of_freedom():
    fit = fitted("sleep")
    assert np.isnan(facts(fit, Covariance("HAC")).df)
    assert facts(fit, Covariance("HAC", cluster="Subject", order="Days")).df == 17
    assert facts(fit, Covariance("DK", order="Days")).df == 9


def test_text_names_the_time():
    fit = fitted("sleep_gap")
    assert fit.with_vcov("DK ~ Days").covariance == Covariance("DK", order="Days")
    near(fit.stderror("DK ~ Days"), fit.stderror(Covariance("DK", order=gap()["Days"].to_numpy())))


@pytest.mark.parametrize(
    ("covariance", "factor"),
    [
        (Covariance("HAC", small_sample="statsmodels"), 1.0),
        (Covariance("HAC", small_sample="stata"), 180 / 178),
        (Covariance("NW", small_sample="sandwich"), 180 / 178),
        (Covariance("HAC", cluster="Subject", order="Days", small_sample="statsmodels"), 180 / 178),
        (Covariance("DK", order="Days", small_sample="statsmodels"), 10 / 9 * 179 / 178),
        (Covariance("DK", order="Days", small_sample="stata"), 180 / 178),
    ],
)
def test_factors(covariance: Covariance, factor: float):
    plain = Covariance(covariance.kind, covariance.cluster, order=covariance.order)
    assert facts(fitted("sleep"), covariance).factor == factor
    near(fitted("sleep").stderror(covariance) ** 2, factor * fitted("sleep").stderror(plain) ** 2)


# ---------------------------------------------------------------- laws


def test_lag_0_is_hc0():
    near(fitted("D").stderror(Covariance("NW", lag=0)), fitted("D").stderror("HC0"))


def test_order_of_rows_does_not_matter_where_time_is_given():
    data = D.assign(when=np.arange(40.0) ** 2)
    shuffled = data.sample(frac=1, random_state=1)
    one, other = (glm("y ~ x + f", table, "poisson", vcov="HAC ~ when") for table in (data, shuffled))
    near(one.stderror(), other.stderror())


def test_dates_are_times():
    fit = glm("Ozone ~ Temp + Wind", mixed(), "quasipoisson")
    near(fit.stderror("NW ~ date"), fit.stderror("NW ~ day"))
    near(fit.stderror(Covariance("NW", order=mixed()["date"])), fit.stderror("NW ~ day"))


def test_rows_of_weight_0_are_not_there():
    data = D.assign(
        w=np.where(np.arange(40) % 5 == 2, 0.0, D["w"]), when=np.arange(40) // 2, unit=np.arange(40) % 2
    )
    less = data[data["w"] > 0]
    for covariance in (
        Covariance("HAC"),
        Covariance("HAC", cluster="unit", order="when"),
        Covariance("DK", order="when"),
    ):
        one, other = (glm("g ~ x", table, "gamma", link="log", weights="w") for table in (data, less))
        near(one.stderror(covariance), other.stderror(covariance))


def test_many_lags_by_transforms_equal_the_products():
    rng = np.random.default_rng(4)
    data = {"y": rng.poisson(4.0, 300).astype(float), "x": rng.normal(size=300).cumsum()}
    fit = glm("y ~ x", data, "poisson")
    scores = np.column_stack([np.ones(300), data["x"]]) * (data["y"] - np.asarray(fit.fitted))[:, None]
    bread = fit.estimate.information.inverse()
    distance = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    for name, lags in (("bartlett", 150.0), ("parzen", 250.0), ("quadratic_spectral", 30.0)):
        weights = KERNELS[name].weights(lags, 300)[distance]
        wanted = bread @ scores.T @ weights @ scores @ bread
        found = lower(fit, Covariance("HAC", kernel=name, bandwidth=lags))
        np.testing.assert_allclose(found, wanted[np.triu_indices(2)], rtol=1e-9)


def test_aliased_columns_change_nothing():
    data = D.assign(z=2 * D["x"])
    one, other = glm("y ~ x + z + f", data, "poisson"), glm("y ~ x + f", data, "poisson")
    for kind in ("HAC", "NW"):
        found = np.asarray(one.stderror(kind))
        assert np.isnan(found[2])
        near(found[[0, 1, 3]], np.asarray(other.stderror(kind)))


@pytest.mark.filterwarnings("ignore::glmstat.errors.SeparationWarning")
def test_infinite_coefficients_have_none():
    data = D.assign(y=(D["y"] > 1) & (D["f"] == "a"))
    fit = glm("y ~ x + f", data, "binomial")
    finite = np.isfinite(np.asarray(fit.stderror("HAC")))
    assert finite.tolist() == np.isfinite(np.asarray(fit.coef)).tolist()
    assert not finite.all()


def test_many_blocks_equal_one():
    rng = np.random.default_rng(2)
    n = 150_000
    data = pd.DataFrame(
        {"x": rng.normal(size=n), "unit": np.arange(n) % 30_000, "when": np.arange(n) // 30_000}
    )
    data["y"] = rng.poisson(np.exp(0.2 * data["x"])).astype(float)
    fit = glm("y ~ x", data, "poisson")
    scores = (
        np.column_stack([np.ones(n), data["x"]]) * (data["y"] - np.asarray(fit.fitted)).to_numpy()[:, None]
    )
    cube = scores.reshape(5, 30_000, 2)
    bread = fit.estimate.information.inverse()

    def sandwich(early: Any, late: Any) -> Any:
        products = [np.einsum(rule, early, early) for rule in ("tui,tuj->ij",)]
        one = np.einsum("tui,tuj->ij", late[1:], early[:-1])
        return bread @ (products[0] + 0.5 * (one + one.T)) @ bread

    found = lower(fit, Covariance("HAC", cluster="unit", order="when", lag=1))
    np.testing.assert_allclose(found, sandwich(cube, cube)[np.triu_indices(2)], rtol=1e-8)
    sums = cube.sum(axis=1, keepdims=True)
    found = lower(fit, Covariance("DK", order="when", lag=1))
    np.testing.assert_allclose(found, sandwich(sums, sums)[np.triu_indices(2)], rtol=1e-8)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lag": -1}, "lag must be a whole number >= 0: -1"),
        ({"lag": 1.5}, "lag must be a whole number >= 0: 1.5"),
        ({"lag": True}, "lag must be a whole number"),
        ({"lag": 40}, "lag is 40, periods are 40"),
        ({"bandwidth": 0}, "bandwidth must be a number > 0"),
        ({"bandwidth": -2.0}, "bandwidth must be a number > 0"),
        ({"bandwidth": float("nan")}, "bandwidth must be a number > 0"),
        ({"bandwidth": "newey"}, "Unknown bandwidth: 'newey'.*Did you mean 'newey-west'"),
        ({"kernel": "bartlet"}, "Unknown kernel: 'bartlet'.*Did you mean 'bartlett'"),
        ({"kernel": 3}, "Unknown kernel: 3"),
        ({"lag": 2, "bandwidth": 3.0}, "lag and bandwidth exclude each other"),
        ({"lag": 2, "kernel": "qs"}, "lag has no meaning for kernel 'quadratic_spectral'"),
        ({"cluster": "f", "bandwidth": "andrews"}, "bandwidth='andrews' is a rule for one series"),
        ({"small_sample": "fixest"}, "small_sample='fixest' has no factor for HAC"),
        ({"kind": "DK"}, "DK needs the period of each row"),
        ({"kind": "NW", "kernel": "parzen"}, "NW has no use for kernel"),
    ],
)
def test_arguments_that_do_not_exist(given: dict[str, Any], message: str):
    with pytest.raises(ArgumentError, match=message):
        fitted("D").stderror(Covariance(**{"kind": "HAC", **given}))


def test_ties_are_named():
    fit = glm("y ~ x", D.assign(when=[0, *range(39)], unit=np.arange(40) % 2), "poisson")
    with pytest.raises(DataError, match=r"one series .* when ties in rows 0, 1 \(2 rows\).*cluster="):
        fit.stderror("HAC ~ when")
    fit = glm("y ~ x", D.assign(when=[*range(38), 35, 35], unit=np.arange(40) % 2), "poisson")
    with pytest.raises(DataError, match=r"a unit .* ties in rows 35, 39 \(2 rows\)"):
        fit.stderror(Covariance("HAC", cluster="unit", order="when"))


def test_frequencies_have_no_order():
    counted = D.assign(n=1 + np.arange(40) % 3)
    fit = glm("y ~ x", counted, "poisson", freq_weights="n")
    for covariance in (Covariance("HAC"), Covariance("NW"), Covariance("DK", order="t")):
        with pytest.raises(ArgumentError, match=r"cannot use freq_weights.*row for each"):
            fit.stderror(covariance)


def test_one_period_or_unit_is_too_few():
    fit = glm("y ~ x", D.assign(one=1), "poisson")
    with pytest.raises(DataError, match="two periods or more"):
        fit.stderror("DK ~ one")
    with pytest.raises(DataError, match="two units or more"):
        fit.stderror(Covariance("HAC", cluster="one"))


def test_rule_without_an_answer():
    data = {"y": [1.0, 2.0, 4.0, 3.0, 3.0], "f": ["a", "b", "c", "d", "d"]}  # every residual is rounding
    with pytest.raises(ArgumentError, match=r"finds no bandwidth.*Give lag="):
        glm("y ~ f", data, "poisson").stderror("HAC")


@pytest.mark.parametrize(
    "choice",
    [
        Covariance("HAC", order="t"),
        Covariance("NW", order="t"),
        Covariance("HAC", bandwidth="newey-west"),
        Covariance("DK", order="t", bandwidth="andrews"),
        Covariance("HAC", cluster="g", order="t"),
    ],
)
def test_a_perfect_fit_has_no_bandwidth_and_no_errors(choice: Covariance) -> None:
    t = np.arange(20.0)
    with pytest.warns(PerfectFitWarning):
        fit = glm("y ~ x", pd.DataFrame({"x": t % 7, "y": 1 + 2 * (t % 7), "t": t, "g": t % 2}))
    assert np.isnan(fit.stderror(choice)).all()
    assert "perfect fit" in label(fit.with_vcov(choice))
    assert HAC[choice.kind].words(choice, Facts())
