"""`compat=` and `explain_difference`: each number moved is ascribed to the choice that moves it."""

from __future__ import annotations

import warnings
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm
from glmstat.convention import CONVENTIONS, Convention, as_convention
from glmstat.errors import (
    ArgumentError,
    ComparisonError,
    CovarianceWarning,
    DataError,
    FewClustersWarning,
)
from glmstat.fit import Fit
from glmstat.inference.convention.words import FIELDS

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
D = D.assign(
    c=np.tile(np.arange(1, 9), 5), r=np.where(D["s"] > 5, "yes", "no"), k=np.arange(40) % 4, b=D["x"] > 0
)
SYSTEMS = ("R", "stata", "statsmodels", "sas")


@cache
def gamma(compat: str = "glmstat") -> Fit:
    return glm("g ~ x + f", D, "gamma", link="log", compat=compat)


def test_every_choice_has_words_for_every_value():
    names = [field.name for field in fields(Convention) if field.name not in ("name", "title")]
    assert list(FIELDS) == names
    for record in CONVENTIONS.values():
        for name in names[1:]:
            assert getattr(record, name) in FIELDS[name].values


def test_no_module_tests_the_name_of_a_system():
    package = Path(glmstat.__file__).parent
    found = [
        path.name
        for path in package.rglob("*.py")
        for word in SYSTEMS
        if f'convention.name == "{word}"' in path.read_text("utf-8")
        or f'call["compat"] == "{word}"' in path.read_text("utf-8")
    ]
    assert not found


@pytest.mark.parametrize("system", ["spss", "r", "", None, 3])
def test_unknown_systems_are_refused(system: Any):
    with pytest.raises(ArgumentError, match="Unknown compat"):
        glm("g ~ x", D, compat=system)
    with pytest.raises(ArgumentError, match="Known: glmstat, R, stata, statsmodels, sas"):
        gamma().explain_difference(system)


def test_networks_take_the_conventions_that_they_know():
    with pytest.raises(ArgumentError, match="compat"):
        glmstat.rglm("g ~ x + nn(t, hidden=(2,))", D, compat="sas")


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("system", "names"),
    [
        ("stata", ("_cons", "x", "2.f", "1.k", "2.k", "3.k", "1.b", "2.f#c.x")),
        ("sas", ("Intercept", "x", "f a", "k 0", "k 1", "k 2", "b False", "x*f a")),
        ("statsmodels", ("Intercept", "x", "f[T.b]", "k[T.1]", "k[T.2]", "k[T.3]", "b[T.True]", "x:f[T.b]")),
        ("R", ("(Intercept)", "x", "fb", "k1", "k2", "k3", "bTRUE", "x:fb")),
    ],
)
def test_names(system: str, names: tuple[str, ...]):
    data = D.assign(k=pd.Categorical(np.repeat([0, 1, 2, 3], 10)))
    fit = glm("y ~ x * f + k + b", data, "poisson", compat=system)
    assert fit.columns == names
    assert tuple(fit.coef.index) == tuple(fit.vcov().columns) == tuple(fit.confint().index) == names
    assert [row["term"] for row in fit.summary().to_dict()["coefficients"]] == list(names)
    for own, default in zip(names, fit.spec.design.default_columns, strict=True):
        by_own, by_default = fit.test(f"{own} = 0"), fit.test(f"{default} = 0")
        assert by_own["statistic"] == by_default["statistic"] == fit.test(f"`{own}` = 0")["statistic"]
        low = fit.confint(of=own)["conf_low"].iloc[0]
        assert low == pytest.approx(fit.confint().loc[own, "conf_low"], rel=1e-12)
    assert fit.test("f")["p_value"] == fit.test(f"{names[2]} = 0")["p_value"]
    assert fit.test(f"2*{names[1]} - {names[2]} = 0.1")["p_value"] is not None
    assert names[0] in str(fit) and names[2] in str(fit.confint(eform=True).attrs["notes"]) + str(fit)


