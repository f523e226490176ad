import numpy as np
import pytest

from glmstat.information import DenseInformation
from glmstat.solve.linear import factor, positive_direction
from glmstat.triangular import cholesky, reciprocal_condition, triangle, triangular_inverse

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(40, 5))
GRAM = ROWS.T @ ROWS


def test_triangle_of_few_and_many_rows():
    for rows in (ROWS, ROWS[:3]):
        root = triangle(rows)
        assert root.shape == (5, 5)
        np.testing.assert_allclose(root.T @ root, rows.T @ rows, atol=1e-12)


def test_factor_survives_columns_of_any_size():
    size = np.array([1e-150, 1e150, 1.0, 1e-3, 1e60])
    found = factor(GRAM * np.outer(size, size))
    assert found is not None
    np.testing.assert_allclose(found.solve(GRAM @ np.ones(5) * size) * size, 1.0, rtol=1e-10)
    assert found.rcond == pytest.approx(factor(GRAM).rcond, rel=1e-6)


def test_what_has_no_factor():
    assert factor(GRAM - 2 * np.diag(np.diag(GRAM))) is None
    assert factor(np.full((2, 2), np.nan)) is None
    assert cholesky(-np.eye(2)) is None
    assert triangular_inverse(np.zeros((2, 2))) is None
    assert factor(np.zeros((0, 0))).solve(np.zeros(0)).shape == (0,)


def test_reciprocal_condition():
    root = np.diag([1.0, 1e-3])
    assert reciprocal_condition(root, 1.0) == pytest.approx(1e-6)


def test_a_saddle_still_gives_an_ascent_direction():
    expected, observed = np.eye(3), np.diag([1.0, -0.5, 1e-6])
    score = np.array([0.3, 0.2, -0.1])
    direction, name = positive_direction(expected, observed, score)
    assert name == "modified"
    assert score @ direction > 0


def test_information_maps_back_to_the_columns():
    transform = np.array([[1.0, -3.0], [0.0, 0.5]])
    root = np.array([[2.0, 0.3], [0.0, 1.5]])
    information = DenseInformation(root, transform, np.array([0, 2]), 3)
    expected = transform @ np.linalg.inv(root.T @ root) @ transform.T
    inverse = information.inverse()
    np.testing.assert_allclose(inverse[np.ix_([0, 2], [0, 2])], expected, rtol=1e-12)
    assert np.isnan(inverse[1]).all() and np.isnan(inverse[:, 1]).all()
    np.testing.assert_allclose(
        information.matrix()[np.ix_([0, 2], [0, 2])], np.linalg.inv(expected), rtol=1e-12
    )
