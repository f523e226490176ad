import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from glmstat.errors import ArgumentError, DomainError
from glmstat.solve.estimate import fit_estimate
from glmstat.solve.null import null_intercept
from glmstat.solve.rank import settle_rank
from glmstat.solve.scaling import open_workspace
from glmstat.solve.separation import separating_direction
from tests.unit.rows import Rows, likelihood

RNG = np.random.default_rng(11)
N = 60
X = np.column_stack([np.ones(N), RNG.normal(size=N), RNG.normal(size=N)])
OFFSET = RNG.normal(size=N)
MEAN = np.exp(0.3 + 0.4 * X[:, 1] + 0.5 * OFFSET)
RESPONSES = {
    "poisson": RNG.poisson(MEAN),
    "gamma": RNG.gamma(2.0, MEAN / 2.0),
    "gaussian": MEAN + RNG.normal(size=N),
    "binomial": RNG.random(N) < 0.4,
    "inverse_gaussian": RNG.wald(MEAN, 2.0),
    "negative_binomial(2)": RNG.poisson(RNG.gamma(2.0, MEAN / 2.0)),
    "tweedie(1.5)": np.where(RNG.random(N) < 0.3, 0.0, RNG.gamma(2.0, MEAN)),
}
OFFSET_PAIRS = [
    ("poisson", "log"),
    ("gamma", "log"),
    ("gaussian", "identity"),
    ("inverse_gaussian", "log"),
    ("tweedie(1.5)", "log"),
    ("binomial", "logit"),
    ("binomial", "probit"),
    ("binomial", "cloglog"),
    ("negative_binomial(2)", "log"),
    ("gaussian", "log"),
]


@pytest.mark.parametrize(("family", "link"), OFFSET_PAIRS)
def test_null_intercept_maximises_the_objective(family, link):
    model, y = likelihood(family, link), np.asarray(RESPONSES[family], float)
    workspace = open_workspace(Rows(X, y, OFFSET), model)
    found = null_intercept(workspace, workspace.counts(), has_offset=True)

    def loss(b):
        return -model.rows(y, OFFSET[:, None] + b, np.ones(N), information="none").objective.sum()

    best = minimize_scalar(loss, bracket=(found - 1, found + 1), options={"xtol": 1e-10})
    assert found == pytest.approx(best.x, abs=2e-6)
    gradient = model.rows(y, OFFSET[:, None] + found, np.ones(N), information="none").gradient.sum()
    assert abs(gradient) < 1e-9 * N


@pytest.mark.parametrize(("family", "link"), OFFSET_PAIRS)
def test_score_is_zero_at_the_estimate(family, link):
    model, y = likelihood(family, link), np.asarray(RESPONSES[family], float)
    estimate = fit_estimate(Rows(X, y, OFFSET), model)
    assert estimate.convergence.status == "converged"
    rows = model.rows(y, (X @ estimate.coef + OFFSET)[:, None], np.ones(N), information="expected")
    errors = np.sqrt(np.diag(estimate.information.inverse()))
    assert np.abs(X.T @ rows.gradient[:, 0] * errors).max() < 1e-7
    information = (X * rows.expected[:, 0]).T @ X
    np.testing.assert_allclose(estimate.information.inverse(), np.linalg.inv(information), rtol=1e-9)
    np.testing.assert_allclose(estimate.information.matrix(), information, rtol=1e-9)


def test_blocks_and_threads_do_not_matter():
    y, model = RESPONSES["poisson"], likelihood("poisson")
    whole = fit_estimate(Rows(X, y, OFFSET), model)
    blocks = [fit_estimate(Rows(X, y, OFFSET, block_rows=7, workers=workers), model) for workers in (1, 3)]
    np.testing.assert_array_equal(blocks[0].coef, blocks[1].coef)
    np.testing.assert_allclose(blocks[0].coef, whole.coef, rtol=1e-13)


def test_a_large_frame_starts_from_a_subsample_and_ends_where_a_small_one_does():
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(9000), rng.normal(5000, 1, size=9000), rng.normal(size=9000)])
    y = rng.poisson(np.exp(0.2 * design[:, 2]))
    model = likelihood("poisson")
    small = fit_estimate(Rows(design, y), model)
    large = fit_estimate(Rows(design, y, small=False, block_rows=4096), model)
    assert large.convergence.iterations < small.convergence.iterations + 2
    np.testing.assert_allclose(large.coef, small.coef, rtol=1e-9)


