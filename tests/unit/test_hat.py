"""Hat values against R, and by their laws: repetition, separation, weights of 0, several blocks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glmstat
from glmstat import glm
from glmstat.errors import ArgumentError, BoundaryWarning, SeparationWarning
from glmstat.inference.hat import defined, hat_values
from tests.unit.sample import frame
from tests.unit.test_robust import CASES, fit_of

R = json.loads((Path(__file__).parents[1] / "reference" / "inference" / "robust.json").read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("zero", "repeated"))])
def test_values_are_those_of_r(name: str) -> None:
    np.testing.assert_allclose(hat_values(fit_of(name)).values, R[name]["hat"], rtol=1e-11)


def test_a_row_of_weight_0_has_none() -> None:
    fit = fit_of("zero_weights")
    found = hat_values(fit).values
    used = fit.frame.block(0).total > 0
    assert (found[~used] == 0).all()
    np.testing.assert_allclose(found[used], R["zero_weights"]["hat"], rtol=1e-11)


@pytest.mark.parametrize("name", ["repeated", "repeated_gamma"])
def test_a_frequency_is_repeated_rows(name: str) -> None:
    fit = fit_of(name)
    times = fit.frame.block(0).frequency.astype(int)
    np.testing.assert_allclose(np.repeat(hat_values(fit).values, times), R[name]["hat"], rtol=1e-11)


def test_they_sum_to_the_rank() -> None:
    for name in ("poisson", "gamma_weighted", "trials"):
        fit = fit_of(name)
        assert hat_values(fit).values.sum() == pytest.approx(fit.estimate.rank, rel=1e-13)


def test_aliased_columns_change_nothing() -> None:
    data = frame().assign(twice=lambda d: 2 * d.x)
    one, two = (glm(formula, data, "poisson") for formula in ("y ~ x", "y ~ x + twice"))
    np.testing.assert_allclose(hat_values(two).values, hat_values(one).values, rtol=1e-12)


def test_rows_that_separation_predicts_have_none() -> None:
    data = frame().assign(y=lambda d: np.where(d.f == "c", 0, d.y))
    with pytest.warns(SeparationWarning):
        fit = glm("y ~ x + f", data, "poisson")
    found, far = hat_values(fit).values, (data.f == "c").to_numpy()
    finite = glm("y ~ x + f", data[~far], "poisson")
    assert (found[far] == 0).all()
    np.testing.assert_allclose(found[~far], hat_values(finite).values, rtol=1e-10)


def test_a_level_of_one_row_has_1() -> None:
    data = frame().assign(f=lambda d: np.where(np.arange(len(d)) == 7, "z", d.f))
    assert hat_values(glm("y ~ x + f", data, "poisson")).values[7] == 1.0


def test_a_boundary_is_refused() -> None:
    x = [0.8, 0.9, 2.4, 0.3, 1.8, 2.2, 0.6, 0.2, 0.8, 2.0, 1.7, 0.5]
    with pytest.warns(BoundaryWarning):
        fit = glm("b ~ x", {"x": x, "b": [0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0]}, "binomial", link="log")
    refused = "not defined where a mean lies at the boundary of its domain. "
    for verb, remedy in (
        (lambda: hat_values(fit), 'Take influence().deletion("exact").'),
        (lambda: fit.residuals("pearson", standardized=True), "Leave standardized= out."),
        (lambda: fit.bootstrap(9, resample="residual", seed=1), 'Use resample="case".'),
        (lambda: fit.vcov("HC3"), 'Use "HC0" or "jackknife".'),
    ):
        with pytest.raises(ArgumentError, match=re.escape(refused + remedy)):
            verb()


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hat_values(glm("y ~ x + f", frame(40), "poisson")).values
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: 7)
    fit = glm("y ~ x + f", frame(40), "poisson")
    assert fit.frame.count == 6
    np.testing.assert_allclose(hat_values(fit).values, whole, rtol=1e-12)


def test_a_model_without_columns_has_0() -> None:
    assert (hat_values(glm("y ~ 0", frame(), "poisson")).values == 0).all()


def test_saved_fits_need_their_rows(tmp_path: Path) -> None:
    data = frame()
    fit = glm("y ~ x", data, "poisson")
    fit.save(tmp_path / "fit")
    again = glmstat.load(tmp_path / "fit")
    with pytest.raises(glmstat.DataError, match="Hat values needs the rows"):
        hat_values(again)
    np.testing.assert_array_equal(hat_values(again, data).values, hat_values(fit).values)


def test_several_predictors_are_refused() -> None:
    class Two:
        predictors = (0, 1)

    fake: Any = type("Fake", (), {"spec": type("Spec", (), {"design": Two})})
    with pytest.raises(ArgumentError, match="HC3: defined for models with one predictor, this one has 2"):
        defined(fake, "HC3", "Use another.")
