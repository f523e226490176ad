"""Make hard_cases.json: python -m tests.reference.make_hard_cases (from the repository root; a minute).

Each case with an optimum inside is certified by Newton's method with 50 digits on its double data. R's glm
(when Rscript is on the path; MASS for the negative binomial) and statsmodels are run at their defaults, and
what they do is recorded in the case: an own case is kept only where one of them fails or holds fewer than
8 digits.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

from tests.reference import hard
from tests.reference.hard_list import own, table
from tests.reference.reference import digits


@hard.precise
def certify(entry: dict[str, Any]) -> dict[str, float] | None:
    """Coefficients with 50 digits, or None where there is no maximum inside; sets se and deviance."""
    problem = hard.Problem(entry)
    ends = [climb(problem, mp.matrix(start)) for start in starts(entry, problem)]
    reached = [(inside(problem, beta).deviance, beta) for beta in ends if inside(problem, beta)]
    beta = min(reached, key=lambda end: end[0])[1]
    for _ in range(40):
        point = inside(problem, beta)
        if point is None:
            return None
        try:
            step = hard.solve(point.observed, point.score)
        except ZeroDivisionError:
            return None
        beta = beta + step
        if all(abs(s) <= mp.mpf(10) ** -35 * abs(b) for s, b in zip(step, beta, strict=True)):
            break
    else:
        return None
    point = inside(problem, beta)
    if point is None or min(mp.eigsy(hard.scaled(point.observed)[0], eigvals_only=True)) <= 0:
        return None
    entry["se"] = dict(zip(problem.names, problem.std_errors(point), strict=True))
    entry["deviance"] = float(point.deviance)
    entry["deviance_noise"] = problem.noise(beta)
    return dict(zip(problem.names, map(float, beta), strict=True))


def inside(problem: hard.Problem, beta: Any) -> hard.Point | None:
    """The likelihood at `beta`, or None outside its domain."""
    try:
        point = problem.at(beta)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    real = isinstance(point.deviance, mp.mpf) and all(isinstance(u, mp.mpf) for u in point.score)
    return point if real and mp.isfinite(point.deviance) else None


def climb(problem: hard.Problem, beta: Any) -> Any:
    """Descent of the deviance by Newton steps with the curvature made positive, to a rough minimum."""
    with mp.workdps(25):
        point = inside(problem, beta)
        for _ in range(80 if point else 0):
            unit, scale = hard.scaled(point.expected)
            observed = mp.matrix(unit.rows, unit.rows)
            for j in range(unit.rows):
                for k in range(unit.rows):
                    observed[j, k] = point.observed[j, k] * scale[j] * scale[k]
            values, vectors = mp.eigsy(observed)
            score = vectors.T * mp.matrix([u * s for u, s in zip(point.score, scale, strict=True)])
            step = vectors * mp.matrix([u / max(abs(v), 0.02) for u, v in zip(score, values, strict=True)])
            step = mp.matrix([d * s for d, s in zip(step, scale, strict=True)])
            gain = (point.score.T * step)[0]
            t = mp.mpf(1)
            while t > 1e-9:
                new = inside(problem, beta + t * step)
                if new and new.deviance <= point.deviance - 1e-4 * t * gain:
                    break
                t /= 2
            else:
                break
            beta, point = beta + t * step, new
            if gain < 1e-16:
                break
    return beta


def starts(entry: dict[str, Any], problem: hard.Problem) -> list[list[float]]:
    """R's first guess, the constant mean and random changes of the two, as far as they lie in the domain."""
    if "given" in entry:
        return [[mp.mpf(text) for text in entry["given"].values()]]
    if "start" in entry:
        return [entry.pop("start")]
    x = np.array([[float(v) for v in row] for row in problem.x])
    offset = np.array([float(v) for v in problem.offset])
    guess = np.array([float(problem.mean.link(m)) for m in starting_means(problem)]) - offset
    total = mp.fsum(problem.w)
    middle = float(problem.mean.link(mp.fdot(problem.w, problem.y) / total)) - float(offset.mean())
    rng = np.random.default_rng(1)
    first = np.linalg.lstsq(x, guess, rcond=None)[0]
    flat = np.r_[middle, np.zeros(x.shape[1] - 1)]
    mixed = [flat + t * (first - flat) for t in (0.5, 0.25)]
    found = [first, flat, *mixed, *(flat * rng.normal(1, 0.3) + first * rng.normal(0, 0.5) for _ in range(4))]
    return [list(beta) for beta in found if inside(problem, mp.matrix(list(beta)))]


def starting_means(problem: hard.Problem) -> list[Any]:
    """R's starting means, roughly."""
    half = mp.mpf(1) / 2
    family = problem.variance
    binomial = family.value(mp.mpf(2)) < 0
    if binomial:
        return [(w * y + half) / (w + 1) for y, w in zip(problem.y, problem.w, strict=True)]
    return [max(y, mp.mpf(10) ** -2) if y <= 0 else y + mp.mpf(10) ** -9 for y in problem.y]


R_SCRIPT = """
suppressMessages(library(MASS)); d <- read.csv("{data}")
out <- tryCatch({{
  f <- suppressWarnings(glm({formula}, family = {family}, data = d{weights}))
  list(converged = f$converged, coef = sprintf("%.17g", coef(f)))
}}, error = function(e) list(error = conditionMessage(e)))
lines <- if (is.null(out$error)) c("ok", out$converged, out$coef) else c("error", gsub("\\n", " ", out$error))
cat(lines, sep = "\\n")
"""
R_FAMILY = {
    "gaussian": "gaussian",
    "poisson": "poisson",
    "binomial": "binomial",
    "gamma": "Gamma",
    "inverse_gaussian": "inverse.gaussian",
}


