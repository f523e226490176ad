"""Influence of rows and clusters against R's influence.measures and refits, and by their laws."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError, BoundaryWarning, ColumnError, DataError, SeparationWarning
from glmstat.fit import Fit
from glmstat.inference.influence import deletion
from glmstat.inference.influence.result import Influence
from glmstat.inference.influence.verb import ROW_MEASURES, influence
from tests.unit.sample import frame

HERE = Path(__file__).parent
R = json.loads((HERE.parent / "reference" / "inference" / "influence.json").read_text("utf-8"))
D = pd.read_csv(HERE / "data" / "features_check_data.csv")
D["few"], D["times"], D["firm"] = [1, 0, 2, 3] * 10, [1, 3, 2, 1, 4] * 8, [*range(1, 9)] * 5
CASES: dict[str, tuple[Any, ...]] = {
    "gaussian": ("mpg ~ wt + hp", "mtcars", "gaussian", {}),
    "poisson": ("breaks ~ wool * tension", "warpbreaks", "poisson", {}),
    "quasipoisson": ("breaks ~ wool + tension", "warpbreaks", "quasipoisson", {}),
    "gamma_inverse": ("lot1 ~ log(u)", "clotting", "gamma", {}),
    "gamma_weighted": ("g ~ x", D, "gamma", {"link": "log", "weights": "w"}),
    "logit": ("low ~ age + lwt", "birthwt", "binomial", {}),
    "trials": ("cbind(numdead, n - numdead) ~ sex + ldose", "budworm", "binomial", {}),
    "sqrt": ("y ~ x + f", D, "poisson", {"link": "sqrt"}),
    "zero_weights": ("g ~ x + f", D, "gamma", {"link": "log", "weights": "few"}),
    "repeated": ("g ~ x", D, "gamma", {"link": "log", "freq_weights": "times"}),
}
CLUSTERED: dict[str, tuple[Any, ...]] = {
    "poisson": ("y ~ x + f", D, "poisson", {}),
    "gamma": ("g ~ x", D, "gamma", {"link": "log", "weights": "w"}),
    "gaussian": ("g ~ x + f", D, "gaussian", {}),
}
MARKS = ("dffits", "covratio", "cooks", "hat")


def table(name: str) -> pd.DataFrame:
    data = pd.read_csv(HERE.parent / "reference" / "data" / f"{name}.csv")
    if name == "warpbreaks":
        data["tension"] = pd.Categorical(data.tension, ["L", "M", "H"])
    return data


@cache
def fit_of(name: str, compat: str = "glmstat") -> Fit:
    formula, data, family, words = CASES[name]
    return glm(formula, table(data) if isinstance(data, str) else data, family, compat=compat, **words)


@cache
def found(name: str, compat: str = "glmstat") -> Influence:
    return influence(fit_of(name, compat))


def numbers(values: Any) -> np.ndarray:
    """R's numbers; what JSON cannot write is NaN."""
    return np.array(values, dtype=object).astype(float)


