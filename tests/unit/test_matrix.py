import numpy as np
import pytest

from glmstat.matrix import Block, Columns, Constant, Dense, Factor, Numeric, Product, Wide

RNG = np.random.default_rng(7)
N = 5000
X = RNG.normal(size=N)
COUNTS = RNG.integers(0, 9, size=N)
CODES = RNG.integers(0, 3, size=N)
TREATMENT = np.eye(3)[:, 1:]
FACTOR = Factor(CODES, TREATMENT)
PARTS = (
    Constant(),
    Numeric(X),
    Numeric(COUNTS),
    FACTOR,
    Wide(np.vstack([X**2, X**3])),
    Product((FACTOR, Wide(np.vstack([X, X**2])))),
)
DUMMIES = np.column_stack([CODES == 1, CODES == 2]).astype(float)
EXPECTED = np.column_stack(
    [np.ones(N), X, COUNTS, DUMMIES, X**2, X**3, DUMMIES * X[:, None], DUMMIES * X[:, None] ** 2]
)
MATRICES = {
    "columns": Columns(N, PARTS),
    "dense": Columns(N, PARTS).dense(),
}


@pytest.fixture(params=MATRICES)
def matrix(request):
    return MATRICES[request.param]


def test_columns_are_written_side_by_side_with_the_first_part_fastest(matrix):
    np.testing.assert_array_equal(matrix.to_array(), EXPECTED)
    assert matrix.shape == EXPECTED.shape


def test_products(matrix):
    beta, v, w = RNG.normal(size=EXPECTED.shape[1]), RNG.normal(size=N), RNG.random(N)
    np.testing.assert_allclose(matrix.dot(beta), EXPECTED @ beta, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(matrix.transpose_dot(v), EXPECTED.T @ v, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(matrix.sandwich(w), EXPECTED.T * w @ EXPECTED, rtol=1e-11, atol=1e-12)
    other = Dense(np.vstack([v, w]))
    np.testing.assert_allclose(
        matrix.sandwich(w, other), EXPECTED.T * w @ np.column_stack([v, w]), rtol=1e-11, atol=1e-12
    )


def test_several_right_sides(matrix):
    beta, v = RNG.normal(size=(EXPECTED.shape[1], 2)), RNG.normal(size=(N, 3))
    np.testing.assert_allclose(matrix.dot(beta), EXPECTED @ beta, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(matrix.transpose_dot(v), EXPECTED.T @ v, rtol=1e-10, atol=1e-10)


def test_row_norms(matrix):
    root = np.tril(RNG.normal(size=(EXPECTED.shape[1],) * 2))
    expected = np.einsum("ij,jk,ik->i", EXPECTED, root @ root.T, EXPECTED)
    np.testing.assert_allclose(matrix.row_norms(root), expected, rtol=1e-10, atol=1e-10)


def test_taking_rows_and_columns(matrix):
    places, mask = np.array([4, 0, 7]), X > 0.5
    np.testing.assert_array_equal(matrix.take(None, places).to_array(), EXPECTED[:, places])
    np.testing.assert_array_equal(matrix.take(mask, places).to_array(), EXPECTED[mask][:, places])


def test_a_block_names_its_source_rows():
    empty = np.zeros(4)
    running = Block(0, (), empty, empty[:, None], empty, start=100)
    kept = Block(0, (), empty, empty[:, None], empty, rows=np.array([3, 5, 8, 13]))
    assert running.source_rows(np.array([1, 3])).tolist() == [101, 103]
    assert kept.source_rows(np.array([False, True, False, True])).tolist() == [5, 13]
    assert Block(0, (), empty, empty[:, None], empty + 2.0, frequency=empty + 3.0).total.tolist() == [6.0] * 4