def test_frequencies_are_repetitions():
    y, times = RESPONSES["gamma"], RNG.integers(1, 4, size=N)
    model = likelihood("gamma", "log")
    counted = fit_estimate(Rows(X, y, frequency=times), model)
    repeated = fit_estimate(Rows(np.repeat(X, times, axis=0), np.repeat(y, times)), model)
    np.testing.assert_allclose(counted.coef, repeated.coef, rtol=1e-10)
    for fact in ("rows", "df_residual", "deviance", "pearson", "loglik"):
        assert getattr(counted, fact) == pytest.approx(getattr(repeated, fact), rel=1e-11)
    assert counted.dispersion.value == pytest.approx(repeated.dispersion.value)
    assert counted.null.df == repeated.null.df


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (2 * X[:, 1] - X[:, 2], "2*x1 - x2"),
        (-X[:, 1], "-x1"),
        (np.full(N, 3.0), "3"),
        (X[:, 1] + 1.5, "1.5 + x1"),
        (np.zeros(N), "0 in every row"),
    ],
)
def test_reason_of_an_aliased_column(extra, reason):
    workspace = open_workspace(Rows(np.column_stack([X, extra]), RESPONSES["poisson"]), likelihood("poisson"))
    rank = settle_rank(workspace, ("Intercept", "x1", "x2", "x3"))
    assert rank.kept.tolist() == [0, 1, 2]
    assert reason in rank.reasons[3]


def test_an_aliased_column_leaves_the_others_as_they_were():
    model, y = likelihood("poisson"), RESPONSES["poisson"]
    plain = fit_estimate(Rows(X, y), model)
    aliased = fit_estimate(Rows(np.column_stack([X, X[:, 1] + X[:, 2]]), y), model)
    np.testing.assert_allclose(aliased.coef[:3], plain.coef, rtol=1e-12)
    assert np.isnan(aliased.coef[3]) and aliased.rank == 3
    assert aliased.aliased == {"x3": "= x1 + x2"}
    assert aliased.df_residual == plain.df_residual


def test_start_may_be_given_and_is_checked():
    model, y = likelihood("poisson"), RESPONSES["poisson"]
    expected = fit_estimate(Rows(X, y), model).coef
    far = fit_estimate(Rows(X, y), model, start=np.array([9.0, 1.0, -1.0]))
    np.testing.assert_allclose(far.coef, expected, rtol=1e-10)
    with pytest.raises(ArgumentError, match="3 finite numbers"):
        fit_estimate(Rows(X, y), model, start=np.zeros(2))
    with pytest.raises(ArgumentError, match="outside the domain"):
        fit_estimate(Rows(X, y), likelihood("poisson", "identity"), start=np.array([-1.0, 0, 0]))


def test_no_interior_is_an_error():
    slope = np.array([[-1.0], [2.0], [1.0]])
    with pytest.raises(DomainError, match="domain"):
        fit_estimate(Rows(slope, [1.0, 2.0, 3.0], intercept=None), likelihood("poisson", "identity"))


def test_dispersion_by_every_estimator():
    frame, model = Rows(X, RESPONSES["gamma"]), likelihood("gamma", "log")
    found = {
        word: fit_estimate(frame, model, dispersion=word).dispersion for word in ("pearson", "deviance", "ml")
    }
    estimate = fit_estimate(frame, model)
    assert estimate.dispersion == found["pearson"]
    assert found["pearson"].value == estimate.pearson / estimate.df_residual
    assert found["deviance"].value == estimate.deviance / estimate.df_residual
    mu, y = np.exp(X @ estimate.coef), RESPONSES["gamma"]

    def slope(phi):  # d loglik / d phi of the gamma density with shape 1 / phi, times phi**2
        from scipy.special import digamma

        return (np.log(phi) - 1 + digamma(1 / phi) - np.log(y / mu) + y / mu).sum()

    assert abs(slope(found["ml"].value)) < 1e-6
    assert fit_estimate(frame, model, dispersion=0.7).dispersion.estimator == "given"
    assert not fit_estimate(frame, model, dispersion=0.7).dispersion.estimated


def test_separation_by_cutting_planes_when_rows_are_many():
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(30_000), rng.normal(size=(30_000, 3))])
    y = design[:, 1] + 0.5 * design[:, 2] > 0.3
    model = likelihood("binomial")
    direction = separating_direction(open_workspace(Rows(design, y), model))
    side = np.where(y, 1, -1) * (design @ direction)
    assert side.min() > -1e-6 and side.max() > 0
    y[:3] = ~y[:3]
    assert separating_direction(open_workspace(Rows(design, y), model)) is None


