"""Effects of one column, averaged over rows, with bands; and their plots."""

import warnings

import numpy as np
import pytest

import glmstat
from glmstat.errors import ArgumentError
from glmstat.layers import Layer, Tower, Towers
from glmstat.links import Identity, Log, Logit
from glmstat.neural.average import average, ratios, together
from glmstat.neural.curve import LearningCurve
from glmstat.neural.effects import _Rows
from glmstat.neural.laplace import laplace
from glmstat.neural.surface import Column, Evaluated, Surface
from glmstat.neural.wide import Hidden, Wide
from glmstat.table import Native


@pytest.fixture
def pyplot():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        from matplotlib import pyplot
    yield pyplot
    pyplot.close("all")


class Linear:
    """A Poisson regression on a number and a factor, as a surface."""

    def __init__(self, family="poisson"):
        rng = np.random.default_rng(3)
        self.age = rng.integers(18, 80, 200).astype(float)
        self.region = rng.choice(["a", "b", "c"], 200).astype(object)
        y = rng.poisson(np.exp(0.02 * self.age + 0.3 * (self.region == "b")) / 2.0)
        y = (y > 1) if family == "binomial" else y
        self.fit = glmstat.glm(
            "y ~ age + region", {"y": y.astype(float), "age": self.age, "region": self.region}, family
        )
        eta = np.asarray(self.fit.predict(type="link"))
        model = self.fit.spec.likelihood
        rows = model.rows(y.astype(float), eta[:, None], np.ones(200), information="expected")
        self.laplace = laplace((), self.X({}), (), rows.expected[:, 0, 0])

    def X(self, new):
        age, region = new.get("age", self.age), new.get("region", self.region)
        return np.column_stack([np.ones(200), age, region == "b", region == "c"]).astype(float)

    def surface(self, weights=None, link=None):
        def design(new):
            X = self.X(new)
            return Evaluated(X @ np.asarray(self.fit.coef), X, ())

        return Surface(design, link or Log(), np.ones(200) if weights is None else weights, self.laplace)

    @property
    def columns(self):
        return Column("age", self.age), Column("region", self.region, ("a", "b", "c"))


def test_dependence_of_a_linear_model_is_a_line_with_the_error_of_its_coefficients():
    model = Linear()
    weights = np.random.default_rng(1).uniform(1.0, 2.0, 200)
    found = average(model.surface(weights), model.columns[0], scale="link", points=5)
    centre = weights @ model.X({}) / weights.sum()
    G = np.tile(centre, (5, 1))
    G[:, 1] = found.values
    np.testing.assert_allclose(found.estimate, G @ np.asarray(model.fit.coef), rtol=1e-12)
    errors = np.sqrt(np.diag(G @ np.asarray(model.fit.vcov()) @ G.T))
    np.testing.assert_allclose(found.std_error, errors, rtol=1e-7)
    np.testing.assert_allclose(found.conf_high - found.estimate, 1.959963984540054 * errors, rtol=1e-7)
    assert set(found.values) <= set(model.age) and found.values[0] == model.age.min()


def test_ends_on_the_response_scale_are_means_of_the_link_scale():
    model = Linear("binomial")
    found = average(model.surface(link=Logit()), model.columns[1])
    coef, vcov = np.asarray(model.fit.coef), np.asarray(model.fit.vcov())
    for k, level in enumerate("abc"):
        X = model.X({"region": np.full(200, level, dtype=object)})
        p = 1.0 / (1.0 + np.exp(-X @ coef))
        G = (p * (1 - p)) @ X / 200
        error = np.sqrt(G @ vcov @ G)
        assert found.estimate[k] == pytest.approx(p.mean(), rel=1e-12)
        assert found.std_error[k] == pytest.approx(error, rel=1e-7)
        middle, reach = np.log(p.mean() / (1 - p.mean())), 1.96 * error / (p.mean() * (1 - p.mean()))
        assert found.conf_low[k] == pytest.approx(1 / (1 + np.exp(reach - middle)), rel=1e-4)
        assert 0 < found.conf_low[k] < found.estimate[k] < found.conf_high[k] < 1