def counted(name: str, values: np.ndarray) -> np.ndarray:
    """Values as R has them: without rows of weight 0, repeated by frequency."""
    block = fit_of(name).frame.block(0)
    if block.frequency is not None:
        return np.repeat(values, block.frequency.astype(int), axis=0)
    return values[block.total > 0]


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("measure", ROW_MEASURES)
def test_measures_are_those_of_r(name: str, measure: str) -> None:
    expected = numbers(R["rows"][name][measure])
    values = counted(name, found(name).measures[measure])
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-10 * np.nanmax(np.abs(expected)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("measure", ["dfbeta", "dfbetas"])
def test_changes_of_coefficients_are_those_of_r(name: str, measure: str) -> None:
    expected = numbers(R["rows"][name][measure])
    values = counted(name, getattr(found(name, "R"), measure))
    np.testing.assert_allclose(
        values / np.abs(expected).max(axis=0), expected / np.abs(expected).max(axis=0), atol=1e-10
    )


@pytest.mark.parametrize("name", CASES)
def test_marks_are_those_of_r(name: str) -> None:
    marks = np.array(R["rows"][name]["marks"], dtype=bool)
    own = found(name)
    for place, measure in enumerate(MARKS, marks.shape[1] - len(MARKS)):
        np.testing.assert_array_equal(counted(name, own.flags[measure]), marks[:, place])
    np.testing.assert_array_equal(counted(name, own.flags["dfbetas"]), marks[:, : -len(MARKS)].any(axis=1))
    np.testing.assert_array_equal(counted(name, own.flagged), R["rows"][name]["flagged"])


def test_the_sign_of_a_decreasing_link_is_that_of_the_change() -> None:
    own, theirs = found("gamma_inverse"), found("gamma_inverse", "R")
    exact = own.deletion(progress=False)
    np.testing.assert_array_equal(own.dfbeta, -theirs.dfbeta)
    largest = np.abs(exact.change) > 0.1 * np.abs(exact.change).max(axis=0)
    np.testing.assert_array_equal(np.sign(own.dfbeta[largest]), np.sign(exact.change[largest]))
    assert "opposite sign" in str(theirs)
    assert "opposite sign" not in str(own)
    assert "have the sign of the change, R's the opposite" in " ".join(str(own).split())
    assert "decreasing link" not in str(found("poisson"))


def test_rows_of_weight_0_change_nothing() -> None:
    own = found("zero_weights")
    out = (D.few == 0).to_numpy()
    for measure, value in {
        "hat": 0.0,
        "cooks": 0.0,
        "dffits": 0.0,
        "student_resid": 0.0,
        "covratio": 1.0,
    }.items():
        np.testing.assert_allclose(own.measures[measure][out], value, atol=1e-14)
    assert (own.dfbeta[out] == 0).all()
    assert not own.flagged[out].any()


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_frequencies_are_repeated_rows(family: str) -> None:
    response = "y" if family == "poisson" else "g"
    counted = influence(glm(f"{response} ~ x + f", D, family, freq_weights="times")).to_frame()
    rows = D.loc[D.index.repeat(D.times)].reset_index(drop=True)
    repeated = influence(glm(f"{response} ~ x + f", rows, family)).to_frame()
    same = counted.loc[counted.index.repeat(D.times)].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, repeated, rtol=1e-8, atol=1e-10)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, grouped = (influence(glm("y ~ x + f", D, "poisson"), by=by).to_frame() for by in (None, "firm"))
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: 7)
    monkeypatch.setattr("glmstat.inference.influence.clusters._HELD", 30)
    fit = glm("y ~ x + f", D, "poisson")
    pd.testing.assert_frame_equal(influence(fit).to_frame(), whole, rtol=1e-10)
    pd.testing.assert_frame_equal(influence(fit, by="firm").to_frame(), grouped, rtol=1e-10)
    exact = influence(fit).deletion(of=[9], progress=False)
    np.testing.assert_allclose(exact.coef[0], glm("y ~ x + f", D.drop(9), "poisson").coef, rtol=1e-9)


def test_the_frame_has_the_callers_index() -> None:
    data = frame()
    data.loc[data.index[[3, 5]], "x"] = np.nan
    dropped, padded = (
        influence(glm("y ~ x", data, "poisson", na_action=a)).to_frame() for a in ("drop", "exclude")
    )
    assert list(dropped.columns[:3]) == ["hat", "sigma", "std_resid_deviance"]
    assert list(dropped.columns[-5:]) == [
        "dfbeta_Intercept",
        "dfbeta_x",
        "dfbetas_Intercept",
        "dfbetas_x",
        "flagged",
    ]
    assert padded.index.equals(data.index)
    assert padded.hat.isna().sum() == 2
    assert not padded.flagged.iloc[[3, 5]].any()
    pd.testing.assert_frame_equal(padded.drop(data.index[[3, 5]]), dropped)


def test_exclude_keeps_places_of_deletions() -> None:
    data = frame()
    data.loc[data.index[[3, 5]], "x"] = np.nan
    own = influence(glm("y ~ x", data, "poisson", na_action="exclude"))
    one, exact = own.deletion("one-step"), own.deletion(progress=False)
    assert len(one) == len(exact) == 38
    assert one.to_frame().index.equals(data.dropna().index)
    gone = glm("y ~ x", data.drop(data.index[6]), "poisson")
    np.testing.assert_allclose(
        exact.to_frame().loc[data.index[6], ["Intercept", "x"]].astype(float), gone.coef, rtol=1e-9
    )


