"""An information with a large diagonal block: the same numbers as numpy's dense ones."""

import numpy as np
import pandas as pd
import pytest

from glmstat import Control, glm, load
from glmstat.eliminated import Eliminated, exclusive
from glmstat.information import BorderedInformation, DenseInformation, Scaling
from glmstat.solve.linear import factor, positive_direction
from glmstat.solve.rank import full_rank

RNG = np.random.default_rng(11)
ROWS = 4_000


def dummies(levels):
    return (RNG.integers(0, levels, ROWS)[:, None] == np.arange(1, levels)).astype(float)


def design(*, first=True, levels=90):
    """An intercept, numbers and three factors, of which the largest stands in the middle."""
    parts = [dummies(7), dummies(levels), RNG.normal(size=(ROWS, 2)), dummies(40)]
    return np.column_stack([np.ones(ROWS), *parts] if first else parts[1:])


def gram(columns, size=None):
    rows = columns * np.sqrt(RNG.gamma(2.0, 1.0, ROWS))[:, None]
    product = rows.T @ rows
    return product if size is None else product * np.outer(size, size)


@pytest.mark.parametrize(("first", "run"), [(True, slice(7, 96)), (False, slice(0, 89))])
def test_the_root_is_that_of_the_whole_matrix(first, run):
    J = gram(design(first=first))
    size = 2.0 ** RNG.integers(-90, 90, len(J))
    J = J * np.outer(size, size)
    found = factor(J)
    assert isinstance(found.root, Eliminated)
    assert found.root.run == run
    scale = np.sqrt(np.diag(J))
    unit = J / scale / scale[:, None]
    inverse = np.linalg.inv(unit) / scale / scale[:, None]
    right = RNG.normal(size=len(J)) * scale
    np.testing.assert_allclose(found.solve(right) * scale, np.linalg.solve(unit, right / scale), rtol=1e-9)
    several = RNG.normal(size=(len(J), 3)) * scale[:, None]
    for column, solved in zip(several.T, found.solve(several).T, strict=True):
        np.testing.assert_allclose(solved, found.solve(column), rtol=1e-9, atol=1e-12 / scale.max())
    np.testing.assert_allclose(found.root.sizes(), np.sqrt(np.diag(inverse)), rtol=1e-12)
    half = found.root.inverse() * scale[:, None]
    np.testing.assert_allclose(half @ half.T, np.linalg.inv(unit), rtol=1e-8, atol=1e-10)
    root = found.triangle
    assert not np.tril(root, -1).any()
    np.testing.assert_allclose(root.T @ root / np.outer(scale, scale), unit, atol=1e-13)
    assert np.log(found.pivots / scale**2).sum() == pytest.approx(np.linalg.slogdet(unit)[1])
    assert np.linalg.norm(found.root.times(1 / scale)) == pytest.approx(np.sqrt(unit.sum()))


def test_the_condition_is_that_of_the_whole_matrix():
    J = gram(design(first=False))
    size = np.sqrt(np.diag(J))
    assert factor(J).rcond == pytest.approx(1 / np.linalg.cond(J / np.outer(size, size), 1), rel=0.5)


def test_the_intercept_is_swept_out_of_a_bad_condition():
    J = gram(design(levels=2_000))[:700, :700]
    J += np.eye(700)
    J[0, 0] = (J[0, 1:] ** 2 / np.diag(J)[1:]).max() * 2.1
    J[0, 0] = max(J[0, 0], (1 + 1e-5) * J[0, 1:] @ np.linalg.solve(J[1:, 1:], J[0, 1:]))
    swept = J[1:, 1:] - np.outer(J[0, 1:], J[0, 1:]) / J[0, 0]
    size, whole = np.sqrt(np.diag(swept)), np.sqrt(np.diag(J))
    rcond = factor(J).rcond
    assert 1 / np.linalg.cond(J / np.outer(whole, whole), 1) < 1e-4
    assert rcond == pytest.approx(1 / np.linalg.cond(swept / np.outer(size, size), 1), rel=0.5)


def test_levels_that_a_column_adds_up_have_no_full_rank():
    columns = design()
    columns[:, -1] = columns[:, 10] + columns[:, 20]
    J = gram(columns)
    assert factor(J) is None or not full_rank(J)
    assert full_rank(gram(design()))


def test_what_has_no_root():
    J = gram(design())
    J[3, 3] = -1.0
    assert factor(J) is None
    columns = design(first=False)
    columns[:, 4] = 0.0
    assert factor(gram(columns)) is None


