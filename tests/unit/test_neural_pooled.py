"""GLMs on learned features, fold by fold and on half of the rows, against fits put together by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import qr

from glmstat import glm
from glmstat.control import Control
from glmstat.errors import DataError, NetworkWarning, SeparationWarning
from glmstat.estimate import Null
from glmstat.fit import Covariance, Fit
from glmstat.neural.folds import halves, stream
from glmstat.neural.instruments import target_design
from glmstat.neural.nuisance import learn_nuisances
from glmstat.neural.pooled import fit_pooled
from glmstat.neural.problem import Interrupted, Member, Training
from glmstat.neural.split import count_dropped, fit_half, learn_half, split_lines
from tests.unit.stand_in import StandIn
from tests.unit.test_neural_orthogonal import SLOTS, Stopped, plan_of, problem_of, table

D = table(2, 1600)
N = len(D)
NULL = Null(0.0, 0)
PAIRS = [("gaussian", "identity"), ("poisson", "log"), ("binomial", "logit"), ("gamma", "log")]


def nuisance_of(problem, targets=SLOTS, *, trainer=None, **words):
    trainer = StandIn(3) if trainer is None else trainer
    (found,) = learn_nuisances(problem, targets, plan_of(problem, **words), trainer=trainer)
    return found


def pooled_fit(problem, nuisance, family, targets=SLOTS):
    """The pooled score as a fit."""
    found = fit_pooled(problem, targets, nuisance, NULL)
    base = glm(f"{family} ~ a", D, family, link=problem.likelihood.family.link.name)
    design = target_design(problem.frame.design, targets)
    spec = replace(base.spec, design=design, likelihood=problem.likelihood)
    return Fit(spec, found.estimate, Covariance(), (), found.frame), found


def features_of(problem, networks):
    """Features of one fold's networks on all rows, as columns h0, h1, …."""
    inputs = problem.X[:, problem.networks[0].slots]
    nets = (*networks.outcome, *networks.target)
    H = np.column_stack([net.towers[0].features(inputs) for net in nets])
    return pd.DataFrame(H, columns=[f"h{j}" for j in range(H.shape[1])])


def fold_fits(problem, nuisance, family, words):
    """A glm on targets and all features in each fold."""
    for k, networks in enumerate(nuisance.learned):
        H = features_of(problem, networks)
        data = pd.concat([D, H], axis=1)[nuisance.folds == k].reset_index(drop=True)
        yield glm(f"{family} ~ a + b + {' + '.join(H.columns)}", data, family, **words)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_pooled_estimate_and_covariance_are_put_together_from_the_folds(family, link, monkeypatch):
    """theta = (sum A)^-1 sum A_k theta_k; HC0 = (sum A)^-1 (sum A_k V_k A_k) (sum A)^-1, all directions kept.

    A_k is the inverse of the targets' block of the inverse information of the fold's glm, V_k its HC0.
    """
    monkeypatch.setattr("glmstat.neural.pooled.SMALL", 1e-9)
    monkeypatch.setattr("glmstat.neural.pooled.ROWS", 3)
    problem = problem_of(family, link, data=D)
    nuisance = nuisance_of(problem)
    fit, found = pooled_fit(problem, nuisance, family)
    A, moments, meat, spent = np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2)), 0
    for k, own in enumerate(fold_fits(problem, nuisance, family, {"link": link})):
        inverse = own.estimate.information.inverse()[1:3, 1:3]
        part, theta = np.linalg.inv(inverse), own.coef.to_numpy()[1:3]
        np.testing.assert_allclose(found.by_fold[k], theta, rtol=1e-6)
        A, moments = A + part, moments + part @ theta
        meat += part @ own.vcov("HC0").to_numpy()[1:3, 1:3] @ part
        spent += own.nobs - own.df_residual
    np.testing.assert_allclose(fit.coef, np.linalg.solve(A, moments), rtol=1e-6)
    bread = np.linalg.inv(A)
    np.testing.assert_allclose(fit.vcov("HC0"), bread @ meat @ bread, rtol=1e-6)
    assert fit.df_residual == N - spent
    np.testing.assert_allclose(fit.vcov() / fit.dispersion, bread, rtol=1e-6)
    np.testing.assert_allclose(fit.vcov("HC1"), fit.vcov("HC0") * N / (N - spent), rtol=1e-12)


