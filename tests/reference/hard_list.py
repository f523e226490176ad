"""The hard cases by their formulas: a table with digits found before, and our own candidates."""

from __future__ import annotations

import math
from typing import Any

from tests.reference import hard

__all__ = ["own", "table"]

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
    """The cases of the table; `given` are the digits printed there."""

    def row(
        number: int, name: str, family: str, link: str, y: Any, given: dict[str, str], **rest: Any
    ) -> dict[str, Any]:
        return case(f"h{number:02d}-{name}", family, link, y, group="table", given=given, **rest)

    def two(first: str, second: str) -> dict[str, str]:
        return {"Intercept": first, "x": second}

    cubic = {"Intercept": "1", "t": "t", "I(t ** 2)": "t2", "I(t ** 3)": "t3"}
    years = {"t": "2000 + i % 11 - 5", "t2": "t * t", "t3": "t * t * t", "t4": "t * t * t * t"}
    years_given = {
        "Intercept": "-237317.4662227",
        "t": "351.2950596286",
        "I(t ** 2)": "-.1733109336941",
        "I(t ** 3)": "2.849643539467e-5",
    }
    counts = "floor(4 * e)"
    group = {"g": "1.0 * (i <= 3)"}
    boundary = {"status": "boundary", "certify": False}
    separated = {"status": "separated", "certify": False}
    count_up = "i - 1"
    return [
        row(
            1,
            "gaussian-log",
            "gaussian",
            "log",
            "exp(1 + 2 * x) + (e - .5)",
            two(".99561880585", "2.01174765632"),
        ),
        row(
            2,
            "gaussian-inverse",
            "gaussian",
            "inverse",
            "1 / (2 + 1.5 * x) + .2 * (e - .5)",
            two("2.00068979009", "1.49333627593"),
        ),
        row(
            3,
            "gamma-identity",
            "gamma",
            "identity",
            "2 * e * (1.1 + x) + .01",
            two("1.12673744909", "1.04075587591"),
        ),
        row(
            4,
            "gamma-inverse",
            "gamma",
            "inverse",
            "2 * e / (1.1 + x) + .01",
            two("1.06364472405", ".924170798821"),
        ),
        row(
            5,
            "gamma-power",
            "gamma",
            "power(1/3)",
            "2 * e * (1.5 + x) ** 3 + .01",
            two("1.51631167918", "1.05556391463"),
        ),
        row(
            6,
            "ig-log",
            "inverse_gaussian",
            "log",
            "exp(1 + 3 * x + 4 * (e - .5))",
            two("1.4394442418", "2.95456350725"),
        ),
        row(
            7,
            "ig-identity",
            "inverse_gaussian",
            "identity",
            "(1.1 + x) * exp(3 * (e - .5))",
            two("1.3876512889", "1.21303433938"),
        ),
        row(
            8,
            "ig-inverse-squared",
            "inverse_gaussian",
            "inverse_squared",
            "(1.1 + x) ** -.5 * exp(2 * (e - .5))",
            two(".765323581296", ".63343554304"),
        ),
        row(
            9,
            "nb-sqrt",
            "negative_binomial(2)",
            "sqrt",
            "floor(2 * e * (2 + 1.5 * x) ** 2)",
            two("1.88614169571", "1.90803505099"),
        ),
        row(
            10,
            "nb-log",
            "negative_binomial(2)",
            "log",
            "floor(2 * e * exp(1 + 2 * x))",
            two(".659847203734", "2.64490040078"),
        ),
        row(
            11,
            "poisson-sqrt",
            "poisson",
            "sqrt",
            "floor(2 * e * (1.5 + x) ** 2)",
            two("1.30304686721", "1.29843809832"),
        ),
        row(
            12,
            "binomial-cauchit",
            "binomial",
            "cauchit",
            "1.0 * (e < .5 + atan(3 * x) / pi)",
            two(".38376091446", "2.68236068222"),
        ),
        row(
            13,
            "binomial-log",
            "binomial",
            "log",
            "1.0 * (e < exp(-1 + .7 * x))",
            two("-.855710439637", ".498147962566"),
        ),
        row(
            14,
            "binomial-identity",
            "binomial",
            "identity",
            "1.0 * (e < .5 + .3 * x)",
            two(".525660013795", ".234544996766"),
        ),
        row(
            15,
            "binomial-cloglog",
            "binomial",
            "cloglog",
            "1.0 * (e < 1 - exp(-exp(-1 + 2 * x)))",
            two("-.90121366895", "1.98347698276"),
        ),
        row(
            16,
            "poisson-offset-8",
            "poisson",
            "log",
            "floor(6 * e)",
            two("-6.40157070508", "-.141946737754"),
            formula="y ~ x + offset(o)",
            more={"o": "8 * (-1) ** i"},
            offset="o",
        ),
        row(
            17,
            "poisson-offset-70",
            "poisson",
            "log",
            "floor(6 * e)",
            two("-69.1000629723", ".0250718483583"),
            formula="y ~ x + offset(o)",
            more={"o": "70"},
            offset="o",
        ),
        row(
            18,
            "poisson-1e15",
            "poisson",
            "log",
            "round(1e15 * exp(x))",
            two("34.5387763949", "1.0"),
            iterations=5,
            note="rounding",
        ),
        row(
            19,
            "logit-weights-1e9",
            "binomial",
            "logit",
            "round(1e9 * expit(x)) / 1e9",
            two("3.6277e-10", ".999999999903"),
            more={"w": "1e9"},
            weights="w",
            absolute=1e-15,
        ),
        row(
            20,
            "poisson-identity-edge",
            "poisson",
            "identity",
            "floor(4 * e * (1.2 + x))",
            two("2.0497227835", "2.10095804395"),
            tolerance=1e-8,
            **boundary,
        ),
        row(
            21,
            "poisson-identity-line",
            "poisson",
            "identity",
            [0, 0, 1, 3, 5, 6],
            two("0", "1"),
            n=6,
            x=count_up,
            **boundary,
        ),
        row(
            22,
            "log-binomial-edge",
            "binomial",
            "log",
            [0.1, 0.4, 0.8, 1.0],
            two("-1.4434485551", ".481149518365"),
            n=4,
            x=count_up,
            more={"w": "10"},
            weights="w",
            bound_rows=[3],
            **boundary,
        ),
        row(
            23,
            "binomial-identity-edges",
            "binomial",
            "identity",
            [0.0, 0.1, 0.6, 1.0],
            two("0", ".3333333333333333"),
            n=4,
            x=count_up,
            more={"w": "10"},
            weights="w",
            bound_rows=[0, 3],
            **boundary,
        ),
        row(
            24,
            "poisson-sqrt-edge",
            "poisson",
            "sqrt",
            [0, 0, 1, 3, 5, 9],
            two("0", repr(math.sqrt(18 / 55))),
            n=6,
            x=count_up,
            **boundary,
        ),
        *perfect(),
        row(
            26,
            "poisson-zeros",
            "poisson",
            "log",
            "0",
            {"Intercept": "-inf"},
            formula="y ~ 1",
            design={"Intercept": "1"},
            **separated,
        ),
        row(
            27,
            "poisson-zero-level",
            "poisson",
            "log",
            "0 if i <= 3 else floor(4 * e)",
            {"Intercept": ".398347640339", "g": "-inf"},
            formula="y ~ g",
            design={"Intercept": "1", "g": "g"},
            more=group,
            **separated,
        ),
        row(
            28,
            "logit-pure-level",
            "binomial",
            "logit",
            "1 if i <= 3 else i % 2",
            {"Intercept": repr(math.log(23 / 24)), "g": "inf"},
            formula="y ~ g",
            design={"Intercept": "1", "g": "g"},
            more=group,
            separated_rows=[0, 1, 2],
            **separated,
        ),
        row(
            29,
            "poisson-years-cubic",
            "poisson",
            "log",
            counts,
            years_given,
            formula="y ~ t + I(t^2) + I(t^3)",
            design=cubic,
            more=years,
            tolerance=1e-7,
        ),
        row(
            30,
            "poisson-years-quartic",
            "poisson",
            "log",
            counts,
            years_given,
            formula="y ~ t + I(t^2) + I(t^3) + I(t^4)",
            design=cubic,
            more=years,
            tolerance=1e-7,
            aliased=["I(t ** 4)"],
        ),
        *near_collinear(),
        row(
            32,
            "poisson-extreme-scales",
            "poisson",
            "log",
            counts,
            {"Intercept": ".2148123044156", "a": ".2003148622842e200", "b": ".302468274106e-200"},
            formula="y ~ a + b",
            design={"Intercept": "1", "a": "a", "b": "b"},
            more={"a": "1e-200 * x", "b": "1e200 * u(3)"},
        ),
    ]