def test_a_start_takes_both_names():
    for names in (("(Intercept)", "x", "fb"), ("Intercept", "x", "f[T.b]")):
        start = dict(zip(names, (0.1, 0.2, 0.3), strict=True))
        fit = glm("y ~ x + f", D, "poisson", compat="R", start=start)
        assert fit.converged
        assert len(fit.explain_difference("sas")) > 0
    with pytest.raises(ArgumentError, match="start must name every coefficient once: \\(Intercept\\)"):
        glm("y ~ x + f", D, "poisson", compat="R", start={"Intercept": 0.0, "x": 0.0, "fb": 0.0})


def test_names_of_two_columns_stay_apart():
    fit = glm("y ~ f + fb", D.assign(fb=D["t"]), "poisson", compat="R")
    assert fit.columns == ("(Intercept)", "f[T.b]", "fb")


def test_an_aliased_column_is_told_in_the_names_of_the_system():
    fit = glm("y ~ x + x1 + f", D.assign(x1=1 - D["x"]), "poisson", compat="R")
    assert fit.estimate.aliased == {"x1": "= 1 - x"}
    assert np.isnan(fit.coef["x1"])


def test_ratios_name_the_baseline_of_the_system():
    notes = glm("y ~ x", D, "poisson", compat="stata").confint(eform=True).attrs["notes"]
    assert any(note.startswith("_cons:") for note in notes)


def test_ordered_factors_have_polynomials_in_r_alone():
    data = D.assign(o=pd.Categorical.from_codes(D["k"], list("abcd"), ordered=True))
    ours, by_word = (glm("y ~ o", data, "poisson", contrasts=word) for word in (None, "poly"))
    theirs = glm("y ~ o", data, "poisson", compat="R")
    assert theirs.columns == ("(Intercept)", "o.L", "o.Q", "o.C")
    np.testing.assert_allclose(theirs.coef, by_word.coef, rtol=1e-10)
    assert theirs.deviance == pytest.approx(ours.deviance, rel=1e-12)


# ---------------------------------------------------------------- what the call says goes first


def test_what_the_call_says_goes_before_the_preset():
    words: dict[str, Any] = {"family": "gamma", "link": "log", "compat": "sas"}
    chosen = glm("g ~ x + f", D, dispersion="pearson", vcov="eim", **words)
    assert chosen.dispersion == pytest.approx(gamma().dispersion, rel=1e-9)
    assert chosen.covariance.information == "expected"
    ours = glm("g ~ x + f", D, "gamma", link="log", contrasts={"f": [[1.0], [0.0]]})
    np.testing.assert_allclose(chosen.stderror(), ours.stderror(), rtol=1e-9)
    given = glmstat.Covariance("HC0", small_sample="sandwich")
    np.testing.assert_allclose(gamma("stata").stderror(given), gamma().stderror("HC0"), rtol=1e-12)


def test_a_preset_without_a_likelihood_takes_pearson():
    fit = glm("y ~ x", D, "quasipoisson", compat="sas")
    assert fit.estimate.dispersion.estimator == "pearson"
    assert np.isnan(fit.aic) and np.isnan(fit.bic) and np.isnan(fit.aicc)


def test_the_default_is_untouched():
    assert as_convention("glmstat") == Convention("glmstat")
    assert "conventions of" not in str(gamma())
    assert "conventions of SAS's PROC GENMOD" in str(gamma("sas"))


def test_drop1_and_step_compare_the_same_numbers_under_every_preset():
    for system in ("stata", "statsmodels"):
        np.testing.assert_allclose(gamma(system).drop1()["aic"], gamma().drop1()["aic"], rtol=1e-10)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_saved_fit_keeps_its_conventions(system: str, tmp_path: Path):
    fit = gamma(system)
    fit.save(tmp_path / "fit.safetensors")
    loaded = glmstat.load(tmp_path / "fit.safetensors")
    assert loaded.columns == fit.columns
    assert str(loaded) == str(fit)
    assert (loaded.aic, loaded.bic, loaded.loglik) == (fit.aic, fit.bic, fit.loglik)


