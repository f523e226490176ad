"""Clustered covariances against R's sandwich and clubSandwich, their factors, words and refusals."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm

from glmstat import Covariance, Fit, glm
from glmstat.errors import ArgumentError, BoundaryWarning, ColumnError, DataError, FewClustersWarning
from glmstat.inference.covariance import as_covariance, covariance_root, facts, label
from glmstat.inference.variable import grouping
from glmstat.inference.vcov import group_sums, leverage_adjusted
from glmstat.inference.vcov.cluster import CLUSTER, FEW
from glmstat.inference.vcov.group_sums import group_leverages
from glmstat.inference.vcov.leverage_adjusted import adjusted
from glmstat.inference.vcov.recipe import Facts
from glmstat.inference.vcov.satterthwaite import satterthwaite
from glmstat.inference.vcov.small_sample import cluster_factors

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "cluster.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv").assign(cl=np.tile(np.arange(1, 9), 5))
P = pd.DataFrame(R["data"])
Q = pd.DataFrame(R["ways"])

pytestmark = pytest.mark.filterwarnings("ignore::glmstat.errors.FewClustersWarning")

FITS: dict[str, tuple[Callable[[], Fit], str]] = {
    "D_poisson": (lambda: glm("y ~ x + f", D, "poisson"), "cl"),
    "D_gamma": (lambda: glm("g ~ x", D, "gamma", link="log", weights="w"), "cl"),
    "poisson": (lambda: glm("y ~ x + z + f", P, "poisson"), "firm"),
    "steep": (lambda: glm("y ~ I(3*x**2) + z", P, "poisson"), "firm"),
    "gaussian": (lambda: glm("g ~ x + f", P), "firm"),
    "gaussian_weighted": (lambda: glm("g ~ x + f", P, weights="w"), "firm"),
    "gamma": (lambda: glm("g ~ x * z", P, "gamma", link="log"), "firm"),
    "probit": (
        lambda: glm("share ~ x + z + offset(0.1*z)", P, "binomial", link="probit", weights="size"),
        "year",
    ),
    "alone": (lambda: glm("y ~ x + alone", P, "poisson"), "firm"),
    "rows": (lambda: glm("y ~ x + z", P[:60].assign(id=np.arange(60)), "poisson"), "id"),
}


def matrix(lower: list[float]) -> np.ndarray:
    """The symmetric matrix whose lower triangle is given by columns."""
    size = int(np.sqrt(2 * len(lower)))
    out = np.zeros((size, size))
    out[np.triu_indices(size)] = lower
    return out + np.triu(out, 1).T


def vcov(fit: Fit, kind: str, cluster: Any, small_sample: str = "default", **more: Any) -> np.ndarray:
    root = covariance_root(fit, Covariance(kind, cluster, small_sample, **more))
    return root @ root.T


def same(got: np.ndarray, expected: Any, tolerance: float = 1e-9) -> None:
    """Equal in units of the standard errors."""
    expected = matrix(expected) if isinstance(expected, list) else expected
    size = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(got / np.outer(size, size), expected / np.outer(size, size), atol=tolerance)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in FITS for kind in R["fits"][name]["vcov"]]
)
def test_one_way_is_that_of_clubsandwich(name: str, kind: str) -> None:
    make, cluster = FITS[name]
    same(vcov(make(), kind, cluster), R["fits"][name]["vcov"][kind])


@pytest.mark.parametrize("name", [name for name in FITS if R["fits"][name]["vcovcl"]])
def test_sandwich_types_are_those_of_vcovcl(name: str) -> None:
    make, cluster = FITS[name]
    fit, expected = make(), R["fits"][name]["vcovcl"]
    same(vcov(fit, "CR1", cluster), expected["HC0"])
    same(vcov(fit, "CR1", cluster, "sandwich"), expected["HC0"])
    same(vcov(fit, "CR1S", cluster), expected["HC1"])
    same(vcov(fit, "CR1", cluster, "statsmodels"), expected["HC1"])
    same(vcov(fit, "CR1", cluster, "fixest"), expected["HC1"])
    same(vcov(fit, "CR2", cluster, "sandwich"), expected["HC2"])
    same(vcov(fit, "CR3", cluster, "sandwich"), expected["HC3"])
    linear = name.startswith("gaussian")
    same(vcov(fit, "CR1", cluster, "stata"), expected["HC1" if linear else "HC0"])


def test_the_published_numbers_of_vcovcl() -> None:
    # R's default tolerance: five digits
    fit = FITS["D_poisson"][0]()
    known = {
        ("CR1", "default"): [0.103197, 0.163802, 0.187661],
        ("CR1S", "default"): [0.105949, 0.168171, 0.192667],
        ("CR2", "sandwich"): [0.094628, 0.160239, 0.215388],
        ("CR3", "sandwich"): [0.094225, 0.170136, 0.265587],
        ("CR0", "default"): [0.096531, 0.153222, 0.175542],
    }
    for (kind, small_sample), expected in known.items():
        got = fit.stderror(Covariance(kind, "cl", small_sample)).to_numpy()
        np.testing.assert_allclose(got, expected, rtol=3e-5)


@pytest.mark.parametrize("count", ["two", "three"])
def test_several_ways(count: str) -> None:
    fit, expected = glm("y ~ x + z", Q, "poisson"), R["multiway"][count]
    ways = ("firm", "year", "region")
    ways = ways[:2] if count == "two" else ways
    for kind in ("CR0", "CR1", "CR1S"):
        same(vcov(fit, kind, ways), expected[kind])
    for preset in ("fixest", "statsmodels"):
        same(vcov(fit, "CR1", ways, preset), expected[preset])
    for kind in ("CR2", "CR3"):
        if f"vcovcl_{kind}" in expected:
            same(vcov(fit, kind, ways, "sandwich"), expected[f"vcovcl_{kind}"])
    counts = (30, 20, 8)[: len(ways)]
    known = facts(fit, Covariance("CR1", ways))
    assert known.groups == counts
    assert known.df == min(counts) - 1
    assert np.isnan(known.factor)
    rows = (400 - 1) / (400 - 3)
    assert facts(fit, Covariance("CR1", ways, "fixest")).factor == pytest.approx(
        min(counts) / (min(counts) - 1) * rows
    )


def test_two_ways_adjusted_add_up_from_their_parts() -> None:
    fit = glm("y ~ x + z", Q, "poisson")
    for kind in ("CR2", "CR3"):
        parts = [vcov(fit, kind, way) for way in ("firm", "year", "firm:year")]
        same(vcov(fit, kind, ("firm", "year")), parts[0] + parts[1] - parts[2])


def test_nested_ways_are_the_coarser_one() -> None:
    data = P.assign(half=P["firm"] % 2 + 2 * (P["firm"] > 6))
    fit = glm("y ~ x", data, "poisson")
    same(vcov(fit, "CR0", ("firm", "half")), vcov(fit, "CR0", "half"))


def test_indefinite_sums_are_repaired_and_named() -> None:
    fit = glm("y ~ x + z + f + region", P[:36], "poisson")
    ways = ("year", "firm")
    same(vcov(fit, "CR0", ways), R["indefinite"]["vcov"], 1e-7)
    known = facts(fit, Covariance("CR0", ways))
    assert known.repaired == R["indefinite"]["negative"]
    assert "negative eigenvalues of the whitened meat put to 0" in label(
        fit.with_vcov(Covariance("CR0", ways))
    )
    assert (np.linalg.eigvalsh(vcov(fit, "CR0", ways)) > -1e-12).all()


def test_repair_does_not_depend_on_units() -> None:
    fit = glm("y ~ x + z + f + region", P[:36], "poisson")
    other = glm("y ~ x + z + f + region", P[:36].assign(x=P["x"] * 1000), "poisson")
    scale = np.where(np.array(fit.columns) == "x", 1000.0, 1.0)
    ways = ("year", "firm")
    same(vcov(other, "CR0", ways) * np.outer(scale, scale), vcov(fit, "CR0", ways), 1e-7)


@pytest.mark.parametrize("kind", ["CR0", "CR2", "CR3"])
def test_observed_information(kind: str) -> None:
    got = vcov(FITS["gamma"][0](), kind, "firm", information="observed")
    same(got, R["observed"][kind])


def test_leaving_out_a_cluster_is_one_step_of_cr3_where_the_model_is_linear() -> None:
    fit = glm("g ~ x + f", P, weights="w")
    beta = fit.coef.to_numpy()
    moved = [
        glm("g ~ x + f", P[P["firm"] != one], weights="w").coef.to_numpy() - beta for one in range(1, 13)
    ]
    same(vcov(fit, "CR3", "firm"), np.array(moved).T @ np.array(moved))


@pytest.mark.parametrize(
    ("kind", "small_sample"),
    [
        *(("CR0", "default"), ("CR1S", "default"), ("CR2", "default"), ("CR3", "default")),
        *(("CR1", "stata"), ("CR1", "fixest"), ("CR2", "sandwich"), ("CR3", "sandwich")),
    ],
)
@pytest.mark.parametrize("family", ["poisson", "gamma", "gaussian"])
def test_frequency_weights_are_rows_repeated(kind: str, small_sample: str, family: str) -> None:
    often = np.arange(240) % 4
    link = {"gamma": "log"}.get(family)
    response = "y" if family == "poisson" else "g"
    data = P.assign(often=often)
    counted = glm(f"{response} ~ x + z", data, family, link=link, freq_weights="often", weights="w")
    repeated = glm(f"{response} ~ x + z", data.loc[np.repeat(P.index, often)], family, link=link, weights="w")
    for cluster in ("firm", ("firm", "year")):
        choice = Covariance(kind, cluster, small_sample)
        same(vcov(counted, kind, cluster, small_sample), vcov(repeated, kind, cluster, small_sample), 1e-8)
        np.testing.assert_allclose(facts(counted, choice).to_array(), facts(repeated, choice).to_array())


def test_rows_of_weight_zero_make_no_cluster() -> None:
    data = P.assign(v=np.where(P["firm"] == 3, 0.0, 1.0))
    weighted, fewer = glm("y ~ x", data, "poisson", weights="v"), glm("y ~ x", P[P["firm"] != 3], "poisson")
    for kind in ("CR1", "CR2", "CR3"):
        same(vcov(weighted, kind, "firm"), vcov(fewer, kind, "firm"))
        assert facts(weighted, Covariance(kind, "firm")).groups == (11,)
    same(vcov(weighted, "CR3", "firm", "sandwich"), vcov(fewer, "CR3", "firm", "sandwich"))


def test_order_of_rows_and_names_of_clusters_do_not_matter() -> None:
    other = P.sample(frac=1, random_state=3).reset_index(drop=True)
    other["firm"] = other["firm"].map(lambda number: f"firm {number * 7 % 13}")
    fit, shuffled = glm("y ~ x + f", P, "poisson"), glm("y ~ x + f", other, "poisson")
    for kind in ("CR1", "CR2", "CR3"):
        same(vcov(shuffled, kind, "firm"), vcov(fit, kind, "firm"), 1e-12)


def test_an_array_and_an_expression_are_clusters_too() -> None:
    fit = glm("y ~ x", P, "poisson")
    same(vcov(fit, "CR1", P["firm"].to_numpy()), vcov(fit, "CR1", "firm"), 0)
    same(vcov(fit, "CR1", "firm + 0"), vcov(fit, "CR1", ("firm", "0 + firm")), 1e-12)


def test_runs_and_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = glm("y ~ x + f", P, "poisson")
    whole = {kind: vcov(fit, kind, "firm") for kind in ("CR0", "CR2", "CR3")}
    monkeypatch.setattr(group_sums, "_CELLS", 100)
    monkeypatch.setattr(leverage_adjusted, "_GATHERED", 300)
    monkeypatch.setattr(leverage_adjusted, "_CACHED", 60)
    monkeypatch.setattr(leverage_adjusted, "_CHUNK", 60)
    again = glm("y ~ x + f", P, "poisson")
    for kind, expected in whole.items():
        same(vcov(again, kind, "firm"), expected, 1e-12)


@pytest.mark.parametrize("function", [leverage_adjusted._function, leverage_adjusted._beyond])
def test_small_leverages_are_inverted_as_eigenvalues_say(
    function: Callable[[np.ndarray, float], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(5).normal(size=(7, 4, 3))
    shares = np.swapaxes(rows, 1, 2) @ rows
    shares *= (0.8 / np.trace(shares, axis1=1, axis2=2))[:, None, None]
    direct = function(shares, -1.0)
    monkeypatch.setattr(leverage_adjusted, "_SMALL", 0.0)
    np.testing.assert_allclose(direct, function(shares, -1.0), rtol=1e-11, atol=1e-13)


def test_large_data_is_read_in_passes() -> None:
    rng = np.random.default_rng(1)
    n = 70_000
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 5000, n)})
    data["y"] = rng.poisson(np.exp(0.2 * data["x"] + 0.3 * rng.normal(size=5000)[data["g"]]))
    fit = glm("y ~ x", data, "poisson")
    assert fit.frame is not None
    assert fit.frame.count > 1
    X = np.column_stack([np.ones(n), data["x"]])
    mu = np.asarray(fit.fitted)
    bread = np.linalg.inv(X.T @ (mu[:, None] * X))
    sums = np.zeros((5000, 2))
    np.add.at(sums, data["g"].to_numpy(), X * (data["y"].to_numpy() - mu)[:, None])
    same(vcov(fit, "CR0", "g"), bread @ sums.T @ sums @ bread, 1e-9)
    same(vcov(fit, "CR2", "g"), bread @ sums.T @ sums @ bread, 0.02)


@pytest.mark.parametrize("name", ["D_gamma", "poisson", "steep", "gaussian", "gaussian_weighted", "probit"])
def test_cr2_is_unbiased_under_the_model(name: str) -> None:
    # closed form: the variance of each cluster's adjusted scores is its share of the information
    make, cluster = FITS[name]
    fit, root = make(), make().estimate.informed_root
    way = grouping(fit, cluster)
    found = adjusted(fit, root, way, "CR2")
    expected = found.variance - found.overlap @ np.swapaxes(found.overlap, 1, 2)
    np.testing.assert_allclose(expected, group_leverages(fit, root, way), atol=1e-12)
    np.testing.assert_allclose(expected.sum(axis=0), np.eye(root.shape[1]), atol=1e-10)


@pytest.mark.parametrize("spread", [1.0, 1e2, 1e6, 1e12])
@pytest.mark.parametrize("determined", [0, 1, 2])
def test_the_inverse_root_of_cr2_holds_for_any_variances(spread: float, determined: int) -> None:
    # Y = T B^+1/2 Z has Y'(I - ZZ')Y = Z'(I - QQ')Z with Q the null vectors T^-1 Z v of B, S v = v
    rng = np.random.default_rng(int(np.log10(spread)) + determined)
    for rows in (3, 40, 5000):
        left, _ = np.linalg.qr(rng.normal(size=(rows, 3)))
        right, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        size = np.sqrt(np.r_[np.ones(determined), rng.uniform(0.05, 0.9, 3 - determined)])
        Z = (left * size) @ right
        variance = np.exp(rng.uniform(0, np.log(spread) + 1e-9, size=rows))
        Y = leverage_adjusted._bell_mccaffrey(Z[None], variance[None])[0]
        null, _ = np.linalg.qr(left[:, :determined] / variance[:, None])
        expected = Z.T @ Z - (null.T @ Z).T @ (null.T @ Z)
        got = Y.T @ Y - Y.T @ Z @ Z.T @ Y
        np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_small_clusters_have_the_inverse_root_of_large_ones(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(rows)
    Z = rng.normal(size=(9, rows, 6))
    Z *= 0.9 / np.linalg.norm(Z, axis=(1, 2), keepdims=True)
    variance = rng.uniform(0.2, 1.0, size=(9, rows))
    direct = leverage_adjusted._bell_mccaffrey(Z, variance)
    B = variance[:, :, None] * (np.eye(rows) - Z @ np.swapaxes(Z, 1, 2)) * variance[:, None, :]
    for one, T, squared, got in zip(Z, variance, B, direct, strict=True):
        np.testing.assert_allclose(
            got, T[:, None] * np.linalg.solve(sqrtm(squared), one), rtol=1e-10, atol=1e-13
        )
    monkeypatch.setattr(leverage_adjusted, "_CERTAIN", 2.0)
    np.testing.assert_allclose(direct, leverage_adjusted._bell_mccaffrey(Z, variance), rtol=1e-10, atol=1e-13)


def test_aliased_coefficients_have_no_variance() -> None:
    fit = glm("y ~ x + I(2*x) + z", P, "poisson")
    known = np.isfinite(fit.estimate.coef)
    for kind in ("CR1", "CR2"):
        got = vcov(fit, kind, "firm")
        assert np.isnan(got[~known]).all()
        same(got[np.ix_(known, known)], R["aliased"][kind])


def test_separated_coefficients_have_no_variance() -> None:
    data = P.assign(all=(P["region"] == "c").astype(float), b=np.where(P["region"] == "c", 1, P["y"] > 1))
    with pytest.warns(Warning, match="all → inf"):
        fit = glm("b ~ x + all", data, "binomial")
    rest = glm("b ~ x", data[data["region"] != "c"], "binomial")
    for kind in ("CR1", "CR2", "CR3"):
        got = vcov(fit, kind, "firm")
        assert np.isnan(got[2]).all()
        same(got[:2, :2], vcov(rest, kind, "firm"))


# ---------------------------------------------------------------- facts and words


def test_words() -> None:
    fit = FITS["poisson"][0]()

    def words(kind: str, cluster: Any, small_sample: str = "default") -> str:
        return label(fit.with_vcov(Covariance(kind, cluster, small_sample)))

    assert words("CR0", "firm") == "CR0 (by firm, 12 clusters, no small-sample factor, few clusters)"
    assert words("CR1", "firm") == "CR1 (by firm, 12 clusters, factor G/(G-1) = 1.091, few clusters)"
    assert (
        words("CR1S", "firm")
        == "CR1S (by firm, 12 clusters, factor G/(G-1) (n-1)/(n-k) = 1.109, few clusters)"
    )
    assert words("CR1", "firm", "stata") == words("CR1", "firm")
    assert words("CR2", "firm") == "CR2 (by firm, 12 clusters, scores / sqrt(1-h))"
    assert words("CR3", "firm", "sandwich") == "CR3 (by firm, 12 clusters, as vcovCL type HC3, few clusters)"
    fit = glm("y ~ x + z", Q, "poisson")
    assert words("CR1", ("firm", "year")) == (
        "CR1 (by firm and year, 30 and 20 clusters, factor G/(G-1), own G in each sum, few clusters)"
    )
    assert words("CR1", ("firm", "year", "region"), "fixest") == (
        "CR1 (by firm and year and region, 30, 20 and 8 clusters, factor G/(G-1) (n-1)/(n-k) = 1.149, "
        "few clusters)"
    )


def test_text_says_the_same_as_a_covariance() -> None:
    fit = FITS["poisson"][0]()
    same(fit.vcov("~firm + year").to_numpy(), vcov(fit, "CR1", ("firm", "year")), 0)
    same(fit.vcov("CR2 ~ firm").to_numpy(), vcov(fit, "CR2", "firm"), 0)


# ---------------------------------------------------------------- refusals and warnings


@pytest.mark.filterwarnings("default::glmstat.errors.FewClustersWarning")
def test_few_clusters_warn_once_and_name_the_remedy() -> None:
    fit = FITS["poisson"][0]()
    with pytest.warns(FewClustersWarning, match="'year' has 10.*CR2 ~ year") as caught:
        fit.summary(Covariance("CR1", ("firm", "year")))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "few clusters" in str(fit.summary(Covariance("CR1", ("firm", "year"))))
        assert "few clusters" not in str(fit.summary("CR2 ~ year"))
        fit.summary("CR3 ~ year")
        many = glm("y ~ x", P.assign(id=np.arange(240) % FEW), "poisson")
        many.summary("~id")


def test_refusals() -> None:
    fit = FITS["poisson"][0]()
    one = glm("y ~ x", P.assign(one=1), "poisson")
    with pytest.raises(DataError, match="cluster 'one' has 1 in the rows"):
        one.vcov("~one")
    with pytest.raises(DataError, match="cluster 'one' has 1 in the rows"):
        one.vcov("CR2 ~ firm + one")
    with pytest.raises(ArgumentError, match="CR1 needs clusters"):
        fit.vcov("CR1")
    with pytest.raises(ColumnError, match="firn"):
        fit.vcov("~firn")
    with pytest.raises(ArgumentError, match="small_sample"):
        fit.vcov(Covariance("CR1", "firm", "sas"))
    with pytest.raises(ArgumentError, match="small_sample='stata' has no factor for CR2"):
        fit.vcov(Covariance("CR2", "firm", "stata"))
    with pytest.raises(ArgumentError, match="more rows than coefficients"):
        cluster_factors(glm("y ~ x + z", P[:3], "poisson"), Covariance("CR1S", "firm"), [3])


@pytest.mark.parametrize("kind", list(CLUSTER))
def test_words_do_not_need_facts(kind: str) -> None:
    assert CLUSTER[kind].words(Covariance(kind, "firm"), Facts()).startswith("by firm, clusters, ")


def test_rows_of_several_predictors_have_no_one_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = FITS["poisson"][0]()
    design = fit.spec.design
    two = replace(fit, spec=replace(fit.spec, design=replace(design, predictors=design.predictors * 2)))

    def refuse(*arguments: Any) -> None:
        raise AssertionError("rows are taken for those of one predictor")

    monkeypatch.setattr(leverage_adjusted, "_even", refuse)
    monkeypatch.setattr(leverage_adjusted, "group_leverages", lambda *_: np.zeros((12, 2, 2)))
    monkeypatch.setattr(leverage_adjusted, "group_scores", lambda *_: [np.zeros((12, 2))])
    assert not leverage_adjusted.adjusted(two, np.zeros((4, 2)), grouping(fit, "firm"), "CR2").scores.any()


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_more_than_eight_ways_are_refused_before_any_work(kind: str) -> None:
    names = tuple(f"not{number}" for number in range(9))
    with pytest.raises(ArgumentError, match=rf"{kind} sums over every .*: 9 ways are given, 8 are the most"):
        glm("y ~ x", D, "poisson", vcov=Covariance(kind, names))
    assert as_covariance(Covariance(kind, names[:8])).cluster == names[:8]


@pytest.mark.parametrize("small_sample", ["default", "sandwich"])
@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_leverages_of_clusters_are_refused_at_a_boundary(kind: str, small_sample: str) -> None:
    x = [0.8, 0.9, 2.4, 0.3, 1.8, 2.2, 0.6, 0.2, 0.8, 2.0, 1.7, 0.5]
    table = {"x": x, "b": [0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0], "k": [1, 2, 3, 4] * 3}
    with pytest.warns(BoundaryWarning):
        fit = glm("b ~ x", table, "binomial", link="log")
    choice = Covariance(kind, "k", small_sample)
    refused = (
        rf'{kind}: not defined where a mean lies at the boundary of its domain. Use "CR1" or "jackknife"'
    )
    with pytest.raises(ArgumentError, match=refused):
        fit.vcov(choice)
    if small_sample == "default":
        with pytest.raises(ArgumentError, match=refused):
            satterthwaite(replace(fit, covariance=choice), np.eye(2))
    with pytest.warns(FewClustersWarning, match='Use the kind "jackknife"'):
        assert np.isfinite(fit.stderror("CR1 ~ k")).all()