def perfect() -> list[dict[str, Any]]:
    """Case 25: exact lines on the link scale."""
    lines = {
        "identity": ("{}", "1 + 2 * x"),
        "log": ("exp({})", "1 + 2 * x"),
        "inverse": ("1 / ({})", "3 + 2 * x"),
    }
    pairs = [(f, k) for f in ("gaussian", "gamma", "inverse_gaussian") for k in lines]
    out = []
    for family, link in pairs:
        shape, line = lines[link]
        if (family, link) in (("gamma", "identity"), ("inverse_gaussian", "identity")):
            line = "3 + 2 * x"  # the mean must be positive
        out.append(
            case(
                f"h25-perfect-{family}-{link}",
                family,
                link,
                shape.format(line),
                group="table",
                status="perfect fit",
                given={"Intercept": line[0], "x": "2"},
                tolerance=1e-13,
                iterations=3,
                certify=False,
            )
        )
    return out


def near_collinear() -> list[dict[str, Any]]:
    """Case 31: a column that is a combination of two others up to 2e-11, and up to 2e-13, of its size."""
    out = []
    for word, size in (("kept", "1e-10"), ("aliased", "1e-12")):
        more = {"z": "u(3)", "v": f"2 * x - z + {size} * u(7)"}
        design = {"Intercept": "1", "x": "x", "z": "z"} | ({"v": "v"} if word == "kept" else {})
        rest: dict[str, Any] = {"note": "up to", "tolerance": 1e-4} if word == "kept" else {"aliased": ["v"]}
        out.append(
            case(
                f"h31-combination-{word}",
                "gaussian",
                "identity",
                "e",
                group="table",
                formula="y ~ x + z + v",
                design=design,
                more=more,
                **rest,
            )
        )
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
        case(
            "own-gaussian-inverse-two", "gaussian", "inverse", "1 / (3 + 1.5 * x - z) + .1 * (e - .5)", **both
        ),
        case("own-gaussian-sqrt", "gaussian", "power(1/2)", "(1.5 + x) ** 2 + (e - .5)"),
        case("own-gaussian-log-far", "gaussian", "log", "exp(-20 + 9 * x) + 1e-6 * (e - .5)"),
        case(
            "own-nb-sqrt-dispersed",
            "negative_binomial(1/2)",
            "sqrt",
            "floor(3 * e * e * (2 + 1.2 * x) ** 2) + 1.0 * (i % 5 == 0)",
        ),
        case(
            "own-nb-identity",
            "negative_binomial(1)",
            "identity",
            "floor(2 * e * (3 + 2 * x)) + 1.0 * (i % 6 == 0)",
        ),
        case("own-nb-log-tiny-theta", "negative_binomial(1/20)", "log", "floor(exp(12 * e - 6 + 6 * x))"),
        case("own-cauchit-steep", "binomial", "cauchit", "1.0 * (e < .5 + atan(30 * x - 5) / pi)"),
        case("own-cauchit-two", "binomial", "cauchit", "1.0 * (e < .5 + atan(4 * x + 8 * z) / pi)", **both),
        case(
            "own-log-binomial-grouped",
            "binomial",
            "log",
            "round(20 * exp(-.3 + .28 * x - .05 * e)) / 20",
            more={"w": "20"},
            **weights,
        ),
        case("own-log-binomial-two", "binomial", "log", "1.0 * (e < exp(-1.5 + .6 * x + .6 * z))", **both),
        case(
            "own-binomial-identity",
            "binomial",
            "identity",
            "round(40 * (.5 + .47 * x + .1 * (e - .5) * (1 - abs(x)))) / 40",
            more={"w": "40"},
            **weights,
        ),
        case(
            "own-poisson-identity-two",
            "poisson",
            "identity",
            "floor(2 * e * (4.1 + 2 * x + 2 * z)) + (1 if x + z < -1.5 else 0)",
            **both,
        ),
        case("own-poisson-sqrt-two", "poisson", "sqrt", "floor(2 * e * (2.5 + x - z) ** 2)", **both),
        case(
            "own-poisson-offset-300",
            "poisson",
            "log",
            "1 + floor(6 * e)",
            more={"o": "300 * (-1) ** i"},
            start=[-300.0, 0.0],
            **offset,
        ),
        case(
            "own-poisson-offset-spread",
            "poisson",
            "log",
            "1 + floor(9 * e)",
            more={"o": "30 * (2 * u(7) - 1)"},
            **offset,
        ),
        case("own-poisson-huge-and-zero", "poisson", "log", "floor(exp(1 + 35 * x) * 2 * e)"),
        case(
            "own-probit-tiny",
            "binomial",
            "probit",
            "round(w * phi(-6 + 1.5 * x)) / w",
            more={"w": "1e12"},
            **weights,
        ),
        case("own-probit-steep", "binomial", "probit", "1.0 * (e < phi(9 * x - 2)) if i % 17 else 0.0"),
        case(
            "own-cloglog-offset",
            "binomial",
            "cloglog",
            "1.0 * (e < 1 - exp(-exp(o + 4 + x)))",
            more={"o": "12 * (u(7) - 1)"},
            **offset,
        ),
        case("own-loglog", "binomial", "loglog", "1.0 * (e < exp(-exp(-(2 + 5 * x))))"),
        case("own-gamma-log-far", "gamma", "log", "exp(250 + 200 * x) * (e + .01)"),
        touching(
            "own-poisson-identity-touching", "floor(2 * e * (1.6 + 1.5 * x)) + (1 if i % 7 == 0 else 0)"
        ),
        sure("own-log-binomial-sure-group", "binomial", "log", "1.0 if i <= 10 else 1.0 * (e < .4)", 0.0),
        sure(
            "own-poisson-identity-empty-group", "poisson", "identity", "0.0 if i <= 10 else floor(5 * e)", 0.0
        ),
    ]


def sure(name: str, family: str, link: str, y: str, edge: float) -> dict[str, Any]:
    """Two groups, the mean of the first (10 rows) on the edge of its domain: means are the groups' own."""
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
    return {
        **entry,
        "bound_rows": [data["x"].index(low)],
        "given": {"Intercept": repr(-low * slope), "x": repr(slope)},
    }