def test_a_record_of_ones_own(tmp_path: Path):
    own = replace(CONVENTIONS["glmstat"], name="ours", title="our own", names="R", aic="per row")
    fit = glm("g ~ x + f", D, "gamma", link="log", compat=own)
    assert fit.columns == ("(Intercept)", "x", "fb")
    assert fit.aic == pytest.approx(gamma().aic / 40, rel=1e-12)
    fit.save(tmp_path / "fit.safetensors")
    assert glmstat.load(tmp_path / "fit.safetensors").convention == own
    assert set(gamma().explain_difference(own).moved) == {"aic"}


# ---------------------------------------------------------------- explain_difference


@pytest.mark.parametrize("here", ["glmstat", *SYSTEMS])
@pytest.mark.parametrize("there", ["glmstat", *SYSTEMS])
def test_the_numbers_there_are_those_of_the_preset(here: str, there: str):
    found, other = gamma(here).explain_difference(there), gamma(there)
    cells = dict(zip(found.index, found["there"], strict=True))
    for name in ("aic", "bic", "aicc", "loglik", "dispersion"):
        if name in cells:
            assert cells[name] == pytest.approx(getattr(other, name), rel=1e-8)
            assert cells[name] != pytest.approx(getattr(gamma(here), name), rel=1e-9)
        else:
            assert getattr(other, name) == pytest.approx(getattr(gamma(here), name), rel=1e-7)
    table = other.summary().to_frame()
    for word, column in {"se": "std_error", "conf_high": "conf_high", "p_value": "p_value"}.items():
        if f"{word} x" in cells:
            assert cells[f"{word} x"] == pytest.approx(table.loc["x", column], rel=1e-6)
    if here == there:
        assert len(found) == 0 and "nothing differs" in str(found)
    assert all(found["convention"])


def test_each_number_is_ascribed_to_what_moves_it():
    moved = gamma().explain_difference("statsmodels").moved
    assert moved["likelihood_dispersion"] == ("loglik", "aic", "aicc", "bic")
    assert moved["counts_dispersion"] == ("parameters", "aic", "aicc", "bic")
    assert set(moved) == {"likelihood_dispersion", "counts_dispersion", "wald", "wald_quantile"}
    stata = gamma().explain_difference("stata")
    ascribed = dict(zip(stata.index, stata["convention"], strict=True))
    assert ascribed["se x"] == "information"
    assert ascribed["p_value x"] == "information, wald"
    assert ascribed["conf_low x"] == "information, wald, wald_quantile"
    assert ascribed["aic"] == "likelihood_dispersion, counts_dispersion, aic"
    assert ascribed["bic"] == "bic"
    assert "se, wald, wald_quantile" in str(stata)


def test_levels_that_one_side_lacks_are_empty_there():
    found = gamma().explain_difference("sas")
    here, there = (dict(zip(found.index, found[side], strict=True)) for side in ("here", "there"))
    assert here["coef f[T.b]"] == pytest.approx(gamma().coef["f[T.b]"], rel=1e-12)
    assert there["coef f[T.b]"] is None and here["coef f a"] is None
    assert there["coef f a"] == pytest.approx(-here["coef f[T.b]"], rel=1e-8)
    assert "coef x" not in here
    frame = found.to_frame()
    assert frame["here"].dtype == frame["there"].dtype == np.float64
    assert found.to_dict()["rows"][0]["quantity"] == "coef Intercept"


def test_clusters_and_the_event():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewClustersWarning)
        fit = glm("r ~ x", D, "binomial", vcov="~c")
        found = fit.explain_difference("statsmodels")
        theirs = glm("r ~ x", D, "binomial", vcov="~c", compat="statsmodels")
    ascribed = dict(zip(found.index, found["convention"], strict=True))
    assert ascribed["coef x"] == "event"
    assert ascribed["se x"] == "cluster_factor"
    assert "modelled: P(r == 'yes') here, P(r == 'no') there" in str(found)
    cells = dict(zip(found.index, found["there"], strict=True))
    assert cells["se x"] == pytest.approx(theirs.stderror()["x"], rel=1e-8)


