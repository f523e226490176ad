from __future__ import annotations

import json
import subprocess
import sys

import pytest

import glmstat
from glmstat.report.cli import main
from tests.unit.sample import frame

FORMULA = "y ~ x + offset(log(t))"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "trips.csv"
    frame().to_csv(path, index=False)
    return str(path)


def test_fit_prints_the_summary(table, capsys):
    assert main(["fit", FORMULA, "--data", table, "--family", "poisson"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Poisson regression, log link")
    assert shown.err == ""


def test_words_are_passed_on(table, capsys):
    words = ["--link", "sqrt", "--weights", "w", "--vcov", "HC0", "--level", "0.9", "--subset", "t > 0.6"]
    assert main(["fit", "y ~ x", "--data", table, "--family", "poisson", *words]) == 0
    shown = capsys.readouterr().out
    assert "sqrt link" in shown
    assert "weights: w · subset: t > 0.6" in shown
    assert "vcov: HC0" in shown
    assert "90 % Wald" in shown


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["--method", "firth"], {"method": "firth"}),
        (["--prior", "weak"], {"prior": "weak"}),
        (
            ["--prior", "age = normal(0, 1)", "--prior", "*=t(3, 0, 2)"],
            {"prior": {"age": "normal(0, 1)", "*": "t(3, 0, 2)"}},
        ),
        (
            ["--family", "negative_binomial", "--predictor", "theta = ~ chronic"],
            {"family": "negative_binomial", "predictors": {"theta": "~ chronic"}},
        ),
    ],
)
def test_remedies_are_those_of_glm(words, arguments, capsys):
    formula = "visits ~ age + insurance"
    assert main(["fit", formula, "--data", "visits", "--family", "poisson", *words]) == 0
    fit = glmstat.glm(formula, glmstat.datasets.load("visits"), **{"family": "poisson"} | arguments)
    assert capsys.readouterr().out == f"{fit}\n"
    assert str(fit) != str(glmstat.glm(formula, glmstat.datasets.load("visits"), "poisson"))


