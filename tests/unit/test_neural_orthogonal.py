"""The orthogonal score: closed forms, the common covariance layer, and Neyman orthogonality by quadrature."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.control import Control
from glmstat.errors import (
    ArgumentError,
    DataError,
    DomainError,
    ExtrapolationWarning,
    OverlapWarning,
    SeparationWarning,
)
from glmstat.estimate import Null
from glmstat.families import as_family
from glmstat.fit import Covariance, Fit
from glmstat.likelihood.base import GLM
from glmstat.neural.folds import make_folds
from glmstat.neural.instruments import Score, target_design
from glmstat.neural.nuisance import Plan, learn_nuisances
from glmstat.neural.orthogonal import fit_orthogonal, median_covariance, median_theta
from glmstat.neural.problem import Inputs, Interrupted, Problem
from glmstat.neural.starts import refuse_infinite
from tests.unit.framed import X as design_of
from tests.unit.framed import column, framed
from tests.unit.stand_in import StandIn

N = 400
RNG = np.random.default_rng(8)
NULL = Null(0.0, 0)


def table(seed=8, n=N):
    """Controls z1, z2; targets a, b that depend on them; responses of several families."""
    rng = np.random.default_rng(seed)
    z1, z2 = rng.uniform(-1.7, 1.7, n), rng.uniform(-1.7, 1.7, n)
    a = 0.8 * np.sin(1.5 * z1) + 0.3 * z2 + rng.normal(size=n)
    b = (rng.random(n) < 0.5 + 0.2 * np.tanh(z2)) * 1.0
    f = 0.7 * np.sin(1.5 * z1) + 0.4 * (z2**2 - 1)
    t = rng.uniform(0.5, 2.0, n)
    eta = 0.4 * a - 0.3 * b + 0.5 * f
    return pd.DataFrame(
        {
            "z1": z1,
            "z2": z2,
            "a": a,
            "b": b,
            "f": f,
            "t": t,
            "gaussian": eta + rng.normal(size=n),
            "poisson": rng.poisson(t * np.exp(eta)).astype(float),
            "binomial": (rng.random(n) < 1 / (1 + np.exp(-eta))) * 1.0,
            "gamma": rng.gamma(2.0, np.exp(eta) / 2.0),
            "w": rng.uniform(0.5, 2.0, n),
            "times": rng.integers(1, 4, n).astype(float),
            "g": rng.integers(0, 60, n),
        }
    )


D = table()
SLOTS = np.array([1, 2])  # a and b in y ~ a + b + z1 + z2
RIGHT = "a + b + z1 + z2"
PAIRS = [
    ("gaussian", "identity"),
    ("poisson", "log"),
    ("binomial", "logit"),
    ("binomial", "probit"),
    ("gamma", "log"),
]


def linear_fit(family, link, right=RIGHT, data=D, **words):
    """The glm of a family's response."""
    return glm(f"{family} ~ {right}", data, family, link=link, **words)


def scored(base, f, m, start=None, slots=SLOTS, centre=None):
    """The orthogonal score on the rows of a fit, as a fit."""
    start = np.zeros(len(slots)) if start is None else start
    found = fit_orthogonal(base.frame, base.spec.likelihood, Score(slots, f, m, centre), start, NULL)
    spec = replace(base.spec, design=target_design(base.spec.design, slots))
    return Fit(spec, found.estimate, Covariance(), (), found.frame), found


def pieces(base, f, m, theta, slots=SLOTS):
    """E, u (y - mu), w and D of all rows, by the family's own formulas."""
    targets = design_of(base.frame)[:, slots]
    eta = column(base.frame, "offset")[:, 0] + targets @ theta + f
    family, y, weights = base.spec.likelihood.family, column(base.frame, "y"), column(base.frame, "weights")
    mu, slope = family.link.mean(eta), family.link.derivative(eta)
    u = weights * slope / family.variance(mu)
    return targets - m, u * (y - mu), u * slope, targets


# ---------------------------------------------------------------- closed forms