def r_link(link: str) -> str:
    """The link as an argument of an R family."""
    name, number = hard.split(link)
    if name == "power":
        return f"power({number})"
    return 'make.link("1/mu^2")' if name == "inverse_squared" else f'make.link("{name}")'


def run_r(entry: dict[str, Any], data: dict[str, list[float]]) -> dict[str, Any]:
    """What R's glm gives at defaults."""
    name, number = hard.split(entry["family"])
    family = (
        f"negative.binomial({number}, link = {hard.split(entry['link'])[0]})"
        if name == "negative_binomial"
        else f"{R_FAMILY[name]}(link = {r_link(entry['link'])})"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(data)
            writer.writerows([[repr(v) for v in row] for row in zip(*data.values(), strict=True)])
        weights = f", weights = {entry['weights']}" if entry.get("weights") else ""
        script = R_SCRIPT.format(data=path, formula=entry["formula"], family=family, weights=weights)
        lines = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    if lines[0] == "error":
        return {"error": lines[1][:90]}
    return verdict(entry, [float("nan") if v == "NA" else float(v) for v in lines[2:]], lines[1] == "TRUE")


def run_statsmodels(entry: dict[str, Any], data: dict[str, list[float]]) -> dict[str, Any]:
    """What statsmodels' GLM gives at defaults."""
    import statsmodels.api as sm

    links, families = sm.families.links, sm.families
    name, number = hard.split(entry["link"])
    made = {
        "identity": links.Identity,
        "log": links.Log,
        "logit": links.Logit,
        "probit": links.Probit,
        "sqrt": links.Sqrt,
        "cauchit": links.Cauchy,
        "cloglog": links.CLogLog,
        "loglog": links.LogLog,
        "inverse": links.InversePower,
        "inverse_squared": links.InverseSquared,
    }
    top, _, bottom = number.partition("/")
    link = links.Power(float(top) / float(bottom or 1)) if name == "power" else made[name]()
    title, theta = hard.split(entry["family"])
    top, _, bottom = theta.partition("/")
    family = {
        "gaussian": families.Gaussian,
        "poisson": families.Poisson,
        "binomial": families.Binomial,
        "gamma": families.Gamma,
        "inverse_gaussian": families.InverseGaussian,
        "negative_binomial": partial(families.NegativeBinomial, alpha=float(bottom or 1) / float(top or 1)),
    }[title](link=link, check_link=False)
    x = np.column_stack([np.ones(entry["n"]) if c == "1" else data[c] for c in entry["design"].values()])
    roles = {"var_weights": entry.get("weights"), "offset": entry.get("offset")}
    given = {word: np.array(data[column]) for word, column in roles.items() if column}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = sm.GLM(np.array(data["y"]), x, family=family, **given).fit()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:90]}
    return verdict(entry, list(result.params), bool(result.converged))


def verdict(entry: dict[str, Any], values: list[float], converged: bool) -> dict[str, Any]:
    """Digits of the worst coefficient, on the scale of the reference cases."""
    pairs = zip(entry["coef"].items(), values, strict=False)
    worst = min(digits(v, c, 1e-3 * entry.get("se", {}).get(name, 0.0)) for (name, c), v in pairs)
    return {"converged": converged, "digits": round(worst, 1)}


def is_hard(entry: dict[str, Any]) -> bool:
    """Whether R or statsmodels fails, says it did not converge, or holds fewer than 8 digits."""
    return any(o.get("digits", 0.0) < 8 or not o.get("converged") for o in entry["others"].values())


def finish(entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry with its numbers and those of others, or None where it is of no use."""
    if entry.pop("certify", True):
        found = certify(entry)
        if found is None:
            print(f"{entry['id']}: no maximum inside")
            return None
        entry["coef"] = found
        for name, text in entry.pop("given", {}).items():
            agree = digits(found[name], float(text), 1e-3 * entry["se"][name])
            if agree < min(10.5, len(text.strip("-.0").partition("e")[0])):
                print(f"{entry['id']}: {name} is {found[name]!r}, given {text}: {agree:.1f} digits")
    else:
        entry["coef"] = {name: float(text) for name, text in entry.pop("given").items()}
    data = hard.columns(entry)
    entry["others"] = {"statsmodels": run_statsmodels(entry, data)}
    if shutil.which("Rscript") and hard.split(entry["link"])[0] != "loglog":
        entry["others"]["R"] = run_r(entry, data)
    print(entry["id"], entry["coef"], entry["others"])
    return entry


def versions() -> str:
    """What was run."""
    import statsmodels

    r = ["Rscript", "-e", "cat(R.version.string)"]
    found = (
        subprocess.run(r, capture_output=True, text=True, check=True).stdout
        if shutil.which("Rscript")
        else "no R"
    )
    return f"{found}, statsmodels {statsmodels.__version__}, mpmath {mp.__version__}"


def main() -> None:
    """Write the file."""
    only = sys.argv[1:]
    wanted = [entry for entry in (*table(), *own()) if not only or entry["id"].startswith(tuple(only))]
    made = [entry for entry in map(finish, wanted) if entry]
    kept = [entry for entry in made if entry["group"] == "table" or is_hard(entry)]
    print("not hard:", [entry["id"] for entry in made if entry not in kept])
    for entry in kept:
        entry["coef"] = {k: v if math.isfinite(v) else str(v) for k, v in entry["coef"].items()}
    if only:
        return
    about = f"Hard fits; data as hard.py makes them, numbers by make_hard_cases.py. {versions()}."
    hard.FILE.write_text(json.dumps({"about": about, "cases": kept}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