def test_the_scores_of_every_fold_add_up_to_zero():
    problem = problem_of("poisson", offset="log(t)", data=D)
    nuisance = nuisance_of(problem)
    _, found = pooled_fit(problem, nuisance, "poisson")
    (block,) = found.frame.blocks()
    E = block.X[0].to_array()
    psi = E * (block.y - np.exp(block.offset[:, 0] + E @ found.theta))[:, None]
    for k in range(4):
        inside = nuisance.folds == k
        assert np.abs(psi[inside].sum(0) / np.linalg.norm(psi[inside], axis=0)).max() < 1e-7


def test_small_directions_are_dropped_by_weighted_singular_values():
    """Of 12 features of the response's nets and 12 of the targets'; each kind in units of its largest."""
    problem = problem_of("gaussian", data=D)
    nuisance = nuisance_of(problem, trainer=StandIn(6))
    found = fit_pooled(problem, SLOTS, nuisance, NULL)
    X = D[["a", "b"]].assign(one=1.0).to_numpy()
    for k, networks in enumerate(nuisance.learned):
        inside = nuisance.folds == k
        H, Z = features_of(problem, networks).to_numpy()[inside], X[inside]
        left = H - Z @ np.linalg.lstsq(Z, H, rcond=None)[0]
        parts = [part / np.linalg.norm(part, 2) for part in (left[:, :12], left[:, 12:])]
        values = np.linalg.svd(np.hstack(parts), compute_uv=False)
        assert found.directions[k] == np.sum(values > 0.1 * values[0])
        assert 0 < found.directions[k] < 24


def test_units_of_columns_do_not_matter():
    data = D.assign(a=64.0 * D.a)
    one, two = (problem_of("binomial", "logit", data=which) for which in (D, data))
    first, second = (fit_pooled(p, SLOTS, nuisance_of(p), NULL) for p in (one, two))
    np.testing.assert_allclose(second.theta * [64.0, 1.0], first.theta, rtol=1e-6)


def test_dropped_rows_and_large_frames_change_nothing():
    problem = problem_of("poisson", data=D, subset="w > 0.7")
    nuisance = nuisance_of(problem)
    one = fit_pooled(problem, SLOTS, nuisance, NULL)
    large = replace(problem, frame=replace(problem.frame, kept=None))
    two = fit_pooled(large, SLOTS, nuisance, NULL)
    assert two.frame.large
    np.testing.assert_allclose(two.theta, one.theta, rtol=1e-9)
    assert two.estimate.deviance == pytest.approx(one.estimate.deviance, rel=1e-9)
    assert two.estimate.rows == (D.w > 0.7).sum()


def test_frequencies_are_repetitions_within_folds():
    """Only where networks and folds are the same: the score given them."""
    problem = problem_of("poisson", data=D, freq_weights="times")
    nuisance = nuisance_of(problem)
    one, found = pooled_fit(problem, nuisance, "poisson")
    times = D.times.to_numpy().astype(int)
    again = problem_of("poisson", data=D.loc[np.repeat(np.arange(N), times)].reset_index(drop=True))
    learned = tuple(
        replace(
            networks,
            outcome=tuple(replace(net, eta=np.repeat(net.eta, times, 0)) for net in networks.outcome),
        )
        for networks in nuisance.learned
    )
    repeated = replace(nuisance, folds=np.repeat(nuisance.folds, times), learned=learned)
    many, other = pooled_fit(again, repeated, "poisson")
    assert found.directions.tolist() == other.directions.tolist()
    np.testing.assert_allclose(one.coef, many.coef, rtol=1e-8)
    np.testing.assert_allclose(one.vcov("HC0"), many.vcov("HC0"), rtol=1e-7)
    assert one.df_residual == many.df_residual