def test_json_is_for_machines(table, capsys):
    assert main(["fit", FORMULA, "--data", table, "--family", "poisson", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["coefficients"][1]["term"] == "x"


def test_save_writes_a_fit(table, tmp_path, capsys):
    path = tmp_path / "fit.safetensors"
    assert main(["fit", FORMULA, "--data", table, "--family", "poisson", "--save", str(path)]) == 0
    assert str(glmstat.load(path)) + "\n" == capsys.readouterr().out


def test_parquet_is_read(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    path = tmp_path / "trips.parquet"
    frame().to_parquet(path)
    assert main(["fit", FORMULA, "--data", str(path), "--family", "poisson"]) == 0
    assert "40 rows" in capsys.readouterr().out


def test_shipped_data_are_found_by_name(capsys):
    name = next(iter(glmstat.datasets.list()))
    assert main(["datasets"]) == 0
    assert name in capsys.readouterr().out.split()
    assert main(["datasets", name]) == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "y ~ zz", "--data", "TABLE"], "No column 'zz' in data"),
        (["fit", "y ~ x", "--data", "TABLE", "--family", "poison"], "Did you mean 'poisson'"),
        (["fit", "y ~ x", "--data", "TABLE", "--vcov", "HC9"], "Unknown vcov: 'HC9'"),
        (["fit", "y ~ x", "--data", "TABLE", "--dispersion", "pearsn"], "pearsn"),
        (["fit", "y ~ x", "--data", "TABLE", "--method", "frith"], "Did you mean 'firth'"),
        (["fit", "y ~ x", "--data", "TABLE", "--prior", "weak", "--prior", "x=normal(0, 1)"], "has no name"),
        (["fit", "y ~ x", "--data", "TABLE", *["--prior", "x=normal(0, 1)"] * 2], "given twice"),
        (["fit", "y ~ x", "--data", "TABLE", "--prior", "x=normal(0"], "normal(0"),
        (["fit", "y ~ x", "--data", "TABLE", "--prior", "x=normal(0, scale=1)"], "in this order"),
        (["fit", "y ~ x", "--data", "TABLE", "--prior", "I(x == 1) = t(3, 0, 1)"], "'I(x == 1)'"),
        (["fit", "y ~ x", "--data", "nowhere.csv"], "nowhere.csv"),
        (["fit", "y ~ x", "--data", "table.xls"], "Unknown kind of file: table.xls"),
        (["fit", "y ~ x", "--data", "no_such_data"], "no_such_data"),
        (["fit", "y ~ x", "--data", "TABLE", "--save", "/no/such/folder/fit"], "/no/such/folder"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(words, message, table, capsys):
    assert main([table if word == "TABLE" else word for word in words]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.startswith("glmstat: ")
    assert shown.count("\n") == 1


def test_damaged_tables_are_wrong_input(tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text("")
    assert main(["fit", "y ~ x", "--data", str(path)]) == 2
    assert "Cannot read" in capsys.readouterr().err


def test_warnings_are_one_line(tmp_path, capsys):
    path = tmp_path / "zero.csv"
    frame().assign(y=0).to_csv(path)
    assert main(["fit", "y ~ 1", "--data", str(path), "--family", "poisson"]) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("glmstat: warning: Separation")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("response", "event", "shown"),
    [
        ("b", "False", "P(not b)"),
        ("b", "True", "P(b)"),
        ("n", "2", "P(n == 2)"),
        ("C(n)", "1", "P(C(n) == 1)"),
    ],
)
def test_events_are_booleans_and_numbers_too(response, event, shown, tmp_path, capsys):
    path = tmp_path / "trips.csv"
    data = frame()
    data.assign(b=data.won == "yes", n=1 + (data.won == "yes")).to_csv(path, index=False)
    words = ["--data", str(path), "--family", "binomial", "--event"]
    assert main(["fit", f"{response} ~ x", *words, event]) == 0
    assert f"modelled: {shown}\n" in capsys.readouterr().out
    assert main(["fit", f"{response} ~ x", *words, "z"]) == 2
    assert "event='z' never happens" in capsys.readouterr().err


def test_an_empty_file_name_is_wrong_input(table, capsys):
    assert main(["fit", "y ~ x", "--data", table, "--save", ""]) == 2
    assert "--save must name a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fit"],
        ["fut"],
        ["fit", "y ~ x", "--data", "trips", "--level", "much"],
        ["fit", "y ~ x", "--data", "trips", "--no\nsuch", "1"],
    ],
)
def test_usage_errors_are_one_line_and_status_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("glmstat: ")
    assert "--help'.\n" in shown
    assert shown.count("\n") == 1


def test_version_and_usage(capsys):
    for words, status in ((["--version"], 0), ([], 2), (["fit"], 2)):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == status
    assert f"glmstat {glmstat.__version__}" in capsys.readouterr().out


def test_ascii_terminals_get_ascii(table):
    command = [sys.executable, "-m", "glmstat", "fit", FORMULA, "--data", table, "--family", "poisson"]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=True)
    shown = done.stdout.decode("ascii")
    assert "40 rows - 2 coefficients" in shown


def test_ascii_is_laid_out_after_the_replacement(tmp_path):
    path = tmp_path / "trips.csv"
    data = frame()
    data.assign(ort=data.f.map({"a": "Bern", "b": "Zürich", "c": "Wien"}), größe=data.x).to_csv(path)
    formula = "y ~ ort + größe + I(2 * größe) + offset(log(t))"
    command = [sys.executable, "-m", "glmstat", "fit", formula, "--data", str(path), "--family", "poisson"]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=True)
    shown = done.stdout.decode("ascii").splitlines()
    assert max(map(len, shown)) <= 80
    first = next(k for k, line in enumerate(shown) if line.startswith(" ") and "conf_high" in line)
    rows = [line for line in shown[first : shown.index("", first)] if "aliased" not in line]
    rows = [line for line in rows if len(line.split()) >= 6]
    assert len(rows) == 5
    assert {len(line) for line in rows} == {len(shown[first])}
    assert any(line.startswith(r"ort[T.Z\xfcrich]") for line in shown)
