"""Every valid pair of family and link, with data for it: one table for all tests that go through them."""

from collections.abc import Iterator

import numpy as np

from glmstat.families import FAMILIES, as_family
from glmstat.links import LINKS

ARGUMENT = {"negative_binomial": "(3/2)", "tweedie": "(1.5)", "quasi": "(mu)"}


def pairs() -> Iterator[tuple[str, str]]:
    """Every link of every family, the registries being the table."""
    for name in FAMILIES:
        family = name + ARGUMENT.get(name, "")
        for link in as_family(family).links or LINKS:
            yield family, "power(1/3)" if link == "power" else link


def rows(family: str, link: str, n: int = 120) -> dict[str, np.ndarray]:
    """Data whose predictor is linear, well inside what the link allows; an offset and weights."""
    rng = np.random.default_rng(sum(map(ord, family + link)))
    X = rng.uniform(-1, 1, (n, 3)) * [1.0, 5.0, 0.2] + [0.0, 40.0, -3.0]
    g = as_family(family, link).link
    share = family.startswith(("binomial", "quasibinomial")) or g.means[1] == 1.0
    ends = g.eta(np.array([0.3, 0.6] if share else [1.0, 2.5]))
    middle, reach = ends.mean(), abs(ends[1] - ends[0]) / 2
    offset = 0.1 * reach * rng.uniform(-1, 1, n)
    z = (X - [0.0, 40.0, -3.0]) / [1.0, 5.0, 0.2]
    mu = g.mean(middle + reach * z @ [0.5, -0.3, 0.1] + offset)
    if family.startswith(("binomial", "quasibinomial")):
        y = (rng.random(n) < mu).astype(float)
    elif family.startswith(("poisson", "quasipoisson", "negative", "tweedie")) or "mu" in family:
        y = rng.poisson(3 * mu) / 3 if share else rng.poisson(mu).astype(float)
    else:
        y = mu * rng.gamma(20, 1 / 20, n)
    return {"y": y, "o": offset, "w": rng.integers(1, 4, n).astype(float)} | {
        f"x{k}": X[:, k] for k in range(3)
    }