def test_a_level_that_a_fold_lacks_takes_part_in_the_others():
    """All rows of level r lie in two of four folds."""
    level = pd.Categorical(np.where(np.arange(N) < 100, "r", "p"), ["p", "r"])
    data = D.assign(level=level, firm=np.where(np.arange(N) < 50, 0, np.where(np.arange(N) < 100, 1, 2)))
    data.loc[100:, "firm"] = np.arange(N - 100) // 50 + 2
    problem = problem_of("gaussian", right="a + level", data=data)
    nuisance = nuisance_of(problem, clusters=data.firm.to_numpy())
    found = fit_pooled(problem, SLOTS, nuisance, NULL)
    holds = [(nuisance.folds[:100] == k).any() for k in range(4)]
    assert sum(holds) == 2
    assert [bool(theta[1]) for theta in found.by_fold] == holds
    assert np.isfinite(found.theta).all()


def test_folds_with_few_rows_are_named_and_with_too_few_refused():
    problem = problem_of("gaussian", data=D[:240])
    nuisance = nuisance_of(problem, trainer=StandIn(6))
    with pytest.warns(
        NetworkWarning,
        match="crossfit needs 20 rows for each column in every fold: 4 of 4 have fewer, as few as 60",
    ):
        fit_pooled(problem, SLOTS, nuisance, NULL)
    small = problem_of("gaussian", data=D[:80])
    learned = nuisance_of(small, trainer=StandIn(6))
    with pytest.raises(DataError, match="crossfit needs 5 rows for each column in every fold: fold 1 has 20"):
        fit_pooled(small, SLOTS, learned, NULL)


