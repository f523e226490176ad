"""The layers of the package: who may import whom, and where optional packages may appear."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "glmstat"

# A module imports from lower layers, from its own folder, and from names that stand before it in its layer.
LAYERS = (
    ("errors", "array", "table", "datasets", "control", "convention", "text", "progress"),
    ("links", "activations", "priors", "families", "likelihood", "data"),
    ("layers", "parts", "coded", "pieces", "gram", "matrix", "formula"),
    (
        "triangular",
        "eliminated",
        "information",
        "compute",
        "accumulate",
        "extremes",
        "whole",
        "device",
        "workspace",
        "absorbed",
        "estimate",
        "verdict",
        "statement",
        "copies",
        "frame",
    ),
    ("solve",),
    ("call", "estimators", "remedies", "verbs", "fit", "network_fit", "model"),
    ("inference",),
    ("neural",),
    ("report", "probe", "persist", "__init__", "__main__"),
)
PLACE = {name: (level, order) for level, names in enumerate(LAYERS) for order, name in enumerate(names)}

# The verbs of a fit live above it and are reached from inside its methods.
UPWARD_FROM_METHODS = {
    "fit": {"inference", "report"},
    "verbs": {"fit", "network_fit", "inference", "neural", "report", "persist"},
    "network_fit": {"inference", "neural", "report"},
    "model": {"neural"},
    "inference": {"report"},
    "neural": {"report"},
}

OPTIONAL = {
    "torch": {"array", "data.torch"},
    "dask": {"data.dask"},
    "distributed": {"data.dask"},
    "pyarrow": {"data"},
    "polars": {"data"},
    "duckdb": {"data"},
    "matplotlib": {"report.plot"},
    "statsmodels": set(),
}
FIRST_USE_ONLY = {"pandas", "formulaic", "narwhals", "safetensors", "tqdm", "threadpoolctl"}


@dataclass(frozen=True)
class Import:
    """One imported name, seen in one module."""

    module: str  # "formula.parse"
    target: str  # "glmstat.errors", "numpy.linalg"
    line: int
    inside_function: bool
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_datasets" not in path.parts}


def targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.module == "glmstat":
        yield from (f"glmstat.{alias.name}" for alias in node.names)
    elif node.module:
        dotted = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from (name if name.removeprefix("glmstat.") in MODULES else node.module for name in dotted)


def walk(module: str, node: ast.AST, inside: bool = False, typing_only: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for target in targets(child):
                yield Import(module, target, child.lineno, inside, typing_only)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from walk(module, child, inside or function, typing_only or checking)


TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}
IMPORTS = [found for name, tree in TREES.items() for found in walk(name, tree)]
INNER = [found for found in IMPORTS if found.target.startswith("glmstat.")]


def allowed(found: Import) -> bool:
    source, target = found.module.split(".")[0], found.target.split(".")[1]
    if source == target:
        return True
    if (found.inside_function or found.typing_only) and target in UPWARD_FROM_METHODS.get(source, set()):
        return True
    (level, order), (target_level, target_order) = PLACE[source], PLACE[target]
    return target_level < level or (target_level == level and target_order < order)


def test_every_module_has_a_place():
    assert {name.split(".")[0] for name in MODULES} <= set(PLACE)


def test_every_place_is_taken():
    assert {name.split(".")[0] for name in MODULES} >= set(PLACE)


def test_imports_go_down():
    modules = {name.split(".")[0] for name in MODULES}
    downward = [found for found in INNER if found.target.split(".")[1] in modules]
    assert [str(found) for found in downward if not allowed(found)] == []


def test_no_circle_inside_a_folder():
    edges: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in INNER:
        target = found.target.removeprefix("glmstat.")
        if not found.inside_function and not found.typing_only and target in MODULES:
            edges[found.module].add(target)
    while leaves := {name for name, wanted in edges.items() if not wanted & edges.keys()}:
        edges = {name: wanted for name, wanted in edges.items() if name not in leaves}
    assert sorted(edges) == []


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_optional_packages_stay_in_their_files(package: str):
    homes = OPTIONAL[package]
    found = [one for one in IMPORTS if one.target.split(".")[0] == package and not one.typing_only]
    strays = [one for one in found if not any((one.module + ".").startswith(home + ".") for home in homes)]
    assert [str(one) for one in strays] == []


def test_heavy_packages_are_imported_at_first_use():
    eager = [one for one in IMPORTS if not one.inside_function and not one.typing_only]
    assert [str(one) for one in eager if one.target.split(".")[0] in FIRST_USE_ONLY] == []


def test_torch_is_loaded_by_name_in_its_two_homes_only():
    """Where it is imported by name, no import statement shows it."""
    named = {name for name, path in MODULES.items() if 'import_module("torch")' in path.read_text("utf-8")}
    assert named == {"array", "data.torch"}


def test_scipy_stats_costs_those_only_who_need_its_points():
    seen = [one for one in IMPORTS if one.target.startswith("scipy.stats")]
    assert {one.module for one in seen} <= {"inference.misfit.sobol"}
    assert all(one.inside_function for one in seen)