def test_relativities_of_a_linear_model_are_exponentiated_coefficients():
    model = Linear()
    found = ratios(model.surface(), model.columns[1], ratio="rate ratio")
    known = model.fit.confint(eform=True)
    table = model.fit.summary(eform=True).to_frame()
    for k, name in ((1, "region[T.b]"), (2, "region[T.c]")):
        assert found.estimate[k] == pytest.approx(np.exp(model.fit.coef[name]), rel=1e-12)
        assert found.conf_low[k] == pytest.approx(known.loc[name, "conf_low"], rel=1e-7)
        assert found.conf_high[k] == pytest.approx(known.loc[name, "conf_high"], rel=1e-7)
        assert found.std_error[k] == pytest.approx(table.loc[name, "std_error"], rel=1e-7)
    assert (found.estimate[0], found.std_error[0], found.conf_low[0], found.conf_high[0]) == (1, 0, 1, 1)
    other = ratios(model.surface(), model.columns[1], base="b")
    np.testing.assert_allclose(other.estimate, found.estimate / found.estimate[1], rtol=1e-12)


def test_relativities_of_a_number_start_at_the_value_next_to_its_weighted_median():
    model = Linear()
    weights = np.where(model.age == 70.0, 1e6, 1.0)
    found = ratios(model.surface(weights), model.columns[0])
    grid = average(model.surface(weights), model.columns[0], points=8).values
    assert found.values == grid
    assert abs(found.base - 70.0) == np.abs(np.array(grid) - 70.0).min()
    assert found.estimate[found.values.index(found.base)] == 1.0
    slope = model.fit.coef["age"]
    np.testing.assert_allclose(
        found.estimate, np.exp(slope * (np.array(found.values) - found.base)), rtol=1e-10
    )
    at = ratios(model.surface(), model.columns[0], base=33.5)
    assert 33.5 in at.values and list(at.values) == sorted(at.values)


def test_accumulated_effects_of_a_linear_model_are_its_slope():
    model = Linear()
    found = average(model.surface(), model.columns[0], method="ale", scale="link", points=12)
    steps = np.diff(found.estimate) / np.diff(found.values)
    np.testing.assert_allclose(steps, model.fit.coef["age"], rtol=1e-9)
    edges = np.array(found.values)
    bins = np.clip(np.searchsorted(edges, model.age), 1, len(edges) - 1)
    assert (found.estimate[bins] + found.estimate[bins - 1]).mean() == pytest.approx(0, abs=1e-12)


class Net:
    """A network on two tied numbers."""

    def __init__(self):
        rng = np.random.default_rng(5)
        self.a = rng.normal(size=80)
        self.b = self.a + 0.3 * rng.normal(size=80)
        layer = Layer(rng.normal(size=(2, 4)), rng.normal(size=4), "tanh")
        tower = Tower(np.zeros(2), np.ones(2), (), (layer,))
        self.network = Hidden(Towers((tower,)), rng.normal(size=4), 4.0)
        self.start = np.array([0.2])
        z = np.column_stack([self.a, self.b])
        self.laplace = laplace((self.network,), np.ones((80, 1)), (z,), np.ones(80))
        self.weights = rng.uniform(0.5, 1.5, 80)

    def eta(self, a, b):
        z = np.column_stack([a, b])
        return 0.2 + self.network.towers.features(z) @ self.network.output

    def surface(self, banded=True):
        def design(new):
            a, b = new.get("a", self.a), new.get("b", self.b)
            return Evaluated(self.eta(a, b), np.ones((80, 1)), (np.column_stack([a, b]),))

        return Surface(design, Log(), self.weights, self.laplace if banded else None)


def test_the_band_is_that_of_the_gradient_of_the_average():
    net = Net()
    found = average(net.surface(), Column("a", net.a), points=4)
    wide = Wide(1, (net.network,))
    shares = net.weights / net.weights.sum()
    for k, value in enumerate(found.values):
        z = np.column_stack([np.full(80, value), net.b])
        mu = np.exp(net.eta(np.full(80, value), net.b))
        gradient = (shares * mu) @ wide.jacobian(np.ones((80, 1)), (z,))
        assert found.estimate[k] == pytest.approx(shares @ mu, rel=1e-12)
        assert found.std_error[k] ** 2 == pytest.approx(
            net.laplace.covariance(gradient[None])[0, 0], rel=1e-9
        )