def test_polars_frames() -> None:
    polars = pytest.importorskip("polars")
    own = influence(glm("y ~ x", polars.from_pandas(D), "poisson"), by="firm").to_frame()
    assert own["cluster"].to_list() == [str(firm) for firm in range(1, 9)]
    rows = influence(glm("y ~ x", polars.from_pandas(D), "poisson"))
    assert rows.to_frame()["hat"].len() == 40
    assert rows.deletion("one-step").to_frame()["status"].len() == 40


def test_the_printed_form_names_rows_and_rules() -> None:
    text = str(influence(glm("lot1 ~ log(u)", table("clotting"), "gamma")))
    assert "Influence of each row" in text
    assert "1 of 9 flagged" in text
    assert "hat > 3k/n = 0.667" in text
    assert "hat, cooks, dffits, covratio, dfbetas" in text
    assert "<table" in influence(glm("y ~ x", D, "poisson"))._repr_html_()


def test_a_hat_value_of_1_leaves_no_value() -> None:
    data = frame().assign(f=lambda d: np.where(np.arange(len(d)) == 7, "z", d.f))
    own = influence(glm("y ~ x + f", data, "poisson"))
    row = own.to_frame().iloc[7]
    assert row.hat == 1.0
    assert row[["cooks", "dffits", "covratio", "student_resid", "dfbeta_f[T.z]"]].isna().all()
    assert row[["dfbeta_Intercept", "dfbeta_x", "dfbeta_f[T.b]"]].tolist() == [0.0, 0.0, 0.0]
    exact = own.deletion(of=[7], progress=False)
    np.testing.assert_allclose(exact.change[0, :-1], 0.0, atol=1e-9)
    assert np.isnan(exact.change[0, -1])
    np.testing.assert_array_equal(np.isnan(own.deletion("one-step", of=[7]).change), np.isnan(exact.change))


