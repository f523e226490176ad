"""`import glmstat` is cheap: it loads no heavy package."""

import subprocess
import sys

HEAVY = ("pandas", "torch", "formulaic", "scipy.stats", "matplotlib", "dask")


def loaded_after(code: str) -> set[str]:
    run = f"import sys\n{code}\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_import_loads_no_heavy_package():
    assert loaded_after("import glmstat") & set(HEAVY) == set()


def test_every_public_name_can_be_had():
    names = "import glmstat\nfor name in glmstat.__all__: getattr(glmstat, name)"
    assert loaded_after(names) & {"torch", "matplotlib", "dask", "scipy.stats"} == set()


def test_public_names_are_listed():
    listed = "import glmstat\nassert set(glmstat.__all__) <= set(dir(glmstat)), dir(glmstat)"
    assert loaded_after(listed)