def test_gaussian_identity_is_the_partialling_out_estimator():
    """Robinson (1988): theta = (sum e D')^-1 sum e (y - f), with the textbook sandwich."""
    base = linear_fit("gaussian", "identity", weights="w")
    f, m = D.f.to_numpy(), np.column_stack([np.sin(D.z1), 0.5 + 0.1 * D.z2])
    fit, _ = scored(base, f, m)
    targets, y, w = D[["a", "b"]].to_numpy(), D.gaussian.to_numpy(), D.w.to_numpy()
    e = targets - m
    A = (e * w[:, None]).T @ targets
    theta = np.linalg.solve(A, (e * w[:, None]).T @ (y - f))
    np.testing.assert_allclose(fit.coef.to_numpy(), theta, rtol=1e-12)
    psi = e * (w * (y - f - targets @ theta))[:, None]
    bread = np.linalg.inv(A)
    np.testing.assert_allclose(fit.vcov("HC0").to_numpy(), bread @ psi.T @ psi @ bread.T, rtol=1e-11)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_linear_nuisances_of_all_rows_give_the_glm(family, link):
    """Frisch, Waugh and Lovell at the fixed point: m is the weighted projection at the glm's own weights."""
    base = linear_fit(family, link, offset="t" if family == "gaussian" else None)
    X = design_of(base.frame)
    others = np.setdiff1d(np.arange(X.shape[1]), SLOTS)
    coef = base.coef.to_numpy()
    f = X[:, others] @ coef[others]
    w = pieces(base, f, np.zeros((N, 2)), coef[SLOTS])[2]
    Z, root = X[:, others], np.sqrt(w)[:, None]
    m = Z @ np.linalg.lstsq(root * Z, root * X[:, SLOTS], rcond=None)[0]
    fit, found = scored(base, f, m)
    assert found.estimate.convergence.status == "converged"
    np.testing.assert_allclose(fit.coef.to_numpy(), coef[SLOTS], rtol=1e-9)
    whole = base.vcov("HC0").to_numpy()[np.ix_(SLOTS, SLOTS)]
    np.testing.assert_allclose(fit.vcov("HC0").to_numpy(), whole, rtol=1e-8)
    classical = base.vcov().to_numpy()[np.ix_(SLOTS, SLOTS)] / base.dispersion * fit.dispersion
    np.testing.assert_allclose(fit.vcov().to_numpy(), classical, rtol=1e-8)
    assert fit.deviance == pytest.approx(base.deviance, rel=1e-10)
    if base.estimate.dispersion.estimated:
        assert fit.dispersion == pytest.approx(base.pearson / (N - 2), rel=1e-9)


def test_the_root_of_the_score_does_not_depend_on_where_newton_starts():
    base = linear_fit("poisson", "log")
    f, m = D.f.to_numpy(), np.column_stack([np.sin(D.z1), 0.5 + 0 * D.z2])
    near = scored(base, f, m)[1].theta
    for start in ([5.0, -5.0], [-3.0, 4.0]):
        far = scored(base, f, m, np.array(start))[1]
        np.testing.assert_allclose(far.theta, near, rtol=1e-9)
        assert far.estimate.convergence.status == "converged"


