"""The shipped data sets: every table has its card, its checksum and its licence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from glmstat import datasets
from glmstat.errors import ArgumentError

FOLDER = Path(__file__).parents[2] / "datasets"
NAMES = tuple(datasets.list())


def test_every_table_has_a_card_and_every_card_a_table():
    tables = {path.stem for path in FOLDER.glob("*.csv")}
    assert tables == {path.stem for path in FOLDER.glob("*.json")} == set(NAMES)
    assert len(NAMES) >= 18


@pytest.mark.parametrize("name", NAMES)
def test_card_describes_the_table(name):
    card = datasets.describe(name)
    table = datasets.load(name)
    content = (FOLDER / f"{name}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert b"\r" not in content
    assert card.licence_class in ("A", "B", "C")
    assert card.title and card.source and card.licence
    header = content.decode("utf-8").split("\n", 1)[0]
    assert header == ",".join(column.name for column in card.columns)
    assert table.shape == (card.rows, len(card.columns))
    assert list(table.columns) == [column.name for column in card.columns]
    assert all(column.description for column in card.columns)


@pytest.mark.parametrize("name", NAMES)
def test_columns_have_the_kind_and_levels_of_the_card(name):
    table = datasets.load(name)
    for column in datasets.describe(name).columns:
        values = table[column.name]
        if column.kind in ("categorical", "ordered"):
            assert tuple(values.cat.categories) == column.levels
            assert set(values.dropna()) == set(column.levels)
            assert values.cat.ordered == (column.kind == "ordered")
        else:
            assert column.levels == ()
            assert values.dtype.kind in ("b" if column.kind == "boolean" else "if")


@pytest.mark.parametrize("name", NAMES)
def test_canonical_model_uses_columns_of_the_table(name):
    card = datasets.describe(name)
    assert card.model["verb"] in ("glm", "ordinal", "coxph")
    response = card.model["formula"].split("~")[0]
    assert any(column.name in response for column in card.columns)
    if card.model["verb"] == "glm":
        assert card.golden or card.certified or name == "separation"


@pytest.mark.parametrize(
    ("name", "missing"),
    [("airquality", 44), ("penguins", 19), ("trips", 0), ("ships", 0), ("departures", 198)],
)
def test_missing_values(name, missing):
    assert datasets.load(name).isna().to_numpy().sum() == missing


def test_numbers_are_read_exactly():
    filip = datasets.load("filip")
    assert filip["x"].iloc[0] == -6.860120914
    assert datasets.load("trips")["x"].iloc[0] == -0.626453810742332
    assert datasets.load("longley")["y"].dtype == np.int64


def test_certified_values_are_those_of_nist():
    certified = datasets.describe("longley").certified
    assert certified["coef"]["Intercept"] == -3482258.6345958184
    assert certified["df_resid"] == 9


def test_a_loaded_table_is_the_callers_own():
    first = datasets.load("trips")
    first.loc[0, "x"] = 99.0
    assert datasets.load("trips").loc[0, "x"] != 99.0


def test_names_are_found_in_any_case():
    assert datasets.describe("insectsprays").name == "InsectSprays"
    assert datasets.load("TOOTHGROWTH").shape == (60, 3)


def test_an_unknown_name_is_refused_with_its_neighbour():
    with pytest.raises(ArgumentError, match=r"Unknown data set: 'trip'. Did you mean 'trips'\?"):
        datasets.load("trip")
    with pytest.raises(ArgumentError, match="Known: airquality, "):
        datasets.describe("qqqq")


def test_a_card_prints_its_codebook():
    text = str(datasets.describe("ships"))
    assert text.splitlines()[:3] == [
        "ships: Damage to ships by waves",
        "34 rows, 5 columns",
        "  type  type of ship (categorical: A, B, C, D, E)",
    ]
    assert "  service  aggregate months of service [months] (numeric)" in text
    assert text.endswith('glm("incidents ~ type + year + period + offset(log(service))", data, "poisson")')
    assert repr(datasets.describe("ships")) == text


def test_cards_are_plain_json():
    for path in FOLDER.glob("*.json"):
        card = json.loads(path.read_text(encoding="utf-8"))
        assert {"title", "source", "licence", "rows", "columns", "sha256", "model"} <= card.keys()
        assert card["licence"].keys() == {"class", "text"}