def test_a_covariance_taken_after_the_fit_is_explained():
    found = gamma().with_vcov("HC0").explain_difference("stata")
    ascribed = dict(zip(found.index, found["convention"], strict=True))
    assert ascribed["se x"] == "bread, row_factor"
    cells = dict(zip(found.index, found["there"], strict=True))
    assert cells["se x"] == pytest.approx(gamma("stata").stderror("HC0")["x"], rel=1e-9)


@pytest.mark.parametrize(
    ("formula", "words", "system", "text"),
    [
        ("y ~ x + offset(log(t))", {"family": "poisson"}, "statsmodels", "offset 0"),
        ("y ~ x + f", {"family": "poisson", "vcov": "HC3"}, "statsmodels", "prints HC0"),
        ("s/10 ~ x", {"family": "binomial", "weights": [10.0] * 40}, "statsmodels", "proportions"),
        ("y ~ 0 + x", {"family": "poisson"}, "statsmodels", "null deviance"),
        ("g ~ x", {"family": "gamma", "link": "log"}, "R", "drop1"),
        ("g ~ x", {"family": "gamma", "link": "log"}, "stata", "dispersion 1"),
        ("g ~ x", {"weights": "w"}, "stata", "aweights"),
        ("one ~ x", {"family": "binomial"}, "sas", "DESCENDING"),
    ],
)
def test_what_is_known_of_a_system(formula: str, words: dict[str, Any], system: str, text: str):
    fit = glm(formula, D.assign(one=(D["s"] > 5) * 1), **words)
    assert text in " ".join(" ".join(fit.explain_difference(system).notes).split())


def test_hc0_that_statsmodels_prints_for_hc3():
    notes = " ".join(glm("y ~ f + x", D, "poisson", vcov="HC3").explain_difference("statsmodels").notes)
    assert "0.1731 for x, where HC3 is 0.1953" in notes


def test_fits_without_rows_ask_for_them(tmp_path: Path):
    gamma().save(tmp_path / "fit.safetensors")
    loaded = glmstat.load(tmp_path / "fit.safetensors")
    assert loaded.explain_difference("R").moved == gamma().explain_difference("R").moved
    with pytest.raises(DataError, match="data"):
        loaded.explain_difference("sas")
    assert loaded.explain_difference("sas", data=D).moved == gamma().explain_difference("sas").moved


def test_streams(tmp_path: Path):
    D.to_parquet(tmp_path / "rows.parquet")
    control = glmstat.Control(memory=0)
    fit = glm("g ~ x + f", tmp_path / "rows.parquet", "gamma", link="log", control=control)
    for system in SYSTEMS:
        found, held = fit.explain_difference(system), gamma().explain_difference(system)
        assert found.index == held.index
        assert found["convention"] == held["convention"]
        theirs = glm(
            "g ~ x + f", tmp_path / "rows.parquet", "gamma", link="log", compat=system, control=control
        )
        np.testing.assert_allclose(theirs.stderror().to_numpy(), gamma(system).stderror(), rtol=1e-9)
        assert theirs.aic == pytest.approx(gamma(system).aic, rel=1e-10)


def test_polars_tables():
    polars = pytest.importorskip("polars")
    fit = glm("g ~ x", polars.from_pandas(D), "gamma", link="log")
    table = fit.explain_difference("statsmodels").to_frame()
    assert isinstance(table, polars.DataFrame)
    assert table.columns == ["quantity", "here", "there", "convention"]


def test_sampling_weights_keep_their_sandwich():
    fit = glm("g ~ x", D, "gamma", link="log", sampling_weights="w", compat="stata")
    ours = glm(
        "g ~ x",
        D,
        "gamma",
        link="log",
        sampling_weights="w",
        vcov=glmstat.Covariance("HC0", information="observed"),
    )
    np.testing.assert_allclose(fit.stderror(), ours.stderror().to_numpy() * np.sqrt(40 / 39), rtol=1e-10)
    found = glm("g ~ x", D, "gamma", link="log", sampling_weights="w").explain_difference("stata")
    assert "aic" not in found.index
    with pytest.raises(ComparisonError):
        _ = fit.aic


# ---------------------------------------------------------------- a parameter of the family that is estimated


