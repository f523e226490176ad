"""Which fits may be compared, what an unlike pair is told, and how one model lies in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import glmstat
from glmstat import glm
from glmstat.errors import ComparisonError, DataError
from glmstat.fit import Fit
from glmstat.inference.deviance.anova import anova
from glmstat.inference.deviance.comparison import check_alike
from glmstat.inference.deviance.nesting import nested

D = pd.read_csv(Path(__file__).parent / "data" / "features_check_data.csv")
D["h"] = (["u", "v", "w"] * 14)[: len(D)]
D["z"] = np.cos(np.arange(len(D)))


def missing(*rows: int, column: str = "f") -> pd.DataFrame:
    data = D.copy()
    data.loc[list(rows), column] = None if column == "f" else np.nan
    return data


def poisson(formula: str, data: Any = D, **words: Any) -> Fit:
    return glm(formula, data, "poisson", **words)


# ---------------------------------------------------------------- rows, response, weights


def test_other_rows_are_named() -> None:
    large, small = poisson("y ~ x + f", missing(1, 2, 3)), poisson("y ~ x", missing(1, 2, 3))
    with pytest.raises(ComparisonError) as error:
        anova(large, small)
    assert str(error.value) == (
        "Models use different rows: 37 and 40 (rows 1, 2, 3 only in the second). "
        "Refit both with subset=, or drop the missing rows first."
    )


def test_rows_of_both_sides_and_many_rows() -> None:
    first = poisson("y ~ x", subset="x > -0.5")
    with pytest.raises(ComparisonError, match=r"\(rows .* only in the first; row.* only in the second\)"):
        anova(first, poisson("y ~ 1", subset="x < 0"))
    with pytest.raises(ComparisonError, match=r"rows 0, 1, 2, 3, 4, … \(20 rows\) only in the first"):
        anova(poisson("y ~ 1", subset=np.arange(40) < 20), poisson("y ~ x", subset=np.arange(40) >= 20))


def test_rows_count_in_the_data_as_given() -> None:
    dropped = missing(1, 2).dropna()
    assert anova(poisson("y ~ x", dropped), poisson("y ~ x + f", missing(1, 2)))["df"][1] == 1
    with pytest.raises(ComparisonError, match="Models use different rows: 38 and 40"):
        anova(poisson("y ~ x", dropped), poisson("y ~ x + f", D))


def test_rows_of_a_binary_response_are_compared_by_number() -> None:
    data = pd.DataFrame({"y": [0, 1, 1, 0, 1, 0, 1, 0], "x": [1.0, 2, 3, 1, 2, 3, 2, 1]})
    first = glm("y ~ 1", data, "binomial", subset=np.arange(8) != 1)
    second = glm("y ~ x", data, "binomial", subset=np.arange(8) != 2)
    with pytest.raises(ComparisonError, match="row 2 only in the first; row 1 only in the second"):
        anova(first, second)


def test_responses() -> None:
    with pytest.raises(ComparisonError, match=r"different responses: g and log\(g\), .* in row 0"):
        anova(glm("g ~ 1", D), glm("log(g) ~ x", D))
    changed = D.assign(y=D["y"] + (D.index == 4))
    with pytest.raises(ComparisonError, match="different responses: y and y, 4 and 5 in row 4"):
        anova(poisson("y ~ 1", D), poisson("y ~ x", changed))


def test_weights() -> None:
    plain, heavy = poisson("y ~ 1"), poisson("y ~ x", weights="w")
    with pytest.raises(ComparisonError, match=r"different prior weights: 1 and 0\.663209 in row 0"):
        anova(plain, heavy)
    with pytest.raises(ComparisonError, match="only the second has frequency weights"):
        anova(plain, poisson("y ~ x", freq_weights="s"))
    with pytest.raises(ComparisonError, match="only the second has sampling weights"):
        anova(plain, poisson("y ~ x", sampling_weights="w"))
    with pytest.raises(ComparisonError, match="different frequency weights: 5 and 6 in row 0"):
        anova(poisson("y ~ 1", freq_weights="s"), poisson("y ~ x", freq_weights="s + 1"))
    assert anova(poisson("y ~ 1", weights=D["w"].to_numpy()), heavy)["df"][1] == 1


def test_counts_and_shares_are_one_response() -> None:
    counts = glm("cbind(s, 10 - s) ~ 1", D, "binomial")
    shares = glm("I(s / 10) ~ x", D, "binomial", weights=np.full(40, 10.0))
    assert anova(counts, shares)["deviance"][1] == pytest.approx(counts.deviance - shares.deviance)
    with pytest.raises(ComparisonError, match="different numbers of trials: 10 and 20 in row 0"):
        anova(counts, glm("cbind(2 * s, 20 - 2 * s) ~ x", D, "binomial"))


# ---------------------------------------------------------------- family, link, dispersion


def test_families_links_and_dispersions() -> None:
    with pytest.raises(ComparisonError, match="different families: poisson and quasipoisson"):
        anova(poisson("y ~ 1"), glm("y ~ x", D, "quasipoisson"))
    with pytest.raises(ComparisonError, match=r"families: negative_binomial\(2\) and negative_binomial\(3\)"):
        anova(glm("y ~ 1", D, "negative_binomial(2)"), glm("y ~ x", D, "negative_binomial(3)"))
    with pytest.raises(ComparisonError, match=r"different links: log and sqrt\. They are not nested"):
        anova(poisson("y ~ 1"), poisson("y ~ x", link="sqrt"))
    gamma: dict[str, Any] = {"family": "gamma", "link": "log"}
    with pytest.raises(ComparisonError, match=r"dispersion: .* \(Pearson\) and .* \(maximum likelihood\)"):
        anova(glm("g ~ 1", D, **gamma), glm("g ~ x", D, dispersion="ml", **gamma))
    with pytest.raises(ComparisonError, match=r"1 \(given\) and 2 \(given\)"):
        anova(glm("g ~ 1", D, dispersion=1.0, **gamma), glm("g ~ x", D, dispersion=2.0, **gamma))


def test_an_unlike_fit_anywhere_is_found() -> None:
    with pytest.raises(ComparisonError, match="different links"):
        check_alike(
            [poisson("y ~ 1"), poisson("y ~ x"), poisson("y ~ x + f", link="identity", start=[2, 0, 0])]
        )


# ---------------------------------------------------------------- nesting


def test_models_that_are_not_nested() -> None:
    with pytest.raises(ComparisonError) as error:
        anova(poisson("y ~ z"), poisson("y ~ x + f"))
    assert str(error.value) == (
        "Models are not nested: z of 'y ~ z' cannot be written in the columns of 'y ~ x + f'. "
        "Compare their aic, or fit a model that holds both."
    )
    with pytest.raises(ComparisonError, match="have the same degrees of freedom"):
        anova(poisson("y ~ z"), poisson("y ~ x"))
    with pytest.raises(
        ComparisonError, match=r"offsets: offset log\(t\) in the smaller, no offset in the larger"
    ):
        anova(poisson("y ~ 1 + offset(log(t))"), poisson("y ~ x"))


@pytest.mark.parametrize(
    ("small", "large", "df"),
    [
        ("g ~ x", "g ~ x * f", 2),
        ("g ~ h", "g ~ 0 + h + x", 1),
        ("g ~ 0 + f", "g ~ f * x", 2),
        ("g ~ poly(x, 2)", "g ~ I(x^2) + x + I(x^3)", 1),
        ("g ~ I(x + z)", "g ~ x + z", 1),
        ("g ~ I(x + z) + f", "g ~ (x + z) * f", 3),
        ("g ~ 0", "g ~ 0 + x", 1),
        ("g ~ x + I(2 * x)", "g ~ x + z", 1),
        ("g ~ x", "g ~ I(2 * x) + x + z", 1),
    ],
)
def test_the_smaller_model_in_the_coefficients_of_the_larger(small: str, large: str, df: int) -> None:
    one, two = glm(small, D), glm(large, D)
    found = nested(one, two)
    assert found.matrix.shape == (df, len(two.columns))
    X = two.frame.block(0).X[0].to_array()  # pyright: ignore[reportOptionalMemberAccess]
    beta = found.image @ np.nan_to_num(one.estimate.theta) + found.shift
    np.testing.assert_allclose(X @ beta, one.predict(type="link"), atol=1e-12)
    np.testing.assert_allclose(found.matrix @ beta, found.value, atol=1e-12)
    assert np.linalg.matrix_rank(found.matrix) == df
    f = (one.deviance - two.deviance) / df / two.dispersion
    for test in ("F", "Wald"):
        assert anova(one, two, test=test)["statistic"][1] == pytest.approx(f, rel=1e-10)


def test_columns_that_nearly_agree_are_not_the_same() -> None:
    near = D.assign(v=D["x"] + 1e-6 * D["z"])
    with pytest.raises(ComparisonError, match="v of 'y ~ v'"):
        anova(poisson("y ~ v", near), poisson("y ~ x + f", near))


def test_a_large_mean_does_not_hide_a_difference() -> None:
    near = D.assign(year=2000.0 + D["x"], v=2000.0 + D["x"] + 1e-6 * D["z"])
    with pytest.raises(ComparisonError, match="v of 'y ~ v'"):
        anova(poisson("y ~ v", near), poisson("y ~ year + f", near))
    assert anova(poisson("y ~ year", near), poisson("y ~ I(year - 2000) + f", near))["df"][1] == 1


def test_large_values_do_not_hide_nesting() -> None:
    years = D.assign(year=2000.0 + np.arange(40) % 11)
    small = glm("g ~ year + I(year^2)", years)
    assert anova(small, glm("g ~ poly(year, 3)", years))["df"][1] == 1


def test_a_held_coefficient_is_a_restriction_with_a_value() -> None:
    found = nested(poisson("y ~ f + offset(0.5 * x)"), poisson("y ~ f + x"))
    np.testing.assert_allclose(found.matrix, [[0, 0, 1]])
    np.testing.assert_allclose(found.value, [0.5], rtol=1e-12)


# ---------------------------------------------------------------- fits without rows


def saved(fit: Fit, tmp_path: Path) -> Fit:
    fit.save(tmp_path / "fit.glm")
    return glmstat.load(tmp_path / "fit.glm")


def test_saved_fits_are_compared_by_what_they_keep(tmp_path: Path) -> None:
    small, large = poisson("y ~ x"), poisson("y ~ x * f")
    table = anova(saved(small, tmp_path), saved(large, tmp_path))
    assert table["p_value"] == anova(small, large)["p_value"]
    with pytest.raises(ComparisonError, match="use different rows: 37 and 40"):
        anova(saved(poisson("y ~ x + f", missing(1, 2, 3)), tmp_path), small)
    with pytest.raises(ComparisonError, match="other fingerprints"):
        anova(saved(poisson("y ~ 1", D.assign(y=D["y"] + 1)), tmp_path), small)
    with pytest.raises(ComparisonError, match="have different weights: their sums are"):
        anova(saved(poisson("y ~ 1", weights="w"), tmp_path), poisson("y ~ x", weights="2 * w"))


def test_what_needs_rows_says_so(tmp_path: Path) -> None:
    small, large = poisson("y ~ poly(x, 2)"), poisson("y ~ x + I(x^2) + f")
    for test in ("LRT", "Rao", "Wald"):
        with pytest.raises(DataError, match="needs the rows of the fit"):
            anova(saved(small, tmp_path), large, test=test)
    whole = saved(small, tmp_path).with_data(D)
    assert anova(whole, large)["p_value"] == anova(small, large)["p_value"]
