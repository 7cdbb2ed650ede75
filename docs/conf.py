"""How Sphinx builds the documentation: MyST pages, and reference pages filled in from the code.

Nothing is fetched while building or reading: no intersphinx, no fonts or scripts from another host.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "signforge"
author = "the signforge developers"
copyright = "the signforge developers, Apache-2.0"  # noqa: A001 - Sphinx's name
version = release = installed_version("signforge")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "_generators.generated_pages"]
exclude_patterns = ["_generators"]
root_doc = "index"
default_role = "code"
"""Docstrings write code in single backticks."""

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = "signforge"
html_show_sourcelink = False
html_copy_source = False
html_static_path: list[str] = []