@pytest.mark.parametrize("scale", ["link", "response"])
def test_accumulated_effects_written_out(scale):
    net = Net()
    found = average(net.surface(), Column("a", net.a), method="ale", scale=scale, points=6)
    edges, bend = np.array(found.values), np.exp if scale == "response" else np.positive
    heights, middle, total = [0.0], 0.0, net.weights.sum()
    for k in range(1, len(edges)):
        inside = (net.a <= edges[k]) & ((net.a > edges[k - 1]) | (k == 1))
        upper, lower = (
            bend(net.eta(np.full(inside.sum(), edge), net.b[inside])) for edge in (edges[k], edges[k - 1])
        )
        rise = upper - lower
        heights.append(heights[-1] + np.average(rise, weights=net.weights[inside]))
        middle += net.weights[inside].sum() / total * 0.5 * (heights[-1] + heights[-2])
    np.testing.assert_allclose(found.estimate, np.array(heights) - middle, rtol=1e-9, atol=1e-12)
    assert (found.std_error > 0).all()


def test_without_a_covariance_there_is_no_band():
    net = Net()
    found = average(net.surface(banded=False), Column("a", net.a), scale="link", points=3)
    assert not found.banded and np.isnan(found.conf_low).all()
    assert "std_error" not in str(found)
    ratio = ratios(net.surface(banded=False), Column("a", net.a), points=3)
    assert not ratio.banded and 1.0 in ratio.estimate


def test_it_prints_and_makes_a_frame():
    model = Linear()
    found = average(model.surface(), model.columns[1])
    text = str(found)
    assert text.splitlines()[0] == "Partial dependence of region, response scale · 200 rows"
    assert "95 % pointwise intervals: full generalised Gauss-Newton" in text
    assert "does not include bias" in text
    assert list(found.to_frame().columns) == ["value", "estimate", "std_error", "conf_low", "conf_high"]
    table = ratios(model.surface(), model.columns[1], ratio="rate ratio")
    assert "Relativities of region: rate ratio" in str(table) and "relative to region = a" in str(table)


def test_several_columns_are_one_table():
    model = Linear()
    found = [ratios(model.surface(), column, points=3) for column in model.columns]
    table = together(found)
    assert len(table) == sum(len(one.values) for one in found)
    assert table["estimate"] == [*found[0].estimate, *found[1].estimate]
    assert "region = b" in str(table) and str(table).count("does not include bias") == 1
    lines = [note for note in table.notes if "relative" in note]
    assert lines == [f"each relative to its base: age = {found[0].base:.5g}, region = a"]


def test_words_are_checked():
    model = Linear()
    age, region = model.columns
    with pytest.raises(ArgumentError, match="Unknown method: 'pd'"):
        average(model.surface(), age, method="pd")
    with pytest.raises(ArgumentError, match="Unknown type: 'mean'"):
        average(model.surface(), age, scale="mean")
    with pytest.raises(ArgumentError, match="points must be a whole number >= 2"):
        average(model.surface(), age, points=1)
    assert len(average(model.surface(), age, points=np.int64(4)).values) == 4
    with pytest.raises(ArgumentError, match="points must be a whole number >= 2"):
        average(model.surface(), age, points=True)
    with pytest.raises(ArgumentError, match="is a factor"):
        average(model.surface(), region, method="ale")
    with pytest.raises(ArgumentError, match="is constant"):
        average(model.surface(), Column("age", np.ones(200)), method="ale")
    with pytest.raises(ArgumentError, match=r"base must be a level of 'region': 'd'. Known: a, b, c"):
        ratios(model.surface(), region, base="d")
    with pytest.raises(ArgumentError, match="the link is identity"):
        ratios(model.surface(link=Identity()), region)


def test_plots(pyplot):
    model = Linear()
    ax = average(model.surface(), model.columns[0]).plot()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "mean response")
    assert len(ax.collections) == 1 and "without bias" in ax.get_title()
    found = ratios(model.surface(), model.columns[1], ratio="rate ratio")
    given = pyplot.subplots()[1]
    assert found.plot(given) is given
    assert [label.get_text() for label in given.get_xticklabels()] == ["a", "b", "c"]
    assert given.get_ylabel() == "rate ratio"


def history(steps, held_out):
    names = ("train", "learning_rate", "weight_size")
    return {
        "step": np.arange(1, steps + 1),
        "held_out": np.full(steps, 2.0 if held_out else np.nan),
        **{name: np.linspace(2.0, 1.0, steps) for name in names},
    }


