"""Intervals of the mean by the full generalised Gauss-Newton matrix, against closed forms and torch."""

import numpy as np
import pytest

import glmstat
from glmstat.errors import ArgumentError
from glmstat.layers import Layer, Tower, Towers
from glmstat.neural import laplace as module
from glmstat.neural import wide as shape
from glmstat.neural.laplace import laplace
from glmstat.neural.wide import Hidden, Wide


def tower(inputs=2, hidden=(3,), activation="tanh", seed=1):
    rng = np.random.default_rng(seed)
    layers, width = [], inputs
    for units in hidden:
        layers.append(Layer(rng.normal(size=(width, units)), rng.normal(size=units), activation))
        width = units
    return Tower(np.zeros(inputs), np.ones(inputs), (), tuple(layers))


def network(prior=5.0, nets=1, unit=1.0, **shape):
    towers = Towers(tuple(tower(seed=seed + 1, **shape) for seed in range(nets)))
    return Hidden(towers, 0.7 * np.random.default_rng(9).normal(size=towers.width), prior, unit)


def rows(n=40, seed=3):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    X = np.column_stack([np.ones(n), rng.normal(size=n) + 100.0])
    return X, z, rng.uniform(0.2, 2.0, n)


def by_inverse(wide, X, z, weights, phi):
    """H written out and inverted."""
    J = wide.jacobian(X, z)
    H = (J * weights[:, None]).T @ J
    return J, H, np.linalg.inv(H + phi * np.diag(wide.precision))