def test_an_infinite_target_is_refused_and_other_separation_is_named(monkeypatch):
    """Level r has no event in the fold that holds half of its rows; all directions are kept."""
    monkeypatch.setattr("glmstat.neural.pooled.SMALL", 1e-9)
    first = np.arange(N) < 40
    level = pd.Categorical(np.where(np.arange(N) < 80, "r", "p"), ["p", "r"])
    y = np.where(first, 0.0, D.poisson)
    data = D.assign(level=level, poisson=y, firm=np.arange(N) // 40)
    problem = problem_of("poisson", right="a + level", data=data)
    clusters = data.firm.to_numpy()
    with pytest.warns(SeparationWarning, match="rows outside a fold"):  # that which holds the events
        one = nuisance_of(problem, np.array([1]), clusters=clusters)
    assert one.folds[0] != one.folds[79]
    with pytest.warns(SeparationWarning, match=r"Separation in 1 of 4 folds: .* predicts 40 rows perfectly"):
        found = fit_pooled(problem, np.array([1]), one, NULL)
    assert found.estimate.rows == N - 40
    rest = fit_pooled(*dropped(problem, data, one, first), NULL)
    np.testing.assert_allclose(found.theta, rest.theta, rtol=1e-6)
    with pytest.warns(SeparationWarning, match="rows outside a fold"):
        both = nuisance_of(problem, SLOTS, clusters=clusters)
    with pytest.raises(DataError, match=r"Separation in fold \d: target 'level\[T.r\]' is infinite"):
        fit_pooled(problem, SLOTS, both, NULL)


def dropped(problem, data, nuisance, out):
    """The same networks and folds on the rows that separation does not take."""
    rest = problem_of("poisson", right="a + level", data=data[~out].reset_index(drop=True))
    learned = tuple(
        replace(networks, outcome=tuple(replace(net, eta=net.eta[~out]) for net in networks.outcome))
        for networks in nuisance.learned
    )
    return rest, np.array([1]), replace(nuisance, folds=nuisance.folds[~out], learned=learned)


# ---------------------------------------------------------------- split


def learned_half(problem, learning, trainer, nets=2):
    return learn_half(
        problem,
        learning,
        nets=nets,
        prior=10.0,
        seed=1,
        training=Training(),
        control=Control(),
        trainer=trainer,
    )


def test_the_other_half_is_an_ordinary_glm_of_its_rows():
    problem = problem_of("poisson", offset="log(t)", data=D)
    learning = halves(problem.weights > 0, 1)
    trainer = StandIn(3)
    nets = learned_half(problem, learning, trainer)
    ((_, members),) = trainer.asked
    assert len(nets) == len(members) == 2
    assert all(np.array_equal(member.weights, learning) for member in members)
    start = glm("poisson ~ a + b", D[learning], "poisson", offset="log(t)").coef
    np.testing.assert_allclose(members[0].start[:, 0], start, rtol=1e-8)
    inputs = problem.X[:, problem.networks[0].slots]
    H = np.column_stack([net.towers[0].features(inputs) for net in nets])
    data = D.assign(**{f"h{j}": column for j, column in enumerate(H.T)})
    formula = "poisson ~ a + b + " + " + ".join(f"h{j}" for j in range(H.shape[1]))
    whole = glm(formula, data, "poisson", offset="log(t)")
    frame, estimate = fit_half(whole.frame, problem.likelihood, learning)
    other = glm(formula, data[~learning], "poisson", offset="log(t)")
    np.testing.assert_allclose(estimate.theta, other.coef, rtol=1e-8)
    assert estimate.rows == (~learning).sum()
    half = Fit(whole.spec, estimate, Covariance(), (), frame)
    for kind in ("classical", "HC3", "CR0 ~ g"):
        np.testing.assert_allclose(half.vcov(kind), other.vcov(kind), rtol=1e-7)


def test_lines_of_a_split_say_on_what_it_is_conditional():
    learning = halves(np.ones(101, dtype=bool), 4)
    first, second = split_lines(learning, np.ones(101, dtype=bool), 4)
    assert first.endswith("(seed 4)") and "another seed gives other ones" in second
    third = split_lines(learning, np.ones(101, dtype=bool), 4, 1)[2]
    assert third.startswith("dropped: 1 feature without a direction")


def test_features_that_others_make_up_are_dropped_by_pivoted_qr():
    """Of 12 features, those that LAPACK's pivoted QR of the learning rows leaves above a tenth stay."""
    problem = problem_of("poisson", data=D, weights="w")
    learning = halves(problem.weights > 0, 1)
    (net,) = learned_half(problem, learning, StandIn(12), nets=1)
    raw = StandIn(12)(problem, [Member(stream(1, "halves", 0), np.zeros((3, 1)), learning)], None, None)[0]
    inputs = problem.X[:, problem.networks[0].slots]
    again = raw.towers[0].features(inputs)
    kept = [
        np.flatnonzero(np.isclose(again, column[:, None], rtol=0, atol=1e-12).all(0))
        for column in net.towers[0].features(inputs).T
    ]
    root = np.sqrt(problem.weights * learning)[:, None]
    H = again - np.average(again, axis=0, weights=root[:, 0] ** 2)
    unit = np.sqrt(((root * H) ** 2).sum(0))
    X = root * problem.X[:, problem.linear]
    left = root * again - X @ np.linalg.lstsq(X, root * again, rcond=None)[0]
    triangle, order = qr(left / unit, mode="r", pivoting=True)[:2]
    size = np.abs(np.diag(triangle))
    expected = np.sort(order[size > 0.1 * size[0]])
    assert np.concatenate(kept).tolist() == expected.tolist()
    assert count_dropped(problem, [net]) == 12 - len(expected) > 0
    assert len(net.output[0]) == len(expected)


def test_a_half_that_the_user_stops_is_no_table():
    problem = problem_of("poisson", data=D)
    with pytest.raises(Interrupted):
        learned_half(problem, halves(problem.weights > 0, 1), Stopped(1))