def test_units_of_a_target_only_scale_its_coefficient():
    f, m = D.f.to_numpy(), np.column_stack([np.sin(D.z1), 0.5 + 0 * D.z2])
    one = scored(linear_fit("binomial", "logit"), f, m)[0]
    data = D.assign(a=1e6 * D.a)
    two = scored(linear_fit("binomial", "logit", data=data), f, m * [1e6, 1.0])[0]
    np.testing.assert_allclose(two.coef.to_numpy() * [1e6, 1.0], one.coef.to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(two.stderror("HC0") * [1e6, 1.0], one.stderror("HC0"), rtol=1e-8)


# ---------------------------------------------------------------- the common covariance layer


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_covariances_are_the_sandwiches_of_the_score(family, link):
    base = linear_fit(family, link, offset="z1", weights=None if family == "binomial" else "w")
    f = 0.3 * D.f.to_numpy()
    m = np.column_stack([np.sin(D.z1) + 0.2 * D.z2**2, 0.5 + 0.2 * np.tanh(D.z2)])
    fit, found = scored(base, f, m)
    e, residual, w, targets = pieces(base, f, m, found.theta)
    A, C = (e * w[:, None]).T @ targets, (e * w[:, None]).T @ e
    psi, bread = e * residual[:, None], np.linalg.inv(A)
    scale = np.sqrt(np.diag(psi.T @ psi))
    assert np.abs(psi.sum(0) / scale).max() < 1e-9
    phi = base.spec.likelihood.family.dispersion or found.estimate.pearson / (N - 2)
    close = dict(rtol=1e-9)
    np.testing.assert_allclose(fit.vcov().to_numpy(), phi * bread @ C @ bread.T, **close)
    sandwich = bread @ psi.T @ psi @ bread.T
    np.testing.assert_allclose(fit.vcov("HC0").to_numpy(), sandwich, **close)
    np.testing.assert_allclose(fit.vcov("HC1").to_numpy(), sandwich * N / (N - 2), **close)
    sums = np.zeros((60, 2))
    np.add.at(sums, D.g.to_numpy(), psi)
    groups = len(np.unique(D.g))
    clustered = bread @ sums.T @ sums @ bread.T
    np.testing.assert_allclose(fit.vcov("CR0 ~ g").to_numpy(), clustered, **close)
    np.testing.assert_allclose(fit.vcov("CR1 ~ g").to_numpy(), clustered * groups / (groups - 1), **close)


def test_summary_and_tests_speak_of_the_targets():
    fit, _ = scored(linear_fit("poisson", "log"), D.f.to_numpy(), np.full((N, 2), [0.0, 0.5]))
    assert list(fit.coef.index) == ["a", "b"]
    (wald,) = fit.with_vcov("HC0").test("a = 0").tests
    assert wald.statistic == pytest.approx(float(fit.coef["a"] / fit.stderror("HC0")["a"]), rel=1e-9)
    assert "HC0" in str(fit.summary("HC0"))


def test_frequencies_are_repetitions():
    f, m = D.f.to_numpy(), np.column_stack([np.sin(D.z1), 0.5 + 0 * D.z2])
    times = D.times.to_numpy().astype(int)
    once, _ = scored(linear_fit("gamma", "log", freq_weights="times"), f, m)
    again = D.loc[np.repeat(np.arange(N), times)].reset_index(drop=True)
    many, _ = scored(linear_fit("gamma", "log", data=again), np.repeat(f, times), np.repeat(m, times, axis=0))
    assert once.nobs == many.nobs == times.sum()
    np.testing.assert_allclose(once.coef, many.coef, rtol=1e-11)
    for kind in ("classical", "HC0", "HC1"):
        np.testing.assert_allclose(once.vcov(kind), many.vcov(kind), rtol=1e-10)


def test_dropped_rows_and_large_frames_change_nothing():
    """The same rows: alone, as a subset, and read from the data in every pass."""
    f, m = D.f.to_numpy(), np.column_stack([np.sin(D.z1), 0.5 + 0 * D.z2])
    keep = (D.w > 1.0).to_numpy()
    alone, _ = scored(linear_fit("poisson", "log", data=D[keep].reset_index(drop=True)), f[keep], m[keep])
    subset = linear_fit("poisson", "log", subset="w > 1")
    part, _ = scored(subset, f[keep], m[keep])
    large = replace(subset, frame=replace(subset.frame, kept=None))
    read, found = scored(large, f[keep], m[keep])
    assert found.frame.large
    for fit in (part, read):
        np.testing.assert_allclose(fit.coef, alone.coef, rtol=1e-12)
        np.testing.assert_allclose(fit.vcov("HC0"), alone.vcov("HC0"), rtol=1e-11)
        np.testing.assert_allclose(fit.vcov("CR1 ~ g"), alone.vcov("CR1 ~ g"), rtol=1e-11)


# ---------------------------------------------------------------- Neyman orthogonality


def population(family, link):
    """A frame whose rows are the nodes of z and D given z, each with its mean as response.

    The score is linear in y, so that sums over the nodes are exact expectations.
    """
    z, (points, masses) = np.linspace(-1.5, 1.5, 31), np.polynomial.hermite_e.hermegauss(24)
    nodes = [
        (zi, np.sin(1.5 * zi) + (0.6 + 0.3 * zi) * v, q)
        for zi in z
        for v, q in zip(points, masses, strict=True)
    ]
    z, d, q = map(np.array, zip(*nodes, strict=True))
    f = {"binomial": 0.2, "poisson": -0.3, "gamma": 0.4, "gaussian": 0.1}[family] + 0.6 * np.cos(z)
    likelihood = GLM(as_family(family, link))
    eta = 0.5 * d + f
    mu = likelihood.family.link.mean(eta)
    slope = likelihood.family.link.derivative(eta)
    w = q * slope**2 / likelihood.family.variance(mu)
    data = {"y": mu, "d": d, "z": z, "q": q}
    quasi = {"poisson": "quasipoisson", "binomial": "quasibinomial"}  # no word on means as responses
    frame = framed("y ~ d", data, quasi.get(family, family), link=link, weights="q")
    m = np.empty_like(z)
    plain = np.empty_like(z)
    for zi in np.unique(z):
        at = z == zi
        m[at], plain[at] = np.average(d[at], weights=w[at]), np.average(d[at], weights=q[at])
    return SimpleNamespace(frame=frame, likelihood=likelihood, z=z, f=f, m=m, plain=plain)


def theta_at(world, f, m):
    found = fit_orthogonal(
        world.frame, world.likelihood, Score(np.array([1]), f, m[:, None]), np.array([0.5]), NULL
    )
    return found.theta[0]


def slope_of(world, m, along_f, along_m, step=1e-3):
    """Derivative of theta in a direction of the nuisances."""
    up = theta_at(world, world.f + step * along_f, m + step * along_m)
    down = theta_at(world, world.f - step * along_f, m - step * along_m)
    return (up - down) / (2 * step)


@pytest.mark.parametrize(("family", "link"), [*PAIRS, ("binomial", "cloglog"), ("gaussian", "log")])
def test_theta_does_not_move_with_first_order_errors_of_the_nuisances(family, link):
    """Errors 1 - z, sin(2 z) in f and z^2 in m; remainders are of the order of the step squared, 1e-6."""
    world, still = population(family, link), np.zeros(31 * 24)
    assert theta_at(world, world.f, world.m) == pytest.approx(0.5, abs=1e-12)
    for along in (1.0 - world.z, np.sin(2.0 * world.z)):
        assert abs(slope_of(world, world.m, along, still)) < 1e-5
    assert abs(slope_of(world, world.m, still, world.z**2)) < 1e-5


@pytest.mark.parametrize(("family", "link"), [("poisson", "log"), ("binomial", "probit")])
def test_the_unweighted_mean_of_the_target_is_not_orthogonal(family, link):
    """Trap: with E[D | z] in the place of E[wD | z] / E[w | z] an error of f moves theta at first order."""
    world, still = population(family, link), np.zeros(31 * 24)
    assert abs(slope_of(world, world.plain, 1.0 - world.z, still)) > 0.01


# ---------------------------------------------------------------- overlap and domain


def test_overlap_is_the_share_of_weighted_variance_and_of_idle_rows():
    base = linear_fit("poisson", "log", right="a")
    f, m = D.f.to_numpy(), np.sin(D.z1.to_numpy())[:, None]
    found = scored(base, f, m, slots=np.array([1]))[1]
    e, _, w, a = pieces(base, f, m, found.theta, np.array([1]))
    e, a = e[:, 0], a[:, 0]
    variance = w @ (a - np.average(a, weights=w)) ** 2
    assert found.overlap.left[0] == pytest.approx((w * e) @ a / variance, rel=1e-10)
    assert found.overlap.idle[0] == np.mean(e**2 < 0.01 * np.mean(e**2))


def test_weak_overlap_is_named():
    data = D.assign(a=np.sin(D.z1) + 0.1 * D.a)
    base = linear_fit("gaussian", "identity", right="a + b", data=data)
    m = np.column_stack([np.sin(D.z1) + 0.08 * np.sin(1.5 * D.z1), np.full(N, 0.5)])
    with pytest.warns(OverlapWarning, match=r"controls leave [\d.]+% of a \("):
        scored(base, D.f.to_numpy(), m)


def test_a_target_that_its_controls_determine_is_refused():
    base = linear_fit("gaussian", "identity", right="a + b")
    m = np.column_stack([D.a + 1e-4 * np.sin(D.z1), np.full(N, 0.5)])
    with pytest.raises(DataError, match="Target 'a' is determined by its controls"):
        scored(base, D.f.to_numpy(), m)


def test_targets_that_determine_each_other_are_refused():
    data = D.assign(b=D.a + 1e-6 * D.b)
    base = linear_fit("gaussian", "identity", right="a + b", data=data)
    with pytest.raises(DataError, match="determined by its controls"):
        scored(base, D.f.to_numpy(), np.zeros((N, 2)))


def test_predictors_without_a_mean_are_refused():
    base = linear_fit("gamma", "inverse", right="a + b", data=D.assign(gamma=1.0 + D.gamma))
    with pytest.raises(DomainError, match=r"without a mean for the inverse link: rows? "):
        scored(base, np.full(N, -3.0), np.zeros((N, 2)))


def test_a_score_without_a_root_is_not_called_converged():
    """Every event has the larger target: the score stays positive."""
    data = D.assign(binomial=(D.a > 0.1) * 1.0)
    with pytest.warns(SeparationWarning):
        base = linear_fit("binomial", "logit", right="a", data=data)
    found = scored(base, np.zeros(N), np.full((N, 1), 0.1), slots=np.array([1]))[1]
    assert found.estimate.convergence.status == "not converged"


@pytest.mark.parametrize(("asked", "divisor"), [("pearson", N - 2), ("deviance", N - 2)])
def test_dispersion_is_pearson_or_what_was_asked(asked, divisor):
    base = linear_fit("gamma", "log")
    score = Score(SLOTS, D.f.to_numpy(), np.full((N, 2), [0.0, 0.5]))

    def phi(dispersion):
        return fit_orthogonal(
            base.frame, base.spec.likelihood, score, np.zeros(2), NULL, Control(), dispersion
        ).estimate

    found = phi(asked)
    total = found.pearson if asked == "pearson" else found.deviance
    assert found.dispersion.value == pytest.approx(total / divisor)
    assert phi(1.5).dispersion.value == 1.5
    with pytest.raises(ArgumentError, match="Unknown dispersion"):
        phi("ml")


# ---------------------------------------------------------------- repetitions


def test_median_of_one_coefficient_is_that_of_its_enlarged_variances():
    thetas = RNG.normal(size=(7, 1))
    variances = RNG.uniform(1, 2, (7, 1, 1))
    middle = median_theta(thetas)
    expected = np.median(variances[:, 0, 0] + (thetas[:, 0] - middle[0]) ** 2)
    assert median_covariance(thetas, variances, middle)[0, 0] == pytest.approx(expected, rel=1e-14)


def test_median_covariance_is_one_of_the_enlarged_ones_in_any_units():
    thetas, roots = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3, 3))
    covariances = roots @ np.swapaxes(roots, 1, 2)
    middle = median_theta(thetas)
    found = median_covariance(thetas, covariances, middle)
    apart = thetas - middle
    enlarged = covariances + np.einsum("ri,rj->rij", apart, apart)
    assert np.isclose(enlarged, found).all(axis=(1, 2)).sum() == 1
    units = np.diag([1.0, 1e3, 1e-4])
    scaled = median_covariance(thetas @ units, units @ covariances @ units, middle @ units)
    np.testing.assert_allclose(scaled, units @ found @ units, rtol=1e-12)