@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma"])
def test_without_networks_it_is_the_interval_of_the_glm(family):
    rng = np.random.default_rng(4)
    data = {"x": rng.normal(size=50), "y": rng.poisson(3.0, 50) + 1.0}
    fit = glmstat.glm("y ~ x", data, family)
    eta = np.asarray(fit.predict(data, type="link"))
    X = np.column_stack([np.ones(50), data["x"]])
    likelihood = fit.spec.likelihood
    weights = likelihood.rows(data["y"], eta[:, None], np.ones(50), information="expected").expected[:, 0, 0]
    pearson = None if family == "poisson" else fit.pearson
    found = laplace((), X, (), weights, pearson=pearson)
    np.testing.assert_allclose(found.linear, fit.vcov(), rtol=1e-8)
    assert found.edf == pytest.approx(2.0) and found.dispersion == pytest.approx(fit.dispersion)
    shown = fit.predict(data, type="link", se_fit=True, interval="confidence")
    half = found.quantile(0.95) * found.std_error(X, ())
    np.testing.assert_allclose(eta - half, shown["conf_low"], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("limit", [5_000, 0])
def test_variances_are_those_of_the_inverse_written_out(limit, monkeypatch):
    monkeypatch.setattr(module, "DIRECT", limit)
    monkeypatch.setattr(shape, "_CELLS", 300)
    nn = network(hidden=(3, 2), unit=1.7)
    X, z, weights = rows()
    new_X, new_z, _ = rows(7, seed=5)
    phi = 1.6
    wide = Wide(2, (nn,))
    J, gram, inverse = by_inverse(wide, X, (z,), weights, phi)
    found = laplace((nn,), X, (z,), weights, dispersion=phi)
    assert found.dual == (limit == 0)
    G = wide.jacobian(new_X, (new_z,))
    np.testing.assert_allclose(found.covariance(G), phi * G @ inverse @ G.T, rtol=1e-6)
    np.testing.assert_allclose(
        found.std_error(new_X, (new_z,)) ** 2, np.diag(phi * G @ inverse @ G.T), rtol=1e-6
    )
    np.testing.assert_allclose(found.linear, phi * inverse[:2, :2], rtol=1e-6)
    assert found.edf == pytest.approx(np.trace(inverse @ gram), rel=1e-7)
    sums = np.vstack([weights, np.full(len(X), 1.0 / len(X))])
    np.testing.assert_allclose(wide.gradient(X, (z,), sums), sums @ J, atol=1e-12)


def test_an_ensemble_has_the_mean_of_the_covariances_of_its_members():
    """Two networks of three: each member written out as a model of its own, with its own output weights."""
    rng = np.random.default_rng(4)
    nns = (network(nets=3, hidden=(3, 2), prior=4.0), network(nets=3, hidden=(2,), prior=9.0, unit=1.3))
    X, z, weights = rows()
    inputs = (z, z[:, ::-1] + 0.1)
    found = laplace(nns, X, inputs, weights, pearson=50.0)
    alone = []
    for k in range(3):
        members = [
            Hidden(Towers((nn.towers.towers[k],)), 3 * nn.output[nn.towers.slices[k]], nn.prior, nn.unit)
            for nn in nns
        ]
        alone.append(laplace(members, X, inputs, weights))
    scale = 50.0 / (40 - np.mean([one.edf for one in alone]))
    assert found.dispersion == pytest.approx(scale, rel=1e-12)
    variances = scale * np.mean([one.std_error(X, inputs) ** 2 for one in alone], axis=0)
    np.testing.assert_allclose(found.std_error(X, inputs) ** 2, variances, rtol=1e-10)
    shares = rng.uniform(size=(4, 40))
    expected = scale * np.mean(
        [one.covariance(one.wide.gradient(X, inputs, shares)) for one in alone], axis=0
    )
    np.testing.assert_allclose(found.covariance(found.wide.gradient(X, inputs, shares)), expected, rtol=1e-9)
    np.testing.assert_allclose(
        found.linear, scale * np.mean([one.linear for one in alone], axis=0), rtol=1e-10
    )
    assert found.label.endswith("prior 4 and 9, mean of 3 nets")


def test_the_matrix_is_that_of_automatic_differentiation():
    """Gauss-Newton part of the Hessian of a Poisson log-likelihood: J' diag(mu) J, J by autograd."""
    torch = pytest.importorskip("torch")
    nn = network()
    X, z, _ = rows(12)
    first = nn.towers.towers[0].layers[0]
    parts = [torch.tensor([0.3, -0.01]), torch.tensor(first.weights), torch.tensor(first.bias)]
    parts = [part.double() for part in (*parts, torch.tensor(nn.output))]

    def eta(beta, weights, bias, output):
        return torch.tensor(X) @ beta + torch.tanh(torch.tensor(z) @ weights + bias) @ output

    J = torch.cat(
        [part.reshape(12, -1) for part in torch.autograd.functional.jacobian(eta, tuple(parts))], dim=1
    ).numpy()
    mu = torch.exp(eta(*parts)).numpy()
    prior = np.r_[0, 0, [5.0] * 6, [0.0] * 3, [5.0] * 3]
    inverse = np.linalg.inv((J * mu[:, None]).T @ J + np.diag(prior))
    found = laplace((nn,), X, (z,), mu)
    np.testing.assert_allclose(found.std_error(X, (z,)) ** 2, np.diag(J @ inverse @ J.T), rtol=1e-8)


def test_with_identity_layers_and_no_prior_it_is_least_squares():
    """The features of an identity network span its inputs: the variance of eta is s^2 x'(X'X)^-1 x."""
    nn = network(prior=0.0, activation="identity", hidden=(2,))
    X, z, _ = rows(60)
    found = laplace((nn,), X, (z,), np.ones(60), pearson=90.0)
    full = np.hstack([X, z])
    hat = np.einsum("ij,jk,ik->i", full, np.linalg.inv(full.T @ full), full)
    assert found.edf == pytest.approx(4.0, abs=1e-8)
    np.testing.assert_allclose(found.std_error(X, (z,)) ** 2, 90.0 / 56.0 * hat, rtol=1e-8)
    assert found.df == pytest.approx(56.0)


def test_a_dead_unit_changes_nothing():
    nn = network(activation="relu", hidden=(3,))
    layer = nn.towers.towers[0].layers[0]
    dead = Layer(np.c_[layer.weights, [0.0, 0.0]], np.r_[layer.bias, -5.0], "relu")
    more = Hidden(Towers((Tower(np.zeros(2), np.ones(2), (), (dead,)),)), np.r_[nn.output, 0.4], nn.prior)
    X, z, weights = rows()
    one, two = (laplace((given,), X, (z,), weights) for given in (nn, more))
    np.testing.assert_allclose(one.std_error(X, (z,)), two.std_error(X, (z,)), rtol=1e-9)
    assert one.edf == pytest.approx(two.edf)


@pytest.mark.parametrize("limit", [5_000, 0])
def test_biases_beside_the_intercept_are_not_determined(limit, monkeypatch):
    """A tower of identity layers with a prior: two biases and the intercept are one constant."""
    monkeypatch.setattr(module, "DIRECT", limit)
    nn = network(activation="identity", hidden=(2,))
    X, z, weights = rows()
    wide = Wide(2, (nn,))
    J = wide.jacobian(X, (z,))
    H = (J * weights[:, None]).T @ J + np.diag(wide.precision)
    found = laplace((nn,), X, (z,), weights)
    expected = np.einsum("ij,jk,ik->i", J, np.linalg.pinv(H, rcond=1e-13), J)
    np.testing.assert_allclose(found.std_error(X, (z,)) ** 2, expected, rtol=1e-6)


def test_several_networks_have_their_own_priors():
    nns = (network(prior=3.0), network(prior=30.0, hidden=(2,)))
    X, z, weights = rows()
    wide = Wide(2, nns)
    J, _, inverse = by_inverse(wide, X, (z, z[:, ::-1]), weights, 1.0)
    found = laplace(nns, X, (z, z[:, ::-1]), weights)
    np.testing.assert_allclose(
        found.std_error(X, (z, z[:, ::-1])) ** 2, np.diag(J @ inverse @ J.T), rtol=1e-6
    )
    assert found.label == "full generalised Gauss-Newton, 22 parameters, prior 3 and 30"


def test_two_equal_networks_are_one():
    """An ensemble of two networks with the same weights has the variance of one, exactly by symmetry."""
    nn = network(prior=5.0)
    pair = Hidden(Towers((nn.towers.towers[0],) * 2), np.tile(nn.output / 2, 2), 5.0)
    X, z, weights = rows()
    one, two = (laplace((given,), X, (z,), weights) for given in (nn, pair))
    np.testing.assert_allclose(one.std_error(X, (z,)), two.std_error(X, (z,)), rtol=1e-8)


def test_labels_say_what_was_done(monkeypatch):
    monkeypatch.setattr(module, "DIRECT", 0)
    X, z, weights = rows()
    found = laplace((network(),), X, (z,), weights)
    assert found.label == "full generalised Gauss-Newton through the matrix of rows, 14 parameters, prior 5"
    assert found.caution.startswith("approximate (Laplace): rows independent")
    assert found.caution.endswith("does not include bias of the network")


def test_what_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(module, "DIRECT", 0)
    X, z, weights = rows()
    with pytest.raises(ArgumentError, match="prior > 0"):
        laplace((network(prior=0.0),), X, (z,), weights)
    monkeypatch.setattr(module, "ROWS", 10)
    with pytest.raises(ArgumentError, match="matrix too large"):
        laplace((network(),), X, (z,), weights)


def test_aliased_columns_and_too_many_parameters_are_refused():
    X, z, weights = rows()
    with pytest.raises(ArgumentError, match="full rank"):
        laplace((network(),), np.c_[X, X[:, 1]], (z,), weights)
    X, z, weights = rows(4)
    with pytest.raises(ArgumentError, match="No residual degrees of freedom"):
        laplace((network(prior=0.0),), X, (z,), weights, pearson=1.0)