def test_learning_curves(pyplot):
    curve = LearningCurve({"fold1.net1": history(3, True), "fold2.net1": history(5, True)}, Native())
    assert len(curve.to_frame()) == 8 and curve.to_frame()["network"].tolist()[3] == "fold2.net1"
    ax = curve.plot()
    assert ax.get_legend_handles_labels()[1] == ["rows trained on", "rows held out"]
    assert len(ax.lines) == 4
    alone = LearningCurve({"net1": history(3, False)}, Native())
    assert "held_out" not in str(alone) and len(alone.plot().lines) == 1


@pytest.fixture(scope="module")
def fitted():
    """A Poisson network with offset, a factor, a number as a factor, and a boolean; and its data."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    data = {
        "age": rng.uniform(18, 80, 300),
        "power": rng.integers(4, 8, 300).astype(float),
        "region": rng.choice(list("abc"), 300),
        "new": rng.uniform(size=300) < 0.3,
        "t": rng.uniform(0.2, 1.0, 300),
    }
    eta = 0.5 * np.sin(data["age"] / 10) + 0.3 * (data["region"] == "b") + 0.4 * data["new"]
    data["y"] = rng.poisson(3.0 * data["t"] * np.exp(eta)).astype(float)
    data["age"][5] = np.nan
    text = "y ~ C(power) + new + nn(age, region, hidden=(4,), activation='tanh') + offset(log(t))"
    training = glmstat.Training(steps=60)
    return glmstat.rglm(text, data, "poisson", inference="none", training=training), data


def kept(data, **new):
    rows = np.arange(300) != 5
    return {name: values[rows] for name, values in data.items()} | new


def test_effects_of_a_fit_are_averages_of_its_predictions(fitted):
    fit, data = fitted
    found = fit.effects("age", points=4)
    for value, estimate in zip(found.values, found.estimate, strict=True):
        mean = np.mean(fit.predict(kept(data, age=np.full(299, value))))
        assert estimate == pytest.approx(mean, rel=1e-10)
    assert found.rows == 299 and found.banded
    for name, values in (("region", list("abc")), ("power", [4.0, 5.0, 6.0, 7.0]), ("new", [False, True])):
        found = fit.effects(name, type="link")
        assert list(found.values) == values
        for value, estimate in zip(values, found.estimate, strict=True):
            mean = np.mean(fit.predict(kept(data, **{name: np.full(299, value)}), type="link"))
            assert estimate == pytest.approx(mean, rel=1e-10)


def test_the_band_of_a_single_row_is_the_interval_of_its_mean(fitted):
    fit, data = fitted
    one = {name: values[:1] for name, values in data.items()}
    shown = fit.predict(one, type="link", interval="confidence").iloc[0]
    rows = _Rows.of(fit)
    alone = _Rows(fit, rows.frame.take(np.zeros(1, dtype=np.intp)), np.ones(1))
    found = average(alone.surface(), alone.column("age"), scale="link")
    assert found.estimate[0] == pytest.approx(shown["estimate"], rel=1e-10)
    assert (found.conf_low[0], found.conf_high[0]) == pytest.approx(
        (shown["conf_low"], shown["conf_high"]), rel=1e-8
    )


def test_relativities_of_a_fit_name_every_column(fitted):
    fit, _ = fitted
    table = fit.relativities(points=3)
    labels = " ".join(table.index)
    assert all(f"{name} = " in labels for name in ("power", "new", "age", "region"))
    assert "rate ratio" in table.title[0]
    coef = fit.as_glm().coef
    name = next(name for name in coef.index if name.startswith("C(power)") and "6" in name)
    assert table["estimate"][table.index.index("power = 6")] == pytest.approx(np.exp(coef[name]), rel=1e-9)


def test_learning_curve_of_a_fit_has_a_line_for_each_net(fitted):
    fit, _ = fitted
    curve = fit.learning_curve()
    assert len(curve) == 2 and curve.to_frame()["step"].max() >= 50


def test_columns_that_no_term_reads_are_refused(fitted):
    fit, _ = fitted
    with pytest.raises(glmstat.errors.ColumnError, match=r"they read power, new, age, region\. Did you mean"):
        fit.effects("agee")
    with pytest.raises(ArgumentError, match="is a factor"):
        fit.effects("region", method="ale")