@cache
def counts() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=150), "f": rng.choice(list("abc"), 150)})
    mu = np.exp(0.6 + 0.3 * data["x"])
    return data.assign(y=rng.negative_binomial(2.0, 2.0 / (2.0 + mu)), g=rng.gamma(2.0, mu))


def theta(compat: str = "glmstat", **words: Any) -> Fit:
    return glm("y ~ x + f", counts(), "negative_binomial", compat=compat, **words)


def test_theta_in_statas_glm_is_fixed_once_estimated():
    """[R] glm, family(nbinomial ml): "estimated via ML and treated as fixed once estimated"."""
    fit, ours = theta("stata"), theta()
    held = glm("y ~ x + f", counts(), f"negative_binomial({ours.shape.value!r})", compat="stata")
    np.testing.assert_allclose(fit.stderror(), held.stderror(), rtol=1e-6)
    n, k = 150, 4
    assert (fit.parameters, ours.parameters, held.parameters) == (k, k + 1, k)
    assert fit.loglik == pytest.approx(ours.loglik, rel=1e-12)
    assert fit.aic == pytest.approx((-2.0 * fit.loglik + 2.0 * k) / n, rel=1e-12)
    assert fit.bic == pytest.approx(fit.deviance - (n - k) * np.log(n), rel=1e-12)
    assert (fit.aic, fit.bic) == pytest.approx((held.aic, held.bic), rel=1e-8)
    assert fit.information_criteria().parameters == k
    assert "(4 parameters, theta not counted)" in str(fit)
    found = ours.explain_difference("stata")
    ascribed = dict(zip(found.index, found["convention"], strict=True))
    assert ascribed["parameters"] == "counts_shape" and ascribed["aic"] == "counts_shape, aic"
    assert ascribed["se x"] == "information"
    said = " ".join(" ".join(found.notes).split())
    assert 'nbreg does not: its standard errors are vcov="joint", estat ic after it counts theta' in said
    np.testing.assert_array_equal(fit.drop1()["aic"], ours.drop1()["aic"])


@pytest.mark.parametrize("system", ["glmstat", "R", "statsmodels", "sas"])
def test_a_formula_of_one_theta_gives_the_numbers_without_it(system: str):
    plain, one = theta(system), theta(system, predictors={"theta": "~ 1"})
    k = len(plain.columns)
    np.testing.assert_allclose(one.stderror().iloc[:k], plain.stderror(), rtol=1e-6)
    np.testing.assert_allclose(one.confint().iloc[:k], plain.confint(), rtol=1e-6)
    assert (one.aic, one.bic, one.parameters) == pytest.approx((plain.aic, plain.bic, plain.parameters))
    found = theta(predictors={"theta": "~ 1"}).explain_difference(system)
    usual = theta().explain_difference(system).to_frame()["there"]
    both = found.to_frame()["there"].reindex(usual.index)
    np.testing.assert_allclose(both, usual, rtol=1e-5, atol=1e-9)


def test_joint_is_no_covariance_of_several_formulas():
    with pytest.raises(ArgumentError, match='use "oim"'):
        theta(predictors={"theta": "~ 1"}, vcov="joint")
    one = theta(predictors={"theta": "~ 1"}, vcov="oim")
    np.testing.assert_allclose(one.stderror().iloc[:4], theta(vcov="joint").stderror(), rtol=1e-6)


def test_classical_after_the_fit_is_explained_as_classical():
    found, usual = theta(vcov="HC0").with_vcov("classical"), theta()
    for system in ("statsmodels", "sas"):
        one, other = found.explain_difference(system), usual.explain_difference(system)
        assert one.index == other.index
        assert one.to_frame()["there"].tolist() == pytest.approx(
            other.to_frame()["there"].tolist(), nan_ok=True
        )


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_say_what_has_a_formula_for_theta(system: str):
    notes = " ".join(theta(predictors={"theta": "~ x"}).explain_difference(system).notes)
    said = {"R": "glmmTMB", "stata": "gnbreg", "statsmodels": "no formula", "sas": "no formula"}[system]
    assert said in notes


