"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build/html`."""

import sys
from pathlib import Path

from glmstat import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "glmstat"
author = "glmstat developers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "house_docstrings", "registry_tables"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
default_role = "literal"

html_theme = "pydata_sphinx_theme"
html_title = "glmstat"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_show_sourcelink = False
html_show_copyright = False
html_use_index = True
html_sidebars = {"**": []}  # one level of pages: the bar at the top names them all