def test_median_covariance_takes_the_middle_spectral_norm():
    """Unit-free matrices c I: norms are in the order of c; the larger middle one of four."""
    covariances = np.array([4.0, 1.0, 3.0, 2.0])[:, None, None] * np.eye(2)
    assert median_covariance(np.zeros((4, 2)), covariances, np.zeros(2))[0, 0] == 3.0


# ---------------------------------------------------------------- nuisances


def problem_of(family="poisson", link=None, *, right="a + b", data=D, **words):
    """Linear columns beside one network in z1 and z2; slots of a and b."""
    frame = framed(f"{family} ~ {right} + z1 + z2", data, family, link=link, **words)
    names = list(frame.columns)
    inputs = Inputs("nn1", np.array([names.index("z1"), names.index("z2")]), (12,), ("tanh",))
    linear = np.array([j for j, name in enumerate(names) if name not in ("z1", "z2")])
    return Problem(frame, linear, (inputs,), GLM(as_family(family, link)))


def plan_of(problem, *, folds=4, reps=1, nets=2, **words):
    used = problem.weights > 0
    dealt = tuple(make_folds(used, folds, 1, rep, **words) for rep in range(reps))
    return Plan(dealt, nets, 5.0, 1)


def learned(problem, targets=SLOTS, trainer=None, **words):
    trainer = StandIn() if trainer is None else trainer
    return learn_nuisances(problem, targets, plan_of(problem, **words), trainer=trainer)


