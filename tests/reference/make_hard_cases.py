"""Make hard_cases.json: python -m tests.reference.make_hard_cases (from the repository root; a minute).

Each case with an optimum inside is certified by Newton's method with 50 digits on its double data. R's glm
(when Rscript is on the path; MASS for the negative binomial) and statsmodels are run at their defaults, and
what they do is recorded in the case: an own case is kept only where one of them fails or holds fewer than 8 digits.
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
from tests.reference.reference import digits

X, E = "2 * u(2) - 1", "u(5)"
PLAIN = {"Intercept": "1", "x": "x"}


def case(
    name: str,
    family: str,
    link: str,
    y: str | list[float],
    *,
    group: str = "own",
    n: int = 50,
    formula: str = "y ~ x",
    design: dict[str, str] | None = None,
    status: str = "converged",
    x: str | list[float] = X,
    more: dict[str, str] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """A case: model 1 + x unless a design (coefficient → column) says otherwise."""
    return {
        "id": name,
        "group": group,
        "n": n,
        "columns": {"x": x, "e": E, **(more or {}), "y": y},
        "formula": formula,
        "design": design or PLAIN,
        "family": family,
        "link": link,
        "status": status,
        **rest,
    }


def table() -> list[dict[str, Any]]:
    """The cases of the plan with a fixed table of numbers; `given` are the digits printed there."""

    def row(number: int, name: str, family: str, link: str, y: Any, given: dict[str, str], **rest: Any) -> dict[str, Any]:
        return case(f"h{number:02d}-{name}", family, link, y, group="table", given=given, **rest)

    def two(first: str, second: str) -> dict[str, str]:
        return {"Intercept": first, "x": second}

    cubic = {"Intercept": "1", "t": "t", "I(t ** 2)": "t2", "I(t ** 3)": "t3"}
    years = {"t": "2000 + i % 11 - 5", "t2": "t * t", "t3": "t * t * t", "t4": "t * t * t * t"}
    years_given = {
        "Intercept": "-237317.4662227", "t": "351.2950596286", "I(t ** 2)": "-.1733109336941", "I(t ** 3)": "2.849643539467e-5",
    }  # fmt: skip
    counts = "floor(4 * e)"
    group = {"g": "1.0 * (i <= 3)"}
    boundary = {"status": "boundary", "certify": False}
    separated = {"status": "separated", "certify": False}
    count_up = "i - 1"
    return [
        row(1, "gaussian-log", "gaussian", "log", "exp(1 + 2 * x) + (e - .5)", two(".99561880585", "2.01174765632")),
        row(2, "gaussian-inverse", "gaussian", "inverse", "1 / (2 + 1.5 * x) + .2 * (e - .5)", two("2.00068979009", "1.49333627593")),
        row(3, "gamma-identity", "gamma", "identity", "2 * e * (1.1 + x) + .01", two("1.12673744909", "1.04075587591")),
        row(4, "gamma-inverse", "gamma", "inverse", "2 * e / (1.1 + x) + .01", two("1.06364472405", ".924170798821")),
        row(5, "gamma-power", "gamma", "power(1/3)", "2 * e * (1.5 + x) ** 3 + .01", two("1.51631167918", "1.05556391463")),
        row(6, "ig-log", "inverse_gaussian", "log", "exp(1 + 3 * x + 4 * (e - .5))", two("1.4394442418", "2.95456350725")),
        row(7, "ig-identity", "inverse_gaussian", "identity", "(1.1 + x) * exp(3 * (e - .5))", two("1.3876512889", "1.21303433938")),
        row(8, "ig-inverse-squared", "inverse_gaussian", "inverse_squared", "(1.1 + x) ** -.5 * exp(2 * (e - .5))", two(".765323581296", ".63343554304")),
        row(9, "nb-sqrt", "negative_binomial(2)", "sqrt", "floor(2 * e * (2 + 1.5 * x) ** 2)", two("1.88614169571", "1.90803505099")),
        row(10, "nb-log", "negative_binomial(2)", "log", "floor(2 * e * exp(1 + 2 * x))", two(".659847203734", "2.64490040078")),
        row(11, "poisson-sqrt", "poisson", "sqrt", "floor(2 * e * (1.5 + x) ** 2)", two("1.30304686721", "1.29843809832")),
        row(12, "binomial-cauchit", "binomial", "cauchit", "1.0 * (e < .5 + atan(3 * x) / pi)", two(".38376091446", "2.68236068222")),
        row(13, "binomial-log", "binomial", "log", "1.0 * (e < exp(-1 + .7 * x))", two("-.855710439637", ".498147962566")),
        row(14, "binomial-identity", "binomial", "identity", "1.0 * (e < .5 + .3 * x)", two(".525660013795", ".234544996766")),
        row(15, "binomial-cloglog", "binomial", "cloglog", "1.0 * (e < 1 - exp(-exp(-1 + 2 * x)))", two("-.90121366895", "1.98347698276")),
        row(16, "poisson-offset-8", "poisson", "log", "floor(6 * e)", two("-6.40157070508", "-.141946737754"), formula="y ~ x + offset(o)", more={"o": "8 * (-1) ** i"}, offset="o"),
        row(17, "poisson-offset-70", "poisson", "log", "floor(6 * e)", two("-69.1000629723", ".0250718483583"), formula="y ~ x + offset(o)", more={"o": "70"}, offset="o"),
        row(18, "poisson-1e15", "poisson", "log", "round(1e15 * exp(x))", two("34.5387763949", "1.0"), iterations=5, note="rounding"),
        row(19, "logit-weights-1e9", "binomial", "logit", "round(1e9 * expit(x)) / 1e9", two("3.6277e-10", ".999999999903"), more={"w": "1e9"}, weights="w", absolute=1e-15),
        row(20, "poisson-identity-edge", "poisson", "identity", "floor(4 * e * (1.2 + x))", two("2.0497227835", "2.10095804395"), tolerance=1e-8, **boundary),
        row(21, "poisson-identity-line", "poisson", "identity", [0, 0, 1, 3, 5, 6], two("0", "1"), n=6, x=count_up, **boundary),
        row(22, "log-binomial-edge", "binomial", "log", [0.1, 0.4, 0.8, 1.0], two("-1.4434485551", ".481149518365"), n=4, x=count_up, more={"w": "10"}, weights="w", bound_rows=[3], **boundary),
        row(23, "binomial-identity-edges", "binomial", "identity", [0.0, 0.1, 0.6, 1.0], two("0", ".3333333333333333"), n=4, x=count_up, more={"w": "10"}, weights="w", bound_rows=[0, 3], **boundary),
        row(24, "poisson-sqrt-edge", "poisson", "sqrt", [0, 0, 1, 3, 5, 9], two("0", repr(math.sqrt(18 / 55))), n=6, x=count_up, **boundary),
        *perfect(),
        row(26, "poisson-zeros", "poisson", "log", "0", {"Intercept": "-inf"}, formula="y ~ 1", design={"Intercept": "1"}, **separated),
        row(27, "poisson-zero-level", "poisson", "log", "0 if i <= 3 else floor(4 * e)", {"Intercept": ".398347640339", "g": "-inf"}, formula="y ~ g", design={"Intercept": "1", "g": "g"}, more=group, **separated),
        row(28, "logit-pure-level", "binomial", "logit", "1 if i <= 3 else i % 2", {"Intercept": repr(math.log(23 / 24)), "g": "inf"}, formula="y ~ g", design={"Intercept": "1", "g": "g"}, more=group, separated_rows=[0, 1, 2], **separated),
        row(29, "poisson-years-cubic", "poisson", "log", counts, years_given, formula="y ~ t + I(t^2) + I(t^3)", design=cubic, more=years, tolerance=1e-7),
        row(30, "poisson-years-quartic", "poisson", "log", counts, years_given, formula="y ~ t + I(t^2) + I(t^3) + I(t^4)", design=cubic, more=years, tolerance=1e-7, aliased=["I(t ** 4)"]),
        *near_collinear(),
        row(32, "poisson-extreme-scales", "poisson", "log", counts, {"Intercept": ".2148123044156", "a": ".2003148622842e200", "b": ".302468274106e-200"}, formula="y ~ a + b", design={"Intercept": "1", "a": "a", "b": "b"}, more={"a": "1e-200 * x", "b": "1e200 * u(3)"}),
    ]  # fmt: skip


def perfect() -> list[dict[str, Any]]:
    """Case 25: exact lines on the link scale."""
    lines = {"identity": ("{}", "1 + 2 * x"), "log": ("exp({})", "1 + 2 * x"), "inverse": ("1 / ({})", "3 + 2 * x")}
    pairs = [(f, k) for f in ("gaussian", "gamma", "inverse_gaussian") for k in lines]
    out = []
    for family, link in pairs:
        shape, line = lines[link]
        if (family, link) in (("gamma", "identity"), ("inverse_gaussian", "identity")):
            line = "3 + 2 * x"  # the mean must be positive
        out.append(
            case(
                f"h25-perfect-{family}-{link}", family, link, shape.format(line), group="table", status="perfect fit",
                given={"Intercept": line[0], "x": "2"}, tolerance=1e-13, iterations=3, certify=False,
            )
        )  # fmt: skip
    return out


def near_collinear() -> list[dict[str, Any]]:
    """Case 31: a column that is a combination of two others up to 2e-11, and up to 2e-13, of its size."""
    out = []
    for word, size in (("kept", "1e-10"), ("aliased", "1e-12")):
        more = {"z": "u(3)", "v": f"2 * x - z + {size} * u(7)"}
        design = {"Intercept": "1", "x": "x", "z": "z"} | ({"v": "v"} if word == "kept" else {})
        rest: dict[str, Any] = {"note": "up to", "tolerance": 1e-4} if word == "kept" else {"aliased": ["v"]}
        out.append(
            case(f"h31-combination-{word}", "gaussian", "identity", "e", group="table", formula="y ~ x + z + v", design=design, more=more, **rest)
        )  # fmt: skip
    return out


def own() -> list[dict[str, Any]]:
    """Candidates; those that both R and statsmodels solve at defaults to 8 digits are dropped."""
    z = {"z": "2 * u(3) - 1"}
    both = {"formula": "y ~ x + z", "design": {**PLAIN, "z": "z"}, "more": z}
    offset = {"formula": "y ~ x + offset(o)", "offset": "o"}
    weights = {"weights": "w"}
    return [
        case("own-ig-log-steep", "inverse_gaussian", "log", "exp(2 + 4 * x + 5 * (e - .5))"),
        case("own-ig-log-two", "inverse_gaussian", "log", "exp(-3 + 3 * x - 2 * z + 4 * (e - .5))", **both),
        case("own-ig-identity-near-zero", "inverse_gaussian", "identity", "(1.02 + x) * exp(2 * (e - .5))"),
        case("own-ig-sqrt", "inverse_gaussian", "sqrt", "(1.3 + x) ** 2 * exp(3 * (e - .5))"),
        case("own-gamma-power-half", "gamma", "power(1/2)", "2 * e * (1.2 + x) ** 2 + 1e-3"),
        case("own-gamma-power-quarter", "gamma", "power(1/4)", "2 * e * (1.3 + x) ** 4 + 1e-4"),
        case("own-gamma-power-minus-half", "gamma", "power(-1/2)", "2 * e * (1.2 + x) ** -2 + 1e-3"),
        case("own-gamma-identity-two", "gamma", "identity", "2 * e * (2.1 + x + z) + 1e-3", **both),
        case("own-gaussian-inverse", "gaussian", "inverse", "1 / (1.2 + x) + .3 * (e - .5)"),
        case("own-gaussian-inverse-two", "gaussian", "inverse", "1 / (3 + 1.5 * x - z) + .1 * (e - .5)", **both),
        case("own-gaussian-sqrt", "gaussian", "power(1/2)", "(1.5 + x) ** 2 + (e - .5)"),
        case("own-gaussian-log-far", "gaussian", "log", "exp(-20 + 9 * x) + 1e-6 * (e - .5)"),
        case("own-nb-sqrt-dispersed", "negative_binomial(1/2)", "sqrt", "floor(3 * e * e * (2 + 1.2 * x) ** 2) + 1.0 * (i % 5 == 0)"),
        case("own-nb-identity", "negative_binomial(1)", "identity", "floor(2 * e * (3 + 2 * x)) + 1.0 * (i % 6 == 0)"),
        case("own-nb-log-tiny-theta", "negative_binomial(1/20)", "log", "floor(exp(12 * e - 6 + 6 * x))"),
        case("own-cauchit-steep", "binomial", "cauchit", "1.0 * (e < .5 + atan(30 * x - 5) / pi)"),
        case("own-cauchit-two", "binomial", "cauchit", "1.0 * (e < .5 + atan(4 * x + 8 * z) / pi)", **both),
        case("own-log-binomial-grouped", "binomial", "log", "round(20 * exp(-.3 + .28 * x - .05 * e)) / 20", more={"w": "20"}, **weights),
        case("own-log-binomial-two", "binomial", "log", "1.0 * (e < exp(-1.5 + .6 * x + .6 * z))", **both),
        case("own-binomial-identity", "binomial", "identity", "round(40 * (.5 + .47 * x + .1 * (e - .5) * (1 - abs(x)))) / 40", more={"w": "40"}, **weights),
        case("own-poisson-identity-two", "poisson", "identity", "floor(2 * e * (4.1 + 2 * x + 2 * z)) + (1 if x + z < -1.5 else 0)", **both),
        case("own-poisson-sqrt-two", "poisson", "sqrt", "floor(2 * e * (2.5 + x - z) ** 2)", **both),
        case("own-poisson-offset-300", "poisson", "log", "1 + floor(6 * e)", more={"o": "300 * (-1) ** i"}, start=[-300.0, 0.0], **offset),
        case("own-poisson-offset-spread", "poisson", "log", "1 + floor(9 * e)", more={"o": "30 * (2 * u(7) - 1)"}, **offset),
        case("own-poisson-huge-and-zero", "poisson", "log", "floor(exp(1 + 35 * x) * 2 * e)"),
        case("own-probit-tiny", "binomial", "probit", "round(w * phi(-6 + 1.5 * x)) / w", more={"w": "1e12"}, **weights),
        case("own-probit-steep", "binomial", "probit", "1.0 * (e < phi(9 * x - 2)) if i % 17 else 0.0"),
        case("own-cloglog-offset", "binomial", "cloglog", "1.0 * (e < 1 - exp(-exp(o + 4 + x)))", more={"o": "12 * (u(7) - 1)"}, **offset),
        case("own-loglog", "binomial", "loglog", "1.0 * (e < exp(-exp(-(2 + 5 * x))))"),
        case("own-gamma-log-far", "gamma", "log", "exp(250 + 200 * x) * (e + .01)"),
        touching("own-poisson-identity-touching", "floor(2 * e * (1.6 + 1.5 * x)) + (1 if i % 7 == 0 else 0)"),
        sure("own-log-binomial-sure-group", "binomial", "log", "1.0 if i <= 10 else 1.0 * (e < .4)", 0.0),
        sure("own-poisson-identity-empty-group", "poisson", "identity", "0.0 if i <= 10 else floor(5 * e)", 0.0),
    ]  # fmt: skip


def sure(name: str, family: str, link: str, y: str, edge: float) -> dict[str, Any]:
    """Two groups, the mean of the first (10 rows) on the edge of its domain: both means are the groups' means."""
    group = {"formula": "y ~ g", "design": {"Intercept": "1", "g": "g"}, "more": {"g": "1.0 * (i <= 10)"}}
    entry = case(name, family, link, y, status="boundary", certify=False, bound_rows=list(range(10)), **group)
    rest = hard.columns(entry)["y"][10:]
    middle = sum(rest) / len(rest)
    inner = math.log(middle) if link == "log" else middle
    return {**entry, "given": {"Intercept": repr(inner), "g": repr(edge - inner)}}


