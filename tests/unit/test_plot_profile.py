"""Plots of profiles: what stands on the axes."""

from __future__ import annotations

import builtins
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glmstat import glm
from glmstat.errors import ArgumentError, DependencyError

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
FIT = glm("g ~ x", D, "gamma", link="log")


@pytest.fixture
def pyplot():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        from matplotlib import pyplot
    yield pyplot
    pyplot.close("all")


def texts(ax):
    return [text.get_text().replace("−", "-") for text in ax.texts]


def test_axes_title_cut_interval_and_units(pyplot):
    profile = FIT.profile("x", points=5)
    ax = profile.plot()
    assert ax.get_xlabel() == "x (log scale)"
    assert ax.get_ylabel() == "(deviance − minimum) / dispersion"
    assert ax.figure.get_suptitle() == "g ~ x"
    assert "95 % cut 4.10" in texts(ax)
    assert {"0.2545", "0.6723"} <= set(texts(ax))
    assert ax.get_legend_handles_labels()[1] == ["Wald", "deviance"]
    curve = next(line for line in ax.lines if line.get_label() == "deviance")
    frame = profile.to_frame()
    np.testing.assert_allclose(
        np.interp(frame.value, *curve.get_data()), frame.statistic**2, rtol=1e-9, atol=1e-12
    )


def test_one_panel_for_each_combination(pyplot):
    axes = FIT.profile(["x", "Intercept", "Intercept + x"], points=3, statistic="score").plot()
    assert [ax.get_xlabel() for ax in axes] == [
        f"{t} (log scale)" for t in ("x", "Intercept", "Intercept + x")
    ]
    assert axes[0].get_ylabel() == "score statistic / dispersion"
    given = pyplot.subplots(1, 1)[1]
    assert FIT.profile("x", points=2).plot(given) is given
    with pytest.raises(ArgumentError, match="ax must hold 2 axes, one for each combination: got 1"):
        FIT.profile(points=2).plot(given)


def test_infinite_ends_are_arrows(pyplot):
    cells = pd.DataFrame({"n": [12, 9, 7], "s": [5, 9, 3], "f": ["a", "b", "c"]})
    with pytest.warns(UserWarning, match="Separation"):
        fit = glm("cbind(s, n - s) ~ f", cells, "binomial")
    ax = fit.profile("f[T.b]", points=4).plot()
    assert "inf →" in texts(ax)
    assert ax.get_ylabel() == "deviance − minimum"
    assert ax.get_legend_handles_labels()[1] == ["deviance"]  # there is no Wald interval


def test_aliased_coefficients_have_an_empty_panel(pyplot):
    ax = glm("y ~ x + I(2 * x)", D, "poisson").profile("I(2 * x)", points=2).plot()
    assert "no profile" in texts(ax)


def test_the_picture_can_be_saved(pyplot, tmp_path):
    FIT.profile(points=2).plot()[0].figure.savefig(tmp_path / "profile.png")
    assert (tmp_path / "profile.png").stat().st_size > 5000


def test_without_matplotlib_the_remedy_is_named(monkeypatch):
    original = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    profile = FIT.profile("x", points=2)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DependencyError, match=r"pip install 'glmstat\[plot\]'"):
        profile.plot()