# ---------------------------------------------------------------- records of one's own


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("aic", "foo", "sum, per row"),
        ("names", "spss", "glmstat, R"),
        ("counts_dispersion", 1, "True, False"),
        ("shape", None, "given, joint"),
        ("wald", ["t"], "t, normal"),
        ("name", 3, "must be a text"),
    ],
)
def test_words_that_a_record_does_not_know_are_refused(field: str, value: Any, known: str):
    with pytest.raises(ArgumentError, match=f"{field} of a Convention.*{known}"):
        replace(CONVENTIONS["R"], **{field: value})


def test_a_changed_record_says_what_is_changed():
    changed = replace(CONVENTIONS["R"], aic="per row", counts_shape=False)
    fit = glm("g ~ x + f", D, "gamma", link="log", compat=changed)
    assert "conventions of R's glm, changed: counts_shape=False, aic='per row'" in str(fit)
    assert "R's glm, changed: " in str(gamma().explain_difference(changed))
    assert replace(changed, title="ours").described == "ours"
    assert [record.changed for record in CONVENTIONS.values()] == [()] * 5


# ---------------------------------------------------------------- where there is nothing to explain by


def test_what_is_no_maximum_of_a_likelihood_says_so():
    for words in ({"method": "firth"}, {"method": "jeffreys"}, {"prior": "weak"}):
        fit = glm("y ~ x", D, "poisson", compat="stata", **words)
        assert "conventions of Stata's glm" in str(fit)
        with pytest.raises(ComparisonError, match="conventions are those of maximum likelihood"):
            fit.explain_difference("R")


@pytest.mark.parametrize("system", SYSTEMS)
def test_coefficients_at_infinity_are_compared(system: str):
    data = counts().assign(y=lambda rows: np.where(rows["f"] == "a", 0, rows["y"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for family in ("poisson", "negative_binomial"):
            fit = glm("y ~ x + f", data, family)
            theirs = glm("y ~ x + f", data, family, compat=system)
            found = fit.explain_difference(system)
            assert str(theirs) and str(found)
            cells = dict(zip(found.index, found["there"], strict=True))
            if system == "sas":
                assert cells["coef Intercept"] == pytest.approx(theirs.coef["Intercept"], rel=1e-7)
            if "se x" in cells:
                assert cells["se x"] == pytest.approx(theirs.stderror()["x"], rel=1e-7, nan_ok=True)


@pytest.mark.parametrize("system", ["stata", "sas"])
def test_a_covariance_that_is_not_defined_there_is_said(system: str):
    fit = glm("g ~ x | f", counts(), "gamma", link="log")
    with pytest.warns(CovarianceWarning, match="No standard errors"):
        theirs = glm("g ~ x | f", counts(), "gamma", link="log", compat=system)
    assert np.isnan(theirs.stderror()["x"]) and "not defined beside the absorbed f" in str(theirs)
    found = fit.explain_difference(system)
    cells = dict(zip(found.index, found["there"], strict=True))
    assert np.isnan(cells["se x"])
    assert any(note.startswith("no standard errors there: ") for note in found.notes)


def test_the_bic_of_the_deviance_is_none_where_there_is_no_likelihood():
    for words in ({"sampling_weights": "w"}, {"dispersion": 2.0}):
        fit = glm("y ~ x", D, "poisson", compat="stata", **words)
        with pytest.raises(ComparisonError):
            _ = fit.bic
    assert np.isnan(glm("y ~ x", D, "quasipoisson", compat="stata").bic)


def test_rows_of_weight_0_and_frequencies_are_remarked():
    data = D.assign(zero=np.tile([0, 1, 2, 1], 10))
    fit = glm("y ~ x", data, "poisson", weights="zero")
    assert any("BIC() counts the rows of weight 0" in note for note in fit.explain_difference("R").notes)
    kept = glm("y ~ x", data, "poisson", weights="w").explain_difference("R")
    assert not any("weight 0" in note for note in kept.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewClustersWarning)
        counted = glm("y ~ x", data, "poisson", freq_weights="zero", vcov="~c")
        assert any(
            "counts rows, not frequencies" in note for note in counted.explain_difference("statsmodels").notes
        )