def test_the_members_are_folds_times_nets_of_every_repetition():
    trainer, problem = StandIn(), problem_of()
    found = learned(problem, trainer=trainer, reps=3)
    assert len(found) == 3
    for asked, members in trainer.asked:
        assert len(members) == 3 * 4 * 2
        assert len({tuple(member.seed.generate_state(4)) for member in members}) == 24
        assert {member.prior for member in members} == {5.0}
        assert asked.networks is problem.networks
    for place, member in enumerate(trainer.asked[0][1]):
        rep, k = divmod(place // 2, 4)
        assert np.array_equal(member.weights, found[rep].folds != k)


def test_targets_are_learned_with_the_outcome_networks_weights():
    """Mean mu'^2 / V of the fold's networks, 0 in the fold, in any units."""
    trainer, problem = StandIn(), problem_of("binomial", "probit")
    (found,) = learned(problem, trainer=trainer)
    second, members = trainer.asked[1]
    assert second.likelihood.family.name == "gaussian"
    assert [problem.frame.columns[j] for j in second.linear] == ["Intercept"]
    family = problem.likelihood.family
    for k, networks in enumerate(found.learned):
        eta = np.mean([one.eta[:, 0] for one in networks.outcome], axis=0)
        mu = family.link.mean(eta)
        w = (found.folds != k) * family.link.derivative(eta) ** 2 / family.variance(mu)
        for member in members[2 * k : 2 * k + 2]:
            np.testing.assert_allclose(member.weights / member.weights.sum(), w / w.sum(), rtol=1e-10)
            assert member.weights.sum() == pytest.approx((found.folds != k).sum())


def test_the_offset_is_part_of_no_target_network():
    """Gaussian with identity: a constant weight, so the offset leaves m as it is, and f too."""
    plain, shifted = problem_of("gaussian"), problem_of("gaussian", offset="t")
    trainer = StandIn()
    (one,), (two,) = learned(plain), learned(shifted, trainer=trainer)
    np.testing.assert_allclose(two.m, one.m, rtol=1e-9, atol=1e-11)
    assert not trainer.asked[1][0].offset.any()
    moved = problem_of("gaussian", data=D.assign(gaussian=D.gaussian - D.t))
    np.testing.assert_allclose(two.f, learned(moved)[0].f, rtol=1e-7, atol=1e-9)


def test_no_row_has_a_part_in_its_own_nuisances():
    """But for the centre of the targets, which moves f by a constant in each fold."""
    problem = problem_of("gaussian")
    (one,) = learned(problem)
    inside = one.folds == 2
    data = D.assign(gaussian=D.gaussian + 5.0 * inside, a=D.a + 3.0 * inside)
    (two,) = learned(problem_of("gaussian", data=data))
    apart = (two.f - one.f)[inside]
    np.testing.assert_allclose(apart, apart[0], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(two.m[inside], one.m[inside], rtol=1e-9, atol=1e-10)
    assert np.ptp((two.f - one.f)[one.folds == 1]) > 0.1


def test_predictors_and_shares_are_put_together_from_the_folds():
    problem = problem_of("poisson", offset="log(t)")
    (found,) = learned(problem)
    y, targets = problem.y[:, 0], D[["a", "b"]].to_numpy()
    own = [np.mean([one.linear[[1, 2], 0] for one in nets.outcome], axis=0) for nets in found.learned]
    centred = targets - found.centre
    eta = problem.offset + np.einsum("ij,ij->i", centred, np.array(own)[found.folds]) + found.f
    np.testing.assert_allclose(eta, found.eta, rtol=1e-10)
    np.testing.assert_allclose(found.centre, np.average(targets, axis=0, weights=np.exp(eta)), rtol=1e-9)
    np.testing.assert_allclose(found.start, np.mean(own, axis=0), rtol=1e-12)
    mu = np.exp(eta)
    deviance = 2 * np.sum(np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / mu), 0) - (y - mu))
    null = glm("poisson ~ 1", D, "poisson", offset="log(t)").deviance
    assert found.outcome_r2 == pytest.approx(1 - deviance / null, rel=1e-9)
    left = mu @ (targets - found.m) ** 2
    total = mu @ (targets - np.average(targets, axis=0, weights=mu)) ** 2
    np.testing.assert_allclose(found.target_r2, 1 - left / total, rtol=1e-9)
    for k in range(4):
        rest = glm("poisson ~ a + b", D[found.folds != k], "poisson", offset="log(t)")
        inside = found.folds == k
        expected = rest.predict(D[inside], type="link")
        np.testing.assert_allclose(found.linear[inside], expected, rtol=1e-7)


