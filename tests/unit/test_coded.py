"""Columns that stay codes, against the same columns written out and multiplied by numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import glmstat.gram
from glmstat import Control, glm
from glmstat.coded import Coding, is_coded
from glmstat.families import Poisson
from glmstat.gram import Products, level_gram
from glmstat.likelihood.base import GLM
from glmstat.matrix import Columns, Constant, Dense, Factor, Numeric, Part, Product, Wide
from glmstat.pieces import Split, times
from glmstat.solve.scaling import open_workspace
from tests.unit.framed import framed

RNG = np.random.default_rng(12)
N = 9_000
X = RNG.normal(size=N)
FEW, SOME, MANY = (RNG.integers(0, levels, N) for levels in (4, 20, 60))
SUM = np.vstack([np.eye(19), -np.ones(19)])
TREATMENT = Factor(SOME, np.eye(20)[:, 1:])
FULL = Factor(MANY.astype(np.int16), np.eye(60))
SUMMED = Factor(SOME, SUM)
SHORT = Factor(FEW, np.eye(4)[:, 1:])
DESIGNS: dict[str, tuple[Part, ...]] = {
    "treatment": (Constant(), Numeric(X), TREATMENT),
    "two factors": (Constant(), TREATMENT, Numeric(X), FULL),
    "contrasts": (Constant(), SUMMED, FULL, Wide(np.vstack([X, X**2, X**3, np.cos(X)]))),
    "slopes": (TREATMENT, Numeric(X), Product((Numeric(X), FULL)), Product((TREATMENT, Numeric(X)))),
    "basis": (Constant(), Product((Wide(np.vstack([X, X**2])), SUMMED)), SHORT),
    "crossed": (Constant(), SHORT, Product((SHORT, TREATMENT)), Product((SUMMED, SHORT, Numeric(X)))),
    "codes only": (FULL, SUMMED),
}


@pytest.fixture(params=DESIGNS)
def matrix(request: pytest.FixtureRequest) -> Columns:
    return Columns(N, DESIGNS[request.param])


def written(matrix: Columns) -> np.ndarray:
    return matrix.dense().to_array()


def gram(
    split: Split, weights: np.ndarray, gradient: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    products = Products(split.plain, 2048, 1)
    for rows, pieces in split.runs(N, 2048):
        products.add(pieces, None if gradient is None else gradient[rows], weights[rows])
    if not split.coded:
        return products.grams[0], products.score
    return level_gram(split, weights, products.grams[0]).matrix(), products.score


def test_factors_of_many_levels_stay_codes():
    assert is_coded(TREATMENT)
    assert is_coded(Product((SHORT, TREATMENT)))
    assert is_coded(Product((SHORT, Factor(FEW, np.eye(4)), Factor(FEW, np.eye(4)))))
    assert not is_coded(SHORT)
    assert not is_coded(Product((Numeric(X), SHORT)))
    assert not is_coded(Product((Numeric(X), Numeric(X))))


def test_products(matrix: Columns):
    out = written(matrix)
    beta, v, w = RNG.normal(size=out.shape[1]), RNG.normal(size=N), RNG.random(N)
    root = RNG.normal(size=(out.shape[1], 5))
    np.testing.assert_allclose(matrix.dot(beta), out @ beta, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(matrix.dot(root), out @ root, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(matrix.transpose_dot(v), out.T @ v, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(matrix.transpose_dot(out[:, :2]), out.T @ out[:, :2], rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(matrix.sandwich(w), (out.T * w) @ out, rtol=1e-10, atol=1e-9)
    other = Dense(np.vstack([v, w]))
    cross = (out.T * w) @ np.column_stack([v, w])
    np.testing.assert_allclose(matrix.sandwich(w, other), cross, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(matrix.row_norms(root), ((out @ root) ** 2).sum(axis=1), rtol=1e-10)


def test_weights_of_both_signs(matrix: Columns):
    out, w = written(matrix), RNG.normal(size=N)
    w[::7] = 0.0
    found, _ = gram(matrix.split(), w)
    np.testing.assert_allclose(found, (out.T * w) @ out, rtol=1e-9, atol=1e-9)


def test_centred_and_scaled(matrix: Columns):
    out, w = written(matrix), RNG.random(N)
    centre, scale = RNG.normal(size=out.shape[1]), 2.0 ** RNG.integers(-3, 4, out.shape[1])
    moved = (out - centre) * scale
    np.testing.assert_allclose(
        gram(matrix.split(centre, scale), w)[0], (moved.T * w) @ moved, rtol=1e-9, atol=1e-8
    )
    scaled = out * scale
    found = gram(matrix.split(0.0 * centre, scale), w)[0]
    np.testing.assert_allclose(found, (scaled.T * w) @ scaled, rtol=1e-9, atol=1e-8)


def test_some_of_the_columns(matrix: Columns):
    out, w = written(matrix), RNG.random(N)
    places = np.flatnonzero(RNG.random(out.shape[1]) < 0.7)
    split = matrix.take(None, places).split()
    assert bool(split.coded) == bool(matrix.split().coded)
    kept = out[:, places]
    np.testing.assert_allclose(gram(split, w)[0], (kept.T * w) @ kept, rtol=1e-10, atol=1e-9)
    turned = matrix.take(None, places[::-1]).split()
    np.testing.assert_allclose(
        gram(turned, w)[0], (kept[:, ::-1].T * w) @ kept[:, ::-1], rtol=1e-10, atol=1e-9
    )


def test_very_wide_pairs_are_kept_sparse(matrix: Columns, monkeypatch: pytest.MonkeyPatch):
    w = RNG.random(N)
    dense = gram(matrix.split(), w)[0]
    monkeypatch.setattr(glmstat.gram, "CROSS_CELLS", 100)
    split = matrix.split()
    half = level_gram(split, w / 2, np.zeros((split.plain, split.plain)))
    np.testing.assert_allclose(gram(split, w)[0], dense, rtol=1e-11, atol=1e-10)
    np.testing.assert_allclose((half + half).own[0], level_gram(split, w, half.plain).own[0], rtol=1e-13)


def test_the_score_is_a_part_of_the_product():
    matrix = Columns(N, (Constant(), Wide(np.vstack([X, X**2, X**3, np.cos(X)]))))
    out, weights, gradient = written(matrix), RNG.random(N), RNG.normal(size=N)
    for low in (0.5, 0.0):  # a weight of 0 leaves the score its own product
        weights[3] = low
        found, score = gram(matrix.split(), weights, gradient)
        np.testing.assert_allclose(score, out.T @ gradient, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found, (out.T * weights) @ out, rtol=1e-11)


def test_columns_of_one_array_are_read_where_they_lie():
    frame = np.asfortranarray(RNG.normal(size=(N, 6)))
    matrix = Columns(N, (Constant(), *(Numeric(column) for column in frame.T)))
    pieces = next(rows_and_pieces for rows_and_pieces in matrix.split().runs(N, 1000))[1]
    assert [np.shares_memory(piece.values, frame) for piece in pieces] == [False, True]
    np.testing.assert_allclose(times(np.ones(7), pieces), 1.0 + frame[:1000].sum(axis=1), rtol=1e-12)


def test_coding_of_indicators_and_its_matrix_agree():
    chosen, beta = np.array([3, 0, 2]), RNG.normal(size=3)
    plain = Coding(4, chosen)
    matrix = Coding(4, None, np.eye(4)[:, chosen])
    sums, last = RNG.normal(size=(4, 2)), np.array([1, 2])
    np.testing.assert_array_equal(plain.levelled(beta), matrix.levelled(beta))
    np.testing.assert_array_equal(plain.collected(sums), matrix.collected(sums))
    np.testing.assert_array_equal(plain.take(last).levelled(beta[1:]), matrix.take(last).levelled(beta[1:]))


DATA = pd.DataFrame(
    {
        "y": RNG.poisson(np.exp(0.2 * np.tile(X, 5) + 0.01 * np.tile(MANY, 5))).astype(float),
        "x": np.tile(X, 5),
        "f": pd.Categorical.from_codes(np.tile(MANY, 5), pd.Index([f"l{k}" for k in range(60)])),
        "g": pd.Categorical.from_codes(np.tile(SOME, 5), pd.Index([f"m{k}" for k in range(20)])),
    }
)


def test_a_pass_over_codes_equals_one_over_written_columns():
    frame = framed("y ~ x*g + f", DATA)
    assert frame.large
    workspace = open_workspace(frame, GLM(Poisson()))
    design = np.vstack([block.X[0].to_array() for block in frame.blocks()])
    gamma, delta = RNG.normal(scale=0.01, size=design.shape[1]), RNG.normal(scale=1e-9, size=design.shape[1])
    assert not workspace.centre.any() and (workspace.scale == 1.0).all()
    sums, eta = workspace.pass_(gamma, "both"), design @ gamma
    assert sums.expected is not None
    y = DATA["y"].to_numpy()
    np.testing.assert_allclose(sums.score, design.T @ (y - np.exp(eta)), rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(sums.expected, (design.T * np.exp(eta)) @ design, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(sums.objective, np.sum(y * eta - np.exp(eta)), rtol=1e-12)
    extremes = workspace.extremes(gamma, delta, "none")
    assert extremes.step == pytest.approx(np.abs(design @ delta).max(), rel=1e-11)
    assert extremes.eta == pytest.approx(np.abs(eta).max(), rel=1e-12)
    assert extremes.terms == pytest.approx((np.abs(design) @ np.abs(gamma)).max(), rel=1e-12)


def test_threads_leave_the_bits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: 4096)
    frame = framed("y ~ x*g + f", DATA)
    gamma, likelihood = np.full(len(frame.columns), 0.01), GLM(Poisson())
    frames = (replace(frame, workers=workers) for workers in (1, 2, 8))
    one, *others = (open_workspace(own, likelihood).pass_(gamma, "both") for own in frames)
    assert one.expected is not None
    for other in others:
        np.testing.assert_array_equal(other.score, one.score)
        assert other.expected is not None
        np.testing.assert_array_equal(other.expected, one.expected)


@pytest.mark.parametrize("contrast", ["treatment", "sum"])
def test_a_fit_of_sorted_rows_equals_one_of_shuffled_rows(contrast: str, monkeypatch: pytest.MonkeyPatch):
    """The first block has one level: its column must not be centred."""
    monkeypatch.setattr("glmstat.frame.block_rows", lambda columns: 512)
    orders = DATA.sort_values(["f", "g"]), DATA.sample(frac=1.0, random_state=1)
    tight = Control(tolerance=1e-12)
    one, other = (
        glm("y ~ x + f + x:g", data, "poisson", contrasts=contrast, control=tight) for data in orders
    )
    np.testing.assert_allclose(one.coef.squeeze(), other.coef.squeeze(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(one.stderror().squeeze(), other.stderror().squeeze(), rtol=1e-7)
