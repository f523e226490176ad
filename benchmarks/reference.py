"""The careful fit that every coefficient and standard error is compared with.

Newton's method with the observed information on a design matrix of dummies, piece by piece in plain numpy and
scipy.sparse, sums of pieces in extended precision, until the step is rounding: nothing of it is shared with
glmstat. Kept beside the data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from samples import Workload, kept, pieces
from scipy import linalg, sparse, special

ROUNDING = 1e-15
STEPS = 40


def design(workload: Workload, piece: Any) -> Any:
    """Return intercept, numeric columns and dummies: sparse where a factor has many levels."""
    dense = np.column_stack(
        [np.ones(len(piece)), *(piece[name].to_numpy(float) for name in workload.numeric)]
    )
    dummies = []
    for name, levels in workload.factors:
        codes = codes_of(piece[name])
        indicator = sparse.csr_array(
            (np.ones(len(codes)), (np.arange(len(codes)), codes)), (len(codes), levels)
        )
        dummies.append(indicator[:, 1:])
    if workload.columns > 1000 and dummies:
        return sparse.csr_array(sparse.hstack([sparse.csr_array(dense), *dummies]))
    return np.column_stack([dense, *(dummy.toarray() for dummy in dummies)])


def codes_of(column: Any) -> Any:
    return (column if hasattr(column, "cat") else column.astype("category")).cat.codes.to_numpy()


def parts(workload: Workload, y: Any, eta: Any, theta: float = np.nan) -> tuple[Any, Any, Any, Any]:
    """Return residual, observed and expected weight, and Pearson's terms."""
    if workload.family == "negative_binomial":
        mean = np.exp(eta)
        share = theta / (theta + mean)
        return (
            (y - mean) * share, (theta + y) * mean * share / (theta + mean), mean * share,
            (y - mean) ** 2 * share / mean,
        )  # fmt: skip
    if workload.family == "poisson":
        mean = np.exp(eta)
        return y - mean, mean, mean, (y - mean) ** 2 / mean
    if workload.family == "gamma":
        ratio = y * np.exp(-eta)
        return ratio - 1, ratio, np.ones_like(ratio), (ratio - 1) ** 2
    mean = 1 / (1 + np.exp(-eta))
    weight = mean * (1 - mean)
    return y - mean, weight, weight, (y - mean) ** 2 / weight


def blocks(workload: Workload, rows: int) -> Iterator[tuple[Any, Any, Any]]:
    for piece in pieces(workload, rows):
        offset = np.log(piece["t"].to_numpy()) if workload.exposure else 0.0
        yield design(workload, piece), piece["y"].to_numpy(float), offset


def product(X: Any, weight: Any) -> Any:
    if sparse.issparse(X):
        return (X.T @ (sparse.diags_array(weight) @ X)).toarray()
    return X.T @ (X * weight[:, None])


def sums(
    workload: Workload, designs: Any, beta: Any, *, expected: bool, theta: float = np.nan
) -> tuple[Any, Any, float]:
    score = np.zeros(len(beta), dtype=np.longdouble)
    information = np.zeros((len(beta), len(beta)))
    pearson = 0.0
    for X, y, offset in designs:
        residual, observed, fisher, terms = parts(workload, y, X @ beta + offset, theta)
        score += X.T @ residual
        information += product(X, fisher if expected else observed)
        pearson += float(terms.sum())
    return score.astype(float), information, pearson


def newton(workload: Workload, rows: int) -> dict[str, Any]:
    designs = list(blocks(workload, rows)) if workload.columns * rows < 1e8 or workload.factors else None

    def again() -> Any:
        return blocks(workload, rows) if designs is None else designs

    beta = np.zeros(workload.columns)
    beta[0] = start(workload, rows)
    sizes, theta = [], 1.0
    for _ in range(STEPS):
        if workload.family == "negative_binomial":
            theta = most_likely(again(), beta, theta)
        score, information, _ = sums(workload, again(), beta, expected=False, theta=theta)
        step = linalg.solve(information, score, assume_a="pos")
        beta = beta + step
        sizes.append(float(np.max(np.abs(step) / np.maximum(np.abs(beta), 1e-3))))
        if sizes[-1] <= ROUNDING or (sizes[-1] < 1e-12 and sizes[-1] >= 0.5 * sizes[-2]):
            break
    _, information, pearson = sums(workload, again(), beta, expected=True, theta=theta)
    dispersion = pearson / (rows - workload.columns) if workload.family == "gamma" else 1.0
    variance = np.diag(linalg.inv(information)) * dispersion
    return {"coef": beta, "std_error": np.sqrt(variance), "steps": np.array(sizes)}


def most_likely(designs: Any, beta: Any, theta: float) -> float:
    """Return theta of the negative binomial at the means of some coefficients."""
    rows = [(y, np.exp(X @ beta + offset)) for X, y, offset in designs]
    for _ in range(STEPS):
        score, information = 0.0, 0.0
        for y, mean in rows:
            total = theta + mean
            terms = special.digamma(y + theta) - special.digamma(theta) - np.log1p(mean / theta)
            score += float((terms + (mean - y) / total).sum(dtype=np.longdouble))
            curves = special.polygamma(1, theta) - special.polygamma(1, y + theta) - 1 / theta
            information += float((curves + 2 / total - (y + theta) / total**2).sum(dtype=np.longdouble))
        step = score / information
        theta = theta + step if theta + step > 0 else theta / 2
        if abs(step) <= ROUNDING * theta:
            break
    return theta


def start(workload: Workload, rows: int) -> float:
    """Return the intercept of the model without terms."""
    total, weight = 0.0, 0.0
    for piece in pieces(workload, rows):
        total += float(piece["y"].sum())
        weight += float(piece["t"].sum()) if workload.exposure else len(piece)
    rate = total / weight
    return float(np.log(rate / (1 - rate))) if workload.family == "binomial" else float(np.log(rate))


def careful(workload: Workload, rows: int) -> dict[str, Any]:
    """Return `coef` and `std_error`, (p,) each: intercept, numeric columns, levels but the first."""
    path: Path = kept(workload, rows) / "careful.npz"
    if not path.exists():
        draft = path.with_name("draft.npz")
        np.savez(draft, **newton(workload, rows))
        draft.rename(path)
    with np.load(path) as found:
        return {name: found[name] for name in found.files}