def touching(name: str, y: str) -> dict[str, Any]:
    """Poisson, identity link, the line 0 at the least x: slope Σy / Σ(x − min x)."""
    entry = case(name, "poisson", "identity", y, status="boundary", certify=False, tolerance=1e-8)
    data = hard.columns(entry)
    low = min(data["x"])
    slope = math.fsum(data["y"]) / math.fsum(x - low for x in data["x"])
    assert data["y"][data["x"].index(low)] == 0
    return {**entry, "bound_rows": [data["x"].index(low)], "given": {"Intercept": repr(-low * slope), "x": repr(slope)}}


@hard.precise
def certify(entry: dict[str, Any]) -> dict[str, float] | None:
    """Coefficients by Newton's method with 50 digits, or None where there is no maximum inside; sets se, deviance."""
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
if (is.null(out$error)) cat("ok", out$converged, out$coef, sep = "\\n") else cat("error", gsub("\\n", " ", out$error), sep = "\\n")
"""
R_FAMILY = {
    "gaussian": "gaussian", "poisson": "poisson", "binomial": "binomial", "gamma": "Gamma",
    "inverse_gaussian": "inverse.gaussian",
}  # fmt: skip


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
        lines = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.splitlines()
    if lines[0] == "error":
        return {"error": lines[1][:90]}
    return verdict(entry, [float("nan") if v == "NA" else float(v) for v in lines[2:]], lines[1] == "TRUE")


def run_statsmodels(entry: dict[str, Any], data: dict[str, list[float]]) -> dict[str, Any]:
    """What statsmodels' GLM gives at defaults."""
    import statsmodels.api as sm

    links, families = sm.families.links, sm.families
    name, number = hard.split(entry["link"])
    made = {
        "identity": links.Identity, "log": links.Log, "logit": links.Logit, "probit": links.Probit, "sqrt": links.Sqrt,
        "cauchit": links.Cauchy, "cloglog": links.CLogLog, "loglog": links.LogLog, "inverse": links.InversePower,
        "inverse_squared": links.InverseSquared,
    }  # fmt: skip
    top, _, bottom = number.partition("/")
    link = links.Power(float(top) / float(bottom or 1)) if name == "power" else made[name]()
    title, theta = hard.split(entry["family"])
    top, _, bottom = theta.partition("/")
    family = {
        "gaussian": families.Gaussian, "poisson": families.Poisson, "binomial": families.Binomial,
        "gamma": families.Gamma, "inverse_gaussian": families.InverseGaussian,
        "negative_binomial": partial(families.NegativeBinomial, alpha=float(bottom or 1) / float(top or 1)),
    }[title](link=link, check_link=False)  # fmt: skip
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
    about = "Hard fits; see hard.py for the data and make_hard_cases.py for how the numbers were made."
    hard.FILE.write_text(json.dumps({"about": about, "cases": kept}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
