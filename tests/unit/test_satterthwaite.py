"""Degrees of freedom of CR2 and CR3 against R's clubSandwich, and by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmstat import Covariance, Fit, glm, load
from glmstat.errors import ArgumentError, DataError
from glmstat.inference.reference import joint, reference
from glmstat.inference.variable import grouping
from glmstat.inference.vcov.group_sums import group_leverages
from glmstat.inference.vcov.leverage_adjusted import adjusted
from glmstat.inference.vcov.satterthwaite import _moments, hotelling, satterthwaite
from tests.unit.test_cluster import FITS, P, R

CASES = [(name, kind) for name in FITS for kind in R["fits"][name]["df"]]


def robust(name: str, kind: str, **more: Any) -> Fit:
    make, cluster = FITS[name]
    return make().with_vcov(Covariance(kind, cluster, **more))


def wald(fit: Fit, matrix: np.ndarray) -> float:
    estimate, vcov = matrix @ fit.coef.to_numpy(), matrix @ fit.vcov().to_numpy() @ matrix.T
    return float(estimate @ np.linalg.solve(vcov, estimate))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_single_coefficients_are_those_of_clubsandwich(name: str, kind: str) -> None:
    fit = robust(name, kind)
    got = satterthwaite(fit, np.eye(len(fit.columns)))
    np.testing.assert_allclose(got, np.array(R["fits"][name]["df"][kind]), rtol=1e-9)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_joint_tests_are_those_of_clubsandwich(name: str, kind: str) -> None:
    fit, matrix = robust(name, kind), np.array(R["fits"][name]["pair"], dtype=float)
    statistic, count, df, p_value = R["fits"][name]["joint"][kind]
    got, factor = hotelling(fit, matrix)
    assert len(matrix) == count
    np.testing.assert_allclose([got, factor * wald(fit, matrix)], [df, statistic], rtol=1e-8)
    whole = joint(fit, matrix, wald(fit, matrix))
    np.testing.assert_allclose([whole.statistic, whole.p_value], [statistic, p_value], rtol=1e-7)


def test_one_combination_has_the_same_df_alone_and_in_a_joint_test() -> None:
    fit, one = robust("poisson", "CR2"), np.array([[0.0, 1.0, -2.0, 0.5, 0.0]])
    assert hotelling(fit, one) == pytest.approx((satterthwaite(fit, one)[0], 1.0))
    assert satterthwaite(fit, -3.0 * one) == pytest.approx(satterthwaite(fit, one))


def test_a_joint_test_does_not_depend_on_how_it_is_written() -> None:
    fit, matrix = robust("poisson", "CR2"), np.eye(5)[2:]
    change = np.array([[2.0, 1.0, 0.0], [0.0, -1.0, 3.0], [1.0, 0.0, 0.5]])
    assert hotelling(fit, change @ matrix) == pytest.approx(hotelling(fit, matrix))


def test_many_combinations_are_taken_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, many = robust("poisson", "CR2"), np.random.default_rng(0).normal(size=(50, 5))
    expected = [satterthwaite(fit, one[None])[0] for one in many]
    monkeypatch.setattr("glmstat.inference.vcov.satterthwaite._CELLS", 200)
    np.testing.assert_allclose(satterthwaite(fit, many), expected, rtol=1e-12)


def test_more_restrictions_than_clusters_have_no_df() -> None:
    data = P[P["firm"] < 5]
    fit = glm("y ~ x + z + f + region", data, "poisson", vcov="CR2 ~ firm")
    df, factor = hotelling(fit, np.eye(len(fit.columns))[1:])
    assert df <= 0
    assert factor == 0
    assert np.isnan(joint(fit, np.eye(len(fit.columns))[1:], 10.0).p_value)


def test_moments_of_the_variance_are_those_of_the_definition() -> None:
    # G x G matrices written out, for the form that holds where all variances are equal
    fit = robust("gaussian", "CR2")
    combinations = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 2.0, -1.0, 0.5]])
    root = fit.estimate.informed_root
    shares = group_leverages(fit, root, grouping(fit, "firm"))
    values, vectors = np.linalg.eigh(shares)
    power = (vectors * (1 - values[:, None, :]) ** -0.5) @ np.swapaxes(vectors, 1, 2)
    expected = []
    for direction in combinations @ root:
        a = power @ direction
        b = np.einsum("gij,gj->gi", shares, a)
        matrix = np.diag(np.sum(a * b, axis=1)) - b @ b.T
        expected.append(np.trace(matrix) ** 2 / np.sum(matrix**2))
    np.testing.assert_allclose(satterthwaite(fit, combinations), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_the_df_describe_the_estimated_variance(kind: str) -> None:
    # independent normal rows: 2 E(V)^2 / Var(V) over responses drawn from the model
    rng, draws = np.random.default_rng(4), 3000
    data = P[P["firm"] < 7].assign(e=0.0)
    choice = Covariance(kind, "firm")
    fit = glm("g ~ x + f", data, vcov=choice)
    X = np.column_stack([np.ones(len(data)), data["x"], data["f"] == "b", data["f"] == "c"]).astype(float)
    inverse = np.linalg.inv(X.T @ X)
    e = rng.normal(size=(draws, len(data)))
    e -= e @ X @ inverse @ X.T
    variances = np.zeros((draws, 4))
    for firm in data["firm"].unique():
        own = (data["firm"] == firm).to_numpy()
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - X[own] @ inverse @ X[own].T)
        power = (vectors * values ** (-0.5 if kind == "CR2" else -1.0)) @ vectors.T
        variances += (e[:, own] @ power @ X[own] @ inverse) ** 2
    simulated = 2 * variances.mean(axis=0) ** 2 / variances.var(axis=0)
    # the variance of a variance of 3000 draws with kurtosis below 10: sd 5 %
    np.testing.assert_allclose(satterthwaite(fit, np.eye(4)), simulated, rtol=0.2)


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
@pytest.mark.parametrize("name", ["poisson", "gaussian", "gamma"])
def test_frequency_weights_are_rows_repeated(name: str, kind: str) -> None:
    often = np.arange(240) % 4
    family, response, link = {
        "poisson": ("poisson", "y", None),
        "gaussian": ("gaussian", "g", None),
        "gamma": ("gamma", "g", "log"),
    }[name]
    formula, vcov = f"{response} ~ x + z", f"{kind} ~ firm"
    counted = glm(formula, P.assign(often=often), family, link=link, freq_weights="often", vcov=vcov)
    repeated = glm(formula, P.loc[np.repeat(P.index, often)], family, link=link, vcov=vcov)
    np.testing.assert_allclose(
        satterthwaite(counted, np.eye(3)), satterthwaite(repeated, np.eye(3)), rtol=1e-8
    )
    np.testing.assert_allclose(
        hotelling(counted, np.eye(3)[1:]), hotelling(repeated, np.eye(3)[1:]), rtol=1e-8
    )


def test_observed_information_moves_the_direction_only() -> None:
    canonical = robust("poisson", "CR2", information="observed")
    np.testing.assert_allclose(
        satterthwaite(canonical, np.eye(5)), satterthwaite(robust("poisson", "CR2"), np.eye(5)), rtol=1e-9
    )
    fit, plain = robust("gamma", "CR2", information="observed"), robust("gamma", "CR2")
    observed, expected = (
        one.with_vcov(Covariance("classical", information=which)).vcov().to_numpy()
        for one, which in ((fit, "observed"), (plain, "expected"))
    )
    moved = np.eye(4) @ observed @ np.linalg.inv(expected)
    np.testing.assert_allclose(satterthwaite(fit, np.eye(4)), satterthwaite(plain, moved), rtol=1e-7)


def test_aliased_and_infinite_coefficients_have_no_df() -> None:
    fit = glm("y ~ x + I(2*x) + z", P, "poisson", vcov="CR2 ~ firm")
    got = satterthwaite(fit, np.eye(4))
    known = np.isfinite(fit.estimate.coef)
    assert np.isnan(got[~known]).all()
    np.testing.assert_allclose(got[known], R["aliased"]["df"], rtol=1e-9)
    assert np.isnan(hotelling(fit, np.eye(4)[1:])).all()
    assert np.isnan(satterthwaite(fit, np.zeros((1, 4)))).all()


def test_a_second_call_and_a_saved_fit_need_no_rows(tmp_path: Path) -> None:
    fit = robust("poisson", "CR2")
    expected = satterthwaite(fit, np.eye(5))
    fit.save(tmp_path / "fit.safetensors")
    again = load(tmp_path / "fit.safetensors")
    np.testing.assert_allclose(satterthwaite(again, np.eye(5)), expected, rtol=1e-14)


def test_pieces_too_large_to_keep_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = satterthwaite(robust("poisson", "CR2"), np.eye(5))
    monkeypatch.setattr("glmstat.inference.vcov.cluster.KEPT", 10)
    fit = robust("poisson", "CR2")
    assert not [key for key in fit.kept if key.endswith("pieces")]
    np.testing.assert_allclose(satterthwaite(fit, np.eye(5)), expected, rtol=1e-14)


def test_pieces_too_large_to_keep_are_made_once_for_many_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    many = np.random.default_rng(1).normal(size=(6, 5))
    small = robust("poisson", "CR2")
    expected = satterthwaite(small, many), hotelling(small, many[:2]), satterthwaite(small, np.eye(5))
    made = []

    def counted(*arguments: Any, **more: Any) -> Any:
        made.append(more.get("pieces", True))
        return adjusted(*arguments, **more)

    monkeypatch.setattr("glmstat.inference.vcov.cluster.KEPT", 10)
    monkeypatch.setattr("glmstat.inference.vcov.cluster.adjusted", counted)
    fit = robust("poisson", "CR2")
    got = satterthwaite(fit, many), hotelling(fit, many[:2]), satterthwaite(fit, np.eye(5))
    for found, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert made == [False, True]  # the covariance needs the scores alone
    other = robust("poisson", "CR3")
    satterthwaite(other, np.eye(5))
    np.testing.assert_array_equal(satterthwaite(fit, np.eye(5)), got[2])
    assert made == [False, True, False, True]


def test_the_df_of_coefficients_are_kept_and_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmstat.inference.vcov.cluster.KEPT", 10)
    fit = robust("poisson", "CR2")
    expected = satterthwaite(fit, np.eye(5))
    np.testing.assert_array_equal(fit.kept[f"{fit.covariance.key} df"], expected)
    fit.save(tmp_path / "fit.safetensors")
    again = load(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(satterthwaite(again, np.eye(5)), expected)
    np.testing.assert_array_equal(satterthwaite(again, -2.0 * np.eye(5)[[3, 1, 3]]), expected[[3, 1, 3]])
    assert again.summary().to_frame().equals(fit.summary().to_frame())


def test_equal_rows_are_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, few = robust("poisson", "CR2"), np.random.default_rng(2).normal(size=(3, 5))
    expected, again = satterthwaite(fit, few), np.random.default_rng(3).integers(0, 3, size=400)
    taken = []

    def counted(directions: np.ndarray, *pieces: np.ndarray) -> Any:
        taken.append(len(directions))
        return _moments(directions, *pieces)

    monkeypatch.setattr("glmstat.inference.vcov.satterthwaite._moments", counted)
    np.testing.assert_allclose(satterthwaite(fit, few[again]), expected[again], rtol=1e-13)
    assert taken == [3]
    assert satterthwaite(fit, np.zeros((0, 5))).shape == (0,)


def test_rows_that_would_take_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = robust("poisson", "CR2")
    monkeypatch.setattr("glmstat.inference.vcov.satterthwaite._MOST", 12 * 25 * 7)
    with pytest.raises(ArgumentError, match=r'CR2, 8 different rows, 12 clusters, .*Use vcov="CR1 ~ firm"'):
        satterthwaite(fit, np.random.default_rng(1).normal(size=(8, 5)))
    assert len(satterthwaite(fit, np.random.default_rng(1).normal(size=(7, 5)))) == 7


@pytest.mark.parametrize(
    "choice",
    [Covariance("CR1", "firm"), Covariance("CR2", ("firm", "year")), Covariance("CR2", "firm", "sandwich")],
)
@pytest.mark.filterwarnings("ignore::glmstat.errors.FewClustersWarning")
def test_other_kinds_have_no_satterthwaite_df(choice: Covariance) -> None:
    fit = FITS["poisson"][0]().with_vcov(choice)
    with pytest.raises(ArgumentError, match="by one variable"):
        satterthwaite(fit, np.eye(5))
    assert reference(fit).text in ("t(11)", "t(9)")
    assert joint(fit, np.eye(5)[1:], 10.0).df[1] in (11, 9)


def test_data_that_are_needed_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glmstat.inference.vcov.cluster.KEPT", 10)
    fit = robust("poisson", "CR2")
    fit.save(tmp_path / "fit.safetensors")
    again = load(tmp_path / "fit.safetensors")
    with pytest.raises(DataError, match="needs the rows"):
        satterthwaite(again, np.eye(5))
    np.testing.assert_allclose(
        satterthwaite(again, np.eye(5), data=P), satterthwaite(fit, np.eye(5)), rtol=1e-12
    )