def test_directions_of_different_speed():
    groups = np.repeat([0, 1, 2], 20)
    design = np.column_stack([np.ones(60), groups == 1, groups == 2, RNG.normal(size=60)])
    y = np.where(groups == 1, 0, np.where(groups == 2, 1, RNG.random(60) < 0.5)).astype(float)
    estimate = fit_estimate(Rows(design, y), likelihood("binomial"))
    assert estimate.coef[1] == -np.inf and estimate.coef[2] == np.inf
    assert estimate.convergence.separated_rows.count == 40
    alone = fit_estimate(Rows(design[:20][:, [0, 3]], y[:20]), likelihood("binomial"))
    np.testing.assert_allclose(estimate.coef[[0, 3]], alone.coef, rtol=1e-8)


@pytest.mark.parametrize(("family", "y", "sign"), [("poisson", 0.0, -np.inf), ("binomial", 1.0, np.inf)])
def test_a_constant_response_is_separated_by_its_intercept_alone(family, y, sign):
    estimate = fit_estimate(Rows(X, np.full(N, y)), likelihood(family))
    assert estimate.coef[0] == sign and np.isfinite(estimate.coef[1:]).all()
    assert "do not determine x1, x2" in estimate.convergence.notes[0]


def test_a_direction_names_no_column_that_it_does_not_need():
    step = np.arange(N, dtype=float)
    estimate = fit_estimate(
        Rows(np.column_stack([np.ones(N), step, X[:, 1]]), step > 20), likelihood("binomial")
    )
    assert np.isinf(estimate.coef[:2]).all() and np.isfinite(estimate.coef[2])


@pytest.mark.parametrize("link", ["log", "inverse"])
@pytest.mark.parametrize("start", [None, np.zeros(2)])
def test_a_mean_that_runs_to_the_end_of_its_range_has_not_converged(link, start):
    group = np.repeat([0.0, 1.0], [4, 36])
    y = np.where(group == 0, 0.0, 1.0 + np.abs(X[:40, 1]))
    start = None if start is None else start + (link == "inverse")
    estimate = fit_estimate(
        Rows(np.column_stack([np.ones(40), group]), y), likelihood("gaussian", link), start=start
    )
    assert estimate.convergence.status == "not converged"


def test_a_variance_that_vanishes_at_zero_lets_separation_be_seen():
    from glmstat.families import Custom, Interval
    from glmstat.likelihood.base import GLM

    own = GLM(Custom("own", lambda mu: mu, "log", domain=Interval(0.0, np.inf, True)))
    y = np.where(np.arange(N) < 4, 0.0, RESPONSES["poisson"] + 1.0)
    estimate = fit_estimate(Rows(np.column_stack([np.ones(N), np.arange(N) < 4]), y), own)
    assert estimate.convergence.status == "separated" and estimate.coef[1] == -np.inf


def test_a_dispersion_of_one_has_no_maximum_to_look_for():
    with pytest.raises(ArgumentError, match="dispersion='ml' has nothing to maximise: the poisson"):
        fit_estimate(Rows(X, RESPONSES["poisson"]), likelihood("poisson"), dispersion="ml")


def test_rows_without_curvature_keep_their_score_in_a_qr_step():
    rng = np.random.default_rng(9)
    sound = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    design = np.column_stack(
        [sound[:, :2], 1e4 + sound @ [0.0, 1.0, 1e-4]]
    )  # so ill conditioned that QR is used
    y = (rng.random(40) < 1 - np.exp(-np.exp(-1 + 0.3 * sound[:, 1]))).astype(float)
    model = likelihood("binomial", "log_complement")  # log(1 - mu) is linear: no curvature where y = 0
    estimate = fit_estimate(Rows(design, y), model)
    assert estimate.convergence.status == "converged"
    assert estimate.convergence.trace[-1].direction == "QR"
    rows = model.rows(y, (design @ estimate.coef)[:, None], np.ones(40), information="expected")
    information, score = (sound * rows.expected[:, 0]).T @ sound, sound.T @ rows.gradient[:, 0]
    assert score @ np.linalg.solve(information, score) < 1e-10


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e15])
def test_the_unit_of_the_response_does_not_matter(unit):
    estimate = fit_estimate(Rows(X, unit * RESPONSES["gaussian"]), likelihood("gaussian"))
    assert estimate.convergence.status == "converged" and not estimate.convergence.notes
    expected = np.linalg.lstsq(X, RESPONSES["gaussian"], rcond=None)[0]
    np.testing.assert_allclose(estimate.coef / unit, expected, rtol=1e-12)