def test_the_zero_of_a_target_does_not_matter():
    """f of targets that are not centred would take the error of theta, here 30 times, as one of its own."""
    estimates = []
    for data in (D, D.assign(a=D.a + 30.0, b=2.0 - 4.0 * D.b)):
        problem = problem_of("poisson", data=data)
        (found,) = learned(problem)
        score, start = found.score, found.start
        estimates.append(fit_orthogonal(problem.frame, problem.likelihood, score, start, NULL))
    one, two = estimates
    np.testing.assert_allclose(two.theta, one.theta / [1.0, -4.0], rtol=1e-6)
    np.testing.assert_allclose(two.overlap.left, one.overlap.left, rtol=1e-6)


def test_large_frames_have_the_same_nuisances():
    problem = problem_of("poisson", offset="log(t)")
    (one,) = learned(problem)
    (two,) = learned(replace(problem, frame=replace(problem.frame, kept=None)))
    np.testing.assert_allclose(two.m, one.m, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(two.f, one.f, rtol=1e-7, atol=1e-9)


def test_the_estimate_repairs_what_the_linear_model_biases():
    """theta = (.4, -.3), f nonlinear; n = 4000, one data set: within 4 standard errors, the glm beyond 4."""
    data = table(3, 4000)
    problem = problem_of("poisson", offset="log(t)", data=data)
    (found,) = learned(problem, trainer=StandIn(24, 1.5))
    base = linear_fit("poisson", "log", right="a + b", data=data, offset="log(t)")
    fit, _ = scored(base, found.f, found.m, found.start, centre=found.centre)
    truth = np.array([0.4, -0.3])
    assert np.abs((fit.coef - truth) / fit.stderror("HC0")).max() < 4
    assert np.abs((base.coef.iloc[1:] - truth) / base.stderror("HC0").iloc[1:]).max() > 4


def test_a_level_that_one_fold_holds_is_named():
    """All rows of level r are in one cluster, hence in one fold."""
    level = np.where(np.arange(N) < 20, "r", np.where(D.z1 > 0, "p", "q"))
    data = D.assign(level=pd.Categorical(level, ["p", "q", "r"]), firm=np.arange(N) // 20)
    problem = problem_of("poisson", right="a + level", data=data)
    clusters = data.firm.to_numpy()
    with pytest.warns(ExtrapolationWarning, match=r"level\[T.r\] \(1 of 4 folds\)"):
        learned(problem, np.array([1]), clusters=clusters)
    with pytest.raises(DataError, match=r"Target 'level\[T.r\]' is determined .* outside fold \d"):
        learned(problem, np.array([1, 2, 3]), clusters=clusters)


def test_separation_without_a_fold_is_named():
    """Level r has events in one cluster only."""
    level = np.where(np.arange(N) < 60, "r", "p")
    y = np.where(level == "r", (np.arange(N) < 10) * 1.0, D.poisson)
    data = D.assign(level=pd.Categorical(level, ["p", "r"]), firm=np.arange(N) // 20, poisson=y)
    problem = problem_of("poisson", right="a + level", data=data)
    with pytest.warns(SeparationWarning, match=r"level\[T.r\] infinite .* \(1 of 4 folds\)"):
        learned(problem, np.array([1]), clusters=data.firm.to_numpy())


def test_a_target_that_linear_columns_determine_is_refused():
    problem = problem_of("poisson", right="a + b + I(2 * a)")
    with pytest.raises(DataError, match=r"Target 'I\(2 \* a\)' is determined by the other linear columns"):
        learned(problem, np.array([3]))


# ---------------------------------------------------------------- separation


def test_a_target_that_is_the_response_is_infinite():
    """Complete separation: no network that leaves linear terms free has a maximum."""
    problem = problem_of("binomial", data=D.assign(b=D.binomial))
    trainer = StandIn()
    with pytest.raises(
        DataError, match=r"Separation: target 'b' is infinite .* every row perfectly: take it"
    ):
        learned(problem, trainer=trainer)
    assert not trainer.asked


def test_a_target_with_events_only_is_infinite_and_may_be_left_out_of_the_targets():
    """Quasi-separation: b is 1 in four rows, all of them events."""
    b = np.zeros(N)
    b[np.flatnonzero(D.binomial == 1)[:4]] = 1.0
    problem = problem_of("binomial", data=D.assign(b=b))
    with pytest.raises(DataError, match=r"target 'b' .*\(b → inf\).* leave it out of targets="):
        learned(problem)
    with pytest.warns(SeparationWarning, match="Separation, b infinite in the linear model of all rows"):
        (found,) = learned(problem, np.array([1]))
    assert np.isfinite(found.f).all()


def test_a_response_without_events_is_refused():
    """The Poisson intercept is -inf; also outside a fold, where one cluster has all events."""
    problem = problem_of("poisson", data=D.assign(poisson=0.0))
    with pytest.raises(DataError, match=r"predicts every row perfectly \(Intercept → -inf\)"):
        learned(problem)
    data = D.assign(poisson=np.where(np.arange(N) < 20, D.poisson, 0.0), firm=np.arange(N) // 20)
    clusters = data.firm.to_numpy()
    with pytest.raises(DataError, match=r"of the rows outside fold \d predicts .* Use fewer folds"):
        learned(problem_of("poisson", data=data), np.zeros(0, dtype=int), clusters=clusters)


def test_separation_is_refused_for_the_targets_that_are_named():
    with pytest.warns(SeparationWarning):
        fit = glm("binomial ~ a + b + I(b * binomial)", D, "binomial")
    linear, names = fit.estimate, list(fit.coef.index)
    refuse_infinite(linear, names, ["a"])
    with pytest.raises(DataError, match=r"target 'I\(b \* binomial\)' is infinite"):
        refuse_infinite(linear, names, names[3:])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_estimate_where_rows_tell_nothing_is_refused(sign):
    """m on the wrong side: the Jacobian of the score is -1, or 3, times the variance of the target."""
    base = linear_fit("gaussian", "identity", right="a")
    a = D.a - D.a.mean()
    m = (D.a.mean() - 2.0 * sign * a).to_numpy()[:, None] if sign > 0 else (D.a + a).to_numpy()[:, None]
    share = "300%" if sign > 0 else "-100%"
    with pytest.raises(DataError, match=f"Target 'a' has no estimate: .* \\({share} of"):
        scored(base, np.zeros(N), m, slots=np.array([1]), centre=np.array([D.a.mean()]))


# ---------------------------------------------------------------- interruption


class Stopped(StandIn):
    """A trainer that the user stops while it trains the second member of one stage."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def __call__(self, problem, members, training, control, *, progress=None):
        trained = super().__call__(problem, members, training, control, progress=progress)
        stop = len(self.asked) == self.stage
        return tuple(replace(one, interrupted=stop and place > 0) for place, one in enumerate(trained))


@pytest.mark.parametrize("stage", [1, 2])
def test_networks_that_were_stopped_are_no_nuisances(stage):
    """The next stage does not begin."""
    trainer = Stopped(stage)
    with pytest.raises(Interrupted, match="out of fold was stopped"):
        learned(problem_of("poisson"), trainer=trainer)
    assert len(trainer.asked) == stage