def test_runs_of_columns_that_exclude_each_other():
    assert exclusive(gram(design(levels=20))) == slice(28, 67)
    assert exclusive(gram(RNG.normal(size=(ROWS, 80)))) is None
    met = np.eye(80)
    met[5, 50] = met[50, 5] = 0.1
    assert exclusive(met) == slice(6, 80)
    np.testing.assert_allclose(factor(np.diag(np.arange(1.0, 81.0))).solve(np.ones(80)), 1 / np.arange(1, 81))


def test_directions_of_an_information_that_is_not_positive():
    J = gram(design())
    observed = J - 1.5 * np.diag(np.r_[0.0, np.diag(J)[1:4], np.zeros(len(J) - 4)])
    score = RNG.normal(size=len(J))
    direction, name = positive_direction(J, observed, score)
    assert name == "modified"
    assert score @ direction > 0


def test_the_information_says_the_same_in_both_forms():
    J = gram(design())
    count = len(J)
    scaling = Scaling(2.0 ** RNG.integers(-3, 3, count), 0, np.r_[0.0, RNG.normal(size=count - 1)])
    slots = np.delete(np.arange(count + 2), [3, count])
    bordered = BorderedInformation(factor(J).root, scaling, slots, count + 2)
    plain = DenseInformation(np.linalg.cholesky(J).T, scaling.dense(), slots, count + 2)
    same = DenseInformation(bordered.root, bordered.transform, slots, count + 2)
    for other in (plain, same):
        for word in ("inverse", "matrix"):
            wanted = getattr(other, word)()
            np.testing.assert_allclose(
                getattr(bordered, word)(), wanted, rtol=1e-8, atol=1e-11 * np.nanmax(np.abs(wanted))
            )
    half = bordered.inverse_root
    np.testing.assert_allclose(bordered.sizes, np.sqrt(np.diag(plain.inverse())), rtol=1e-11)
    np.testing.assert_allclose(bordered.sizes, np.linalg.norm(half, axis=1), rtol=1e-12)
    np.testing.assert_allclose(bordered.lengths(), plain.lengths(), rtol=1e-11)
    assert np.isnan(bordered.sizes[[3, count]]).all()


@pytest.fixture(scope="module")
def data():
    rows = 60_000
    codes = RNG.integers(0, 120, rows)
    x, z = RNG.normal(size=(2, rows))
    mean = np.exp(0.3 * x + 0.2 * RNG.normal(size=120)[codes])
    y = mean * RNG.gamma(2.0, 0.5, rows)
    c = pd.Categorical.from_codes(codes, [f"c{k:03}" for k in range(120)])
    return pd.DataFrame({"y": y, "x": x, "z": 1e4 + z, "c": c, "half": pd.Categorical(codes % 50)})


@pytest.mark.parametrize("solver", ["newton", "ladder"])
def test_standard_errors_need_no_covariance(data, solver, tmp_path):
    fit = glm("y ~ x + z + c", data, "gamma", link="log", control=Control(solver=solver, memory=0))
    assert isinstance(fit.estimate.information, BorderedInformation)
    errors, words = fit.stderror().to_numpy(), fit.stderror().attrs
    assert not fit.kept
    columns = np.column_stack(
        [np.ones(len(data)), data["x"], data["z"] - 1e4, pd.get_dummies(data["c"]).to_numpy(float)[:, 1:]]
    )
    inverse = np.linalg.inv(columns.T @ columns)
    wanted = np.sqrt(fit.dispersion * np.diag(inverse))
    np.testing.assert_allclose(errors[1:], wanted[1:], rtol=1e-9)
    np.testing.assert_allclose(errors, np.sqrt(np.diag(fit.vcov())), rtol=1e-12)
    np.testing.assert_array_equal(fit.stderror(), errors)
    assert fit.stderror().attrs == words
    fit.save(tmp_path / "fit.safetensors")
    np.testing.assert_allclose(load(tmp_path / "fit.safetensors").stderror(), errors, rtol=1e-12)


def test_aliased_levels_are_found(data):
    fit = glm("y ~ x + c + half", data, "gamma", link="log", control=Control(memory=0))
    plain = glm("y ~ x + c", data, "gamma", link="log", control=Control(memory=0))
    kept = [name for name in fit.columns if not name.startswith("half")]
    assert len(fit.estimate.aliased) == 49
    np.testing.assert_allclose(fit.coef[kept], plain.coef, rtol=1e-9)
    np.testing.assert_allclose(fit.stderror()[kept], plain.stderror(), rtol=1e-9)
    assert fit.stderror().isna().sum() == 49