def test_aliased_and_infinite_coefficients_are_nan() -> None:
    aliased = influence(glm("y ~ x + twice", D.assign(twice=2 * D.x), "poisson"))
    assert np.isnan(aliased.dfbeta[:, 2]).all()
    plain = influence(glm("y ~ x", D, "poisson"))
    np.testing.assert_allclose(aliased.dfbeta[:, :2], plain.dfbeta, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(aliased.flagged, plain.flagged)
    data = frame().assign(y=lambda d: np.where(d.f == "c", 0, d.y))
    with pytest.warns(SeparationWarning):
        separated = influence(glm("y ~ x + f", data, "poisson"))
    assert np.isnan(separated.dfbeta[:, 3]).all()
    assert np.isfinite(separated.dfbeta[:, :3]).all()
    assert np.isfinite(separated.cooks).all()
    assert np.isnan(separated.deletion("one-step").change[:, 3]).all()


def test_a_perfect_fit_has_no_standardised_residuals() -> None:
    x = np.arange(10.0)
    with pytest.warns(UserWarning):
        own = influence(glm("y ~ x", {"y": 1 + 2 * x, "x": x}))
    assert np.isnan(own.std_resid_deviance).all()


def test_models_without_columns_or_freedom() -> None:
    empty = influence(glm("y ~ 0", D, "poisson"))
    assert (empty.hat == 0).all()
    assert not empty.flagged.any()
    assert "nothing is flagged" in str(influence(glm("y ~ x", {"y": [1, 3], "x": [0, 1]}, "poisson")))


def test_unknown_measures_are_named() -> None:
    with pytest.raises(AttributeError, match="no 'cook'"):
        found("poisson").cook  # noqa: B018


# ---------------------------------------------------------------- deletion


@pytest.mark.parametrize("name", R["exact"])
def test_exact_deletion_is_a_refit(name: str) -> None:
    exact, fit = found(name).deletion(progress=False), fit_of(name)
    np.testing.assert_allclose(exact.coef, numbers(R["exact"][name]), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(exact.change, fit.coef.to_numpy() - exact.coef, atol=1e-15)
    assert set(exact.status) == {"converged"}


def test_one_step_is_exact_in_least_squares() -> None:
    one, exact = found("gaussian").deletion("one-step"), found("gaussian").deletion(progress=False)
    np.testing.assert_allclose(one.change, exact.change, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.cooks, exact.cooks, rtol=1e-9)
    np.testing.assert_allclose(one.change, found("gaussian").dfbeta, rtol=1e-9, atol=1e-13)


def test_cooks_distance_is_that_of_the_first_step() -> None:
    for name in ("poisson", "gamma_weighted", "trials"):
        own = found(name)
        J = fit_of(name).estimate.information.matrix()
        step = own.deletion("one-step").change
        size = np.einsum("ij,jk,ik->i", step, J, step) / (
            fit_of(name).estimate.rank * fit_of(name).dispersion
        )
        np.testing.assert_allclose(size, own.cooks, rtol=1e-9)


def test_a_frequency_loses_one_row() -> None:
    fit = glm("y ~ x", D, "poisson", freq_weights="times")
    exact = influence(fit).deletion(of=[4, 0], progress=False)
    for place, row in enumerate([4, 0]):
        rows = D.loc[D.index.repeat(D.times - (D.index == row))]
        np.testing.assert_allclose(exact.coef[place], glm("y ~ x", rows, "poisson").coef, rtol=1e-9)


def test_interrupting_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done, own = [], deletion._refit

    def third(*arguments: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(own(*arguments))
        return done[-1]

    monkeypatch.setattr(deletion, "_refit", third)
    exact = found("poisson").deletion(progress=False)
    assert len(exact) == 2
    assert len(exact.to_frame()) == 2
    assert "interrupted: 2 of 54 are done" in str(exact)


def test_a_refit_that_fails_is_named() -> None:
    exact = influence(glm("y ~ 1", {"y": [3.0]}, "poisson")).deletion(of=[0], progress=False)
    assert exact.status == ("failed",)
    assert np.isnan(exact.change).all()
    assert "1 failed, the first because: no row is left." in str(exact)


def test_a_refit_outside_the_domain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **words: Any) -> None:
        raise ArgumentError("start gives a mean outside the domain.")

    monkeypatch.setattr(deletion, "fit_nearby", refuse)
    exact = found("gaussian").deletion(of=[1, 2], progress=False)
    assert exact.status == ("failed", "failed")
    assert "2 failed, the first because: start gives a mean outside the domain." in str(exact)


def test_printed_deletions() -> None:
    text = str(found("poisson").deletion(of=[4, 23], progress=False))
    assert "Deletion of each row, exact" in text
    assert "2 of 2" in text
    assert "converged" in text


def test_bad_words_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Unknown method: 'exactly'.*Did you mean 'exact'"):
        found("poisson").deletion("exactly")
    for of in ([99], [-1], ["a"], [[1]]):
        with pytest.raises(ArgumentError, match="positions in the table, from 0 to 53"):
            found("poisson").deletion(of=of)  # pyright: ignore[reportArgumentType]
    assert len(found("poisson").deletion(of=[])) == 0


# ---------------------------------------------------------------- clusters


@cache
def clustered(name: str) -> Influence:
    formula, data, family, words = CLUSTERED[name]
    return influence(glm(formula, data, family, **words), by="firm")


@pytest.mark.parametrize("name", CLUSTERED)
def test_first_steps_of_clusters(name: str) -> None:
    own, expected = clustered(name), R["clusters"][name]
    np.testing.assert_allclose(own.dfbeta, expected["change"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(own.dfbetas, expected["dfbetas"], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(own.cooks, expected["cooks"], rtol=1e-9)
    assert own.rows.tolist() == [5.0] * 8
    assert own.hat.sum() == pytest.approx(own.fit.estimate.rank)


@pytest.mark.parametrize("name", CLUSTERED)
def test_exact_deletion_of_clusters(name: str) -> None:
    exact = clustered(name).deletion(progress=False)
    np.testing.assert_allclose(exact.coef, numbers(R["clusters"][name]["exact"]), rtol=1e-8)
    assert list(exact.to_frame().index) == [str(firm) for firm in range(1, 9)]


def test_clusters_of_one_row_are_rows() -> None:
    fit = glm("y ~ x + f", D.assign(row=np.arange(40)), "poisson")
    rows, groups = influence(fit), influence(fit, by="row")
    np.testing.assert_allclose(groups.cooks, rows.cooks, rtol=1e-10)
    np.testing.assert_allclose(groups.dfbeta, rows.deletion("one-step").change, rtol=1e-9, atol=1e-14)
    assert groups.deletion("one-step").to_frame().index.name == "cluster"
    assert "each cluster of row" in str(groups.deletion("one-step"))


def test_one_step_of_clusters_is_exact_in_least_squares() -> None:
    own = clustered("gaussian")
    exact = own.deletion(progress=False)
    np.testing.assert_allclose(own.deletion("one-step").change, exact.change, rtol=1e-8)
    np.testing.assert_allclose(own.cooks, exact.cooks, rtol=1e-8)


def test_clusters_by_array_combination_and_frequency() -> None:
    fit = glm("y ~ x + f", D, "poisson")
    np.testing.assert_array_equal(influence(fit, by=D.firm.to_numpy()).cooks, clustered("poisson").cooks)
    both = influence(fit, by=("firm", "f"))
    assert both.unit == "firm:f"
    assert len(both) == D.groupby(["firm", "f"]).ngroups
    repeated = D.loc[D.index.repeat(D.times)].reset_index(drop=True)
    once = influence(glm("y ~ x", D, "poisson", freq_weights="times"), by="firm")
    often = influence(glm("y ~ x", repeated, "poisson"), by="firm")
    pd.testing.assert_frame_equal(once.to_frame(), often.to_frame(), rtol=1e-9)


def test_a_cluster_that_alone_determines_a_coefficient() -> None:
    own = influence(glm("y ~ x + C(firm)", D, "poisson"), by="firm")
    exact = own.deletion(progress=False)
    later = own.to_frame().iloc[3]
    assert np.isnan(later["dfbeta_C(firm)[T.4]"])
    assert np.isfinite(later["dfbeta_x"])
    np.testing.assert_array_equal(np.isnan(own.dfbeta[1:]), np.isnan(exact.change[1:]))
    assert "8 of 8 clusters are all there is about some coefficient" in str(own)


def test_missing_cluster_columns_are_named() -> None:
    with pytest.raises(ColumnError, match="frim"):
        influence(glm("y ~ x", D, "poisson"), by="frim")


@pytest.mark.parametrize("by", ["", (), [], " ", 3, 2.5, True])
def test_what_is_no_variable_is_refused(by: Any) -> None:
    with pytest.raises(ArgumentError, match=r"by must be names, expressions or arrays: .*by='firm'"):
        influence(glm("y ~ x", D, "poisson"), by=by)


def test_one_group_and_rows_without_one_are_refused() -> None:
    fit = glm("y ~ x", D.assign(one=1, lost=np.where(D.index == 3, np.nan, 1.0 * D.index)), "poisson")
    with pytest.raises(DataError, match=r"two or more: by 'one' has 1 .*Leave by= out"):
        influence(fit, by="one")
    with pytest.raises(DataError, match=r"by 'lost' is missing in row 3 .*subset= in the call") as caught:
        influence(fit, by="lost")
    assert "vcov=" not in str(caught.value)


def test_both_results_print_in_every_way_that_a_listing_does() -> None:
    own = found("poisson")
    for result in (own, own.deletion("one-step")):
        assert result.ascii() == result.largest().ascii()
        assert result.to_dict() == result.largest().to_dict()


def test_a_bar_is_asked_for_by_yes_or_no() -> None:
    with pytest.raises(ArgumentError, match="progress must be True, False or None: 'x'"):
        found("poisson").deletion(progress="x")  # pyright: ignore[reportArgumentType]


def test_one_of_several_is_spelled_so() -> None:
    data = D.assign(f=["c", *D["f"][1:]], firm=np.arange(40) // 5).assign(
        firm=lambda d: d.firm.where(d.f != "c", 9)
    )
    text = str(influence(glm("y ~ x + f", data, "poisson"), by="firm"))
    assert "1 of 9 clusters is all there is about some coefficient" in " ".join(text.split())


@pytest.fixture(scope="module")
def edge() -> Fit:
    data = pd.DataFrame({"x": np.linspace(0, 1, 40), "k": np.arange(40) // 4})
    data["y"] = (np.random.default_rng(3).random(40) < 0.02 + 0.9 * data.x).astype(float)
    data.loc[0, "y"] = 0
    with pytest.warns(BoundaryWarning):
        fit = glm("y ~ x", data, "binomial", link="log")
    assert fit.status == "boundary"
    return fit


def refit_without(fit: Fit, gone: np.ndarray) -> np.ndarray:
    assert fit.frame is not None
    data = pd.DataFrame({"x": np.linspace(0, 1, 40), "y": fit.frame.block(0).y})[~gone]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return glm("y ~ x", data, "binomial", link="log").estimate.coef


def test_at_a_boundary_rows_have_no_hat_values_and_exact_deletions(edge: Fit) -> None:
    rows = influence(edge)
    assert len(rows) == 40 and not rows.flagged.any()
    assert all(np.isnan(rows.measures[name]).all() for name in ROW_MEASURES)
    assert np.isnan(rows.dfbeta).all() and np.isnan(rows.dfbetas).all()
    assert "no hat values" in rows.notes[0] and "no hat values" in str(rows) and "HC0" not in str(rows)
    exact = rows.deletion("exact", progress=False)
    assert len(exact) == 40 and "failed" not in exact.status
    wanted = [refit_without(edge, np.arange(40) == row) for row in range(40)]
    np.testing.assert_allclose(exact.coef, wanted, rtol=1e-6)
    most = np.abs(edge.estimate.coef - np.array(wanted)).max(axis=1).argmax()
    assert exact.largest(1).index == (str(most),)
    assert "largest change of a coefficient" in str(exact)
    with pytest.raises(ArgumentError, match=r"One-step deletion: not defined .* Take deletion\(\"exact\"\)"):
        rows.deletion("one-step")


def test_at_a_boundary_clusters_have_exact_deletions(edge: Fit) -> None:
    clusters = influence(edge, by="k")
    assert clusters.rows.tolist() == [4.0] * 10
    assert np.isnan(clusters.hat).all() and np.isnan(clusters.cooks).all() and np.isnan(clusters.dfbeta).all()
    assert "no hat values" in str(clusters)
    exact = clusters.deletion("exact", progress=False)
    wanted = [refit_without(edge, np.arange(40) // 4 == k) for k in range(10)]
    np.testing.assert_allclose(exact.coef, wanted, rtol=1e-6)


def test_without_the_only_row_that_identifies_it_a_coefficient_is_aliased() -> None:
    data = {"y": [1.0, 2, 3, 5, 4, 6], "x": [1.0, 2, 3, 4, 5, 6.5], "one": [0, 0, 0, 0, 1, 0]}
    rows = influence(glm("y ~ x + one", data))
    exact = rows.deletion("exact", of=[4, 0], progress=False)
    assert exact.status == ("aliased", "converged")
    assert np.isnan(exact.coef).tolist() == [[False, False, True], [False] * 3]
    shown = exact.largest()
    assert shown.index[0] == "4" and shown["most moved"][0] == "one" and np.isnan(shown["to"][0])


@pytest.mark.filterwarnings("ignore::glmstat.errors.SeparationWarning")
def test_deletions_have_no_number_where_complete_separation_leaves_it_open() -> None:
    data = {"y": [0, 0, 1, 0, 1, 1, 1, 1], "x": range(8), "k": [0, 0, 0, 0, 0, 0, 1, 1]}
    fit = glm("y ~ x + k", data, "binomial")
    exact = influence(fit).deletion("exact", of=[2], progress=False)
    assert exact.status == ("separated",)
    assert exact.coef[0, 0] == -np.inf and exact.coef[0, 1] == np.inf and np.isnan(exact.coef[0, 2])


def test_without_a_root_no_row_has_a_hat_value() -> None:
    y = np.repeat([0.0, 1.0], 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = glm("y ~ x", {"y": y, "x": y + np.linspace(0, 0.3, 12)}, "binomial", link="log", method="firth")
    assert fit.status == "not converged"
    found = fit.influence()
    assert np.isnan(found.hat).all() and np.isnan(found.cooks).all() and np.isnan(found.dfbeta).all()
    assert "the solver ended where the fit has no standard errors" in " ".join(str(found).split())
    assert np.isnan(fit.influence(by=np.arange(12) % 3).cooks).all()
    assert np.isnan(fit.residuals("deviance", standardized=True)).all()
