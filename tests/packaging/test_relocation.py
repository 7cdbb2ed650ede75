"""What the build step of setup.py makes of a module's source."""

import ast

import pytest

from relocation import relocated

MODULES = frozenset({"core.errors", "core.jobs", "core.jobs.settings", "worker.main", "api", "worker"})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from core.errors import UserError", "from signforge.core.errors import UserError"),
        ("from  core import errors as e", "from  signforge.core import errors as e"),
        ("import core.errors as errors", "import signforge.core.errors as errors"),
        (
            "import json, api as a, core.jobs as jobs",
            "import json, signforge.api as a, signforge.core.jobs as jobs",
        ),
        (
            "def f():\n    from worker.main import (\n        main,\n    )",
            "def f():\n    from signforge.worker.main import (\n        main,\n    )",
        ),
        (
            "if TYPE_CHECKING:\n    from core.errors import A; from api import b",
            "if TYPE_CHECKING:\n    from signforge.core.errors import A; from signforge.api import b",
        ),
        ("p = {'import': 'worker.main'}", "p = {'import': 'signforge.worker.main'}"),
        ('x = "core.jobs.settings:Settings"', 'x = "signforge.core.jobs.settings:Settings"'),
        ("é = 'é'; x = 'worker.main'", "é = 'é'; x = 'signforge.worker.main'"),
        (
            "'''See `core.errors.UserError` and `core.other`.'''",
            "'''See `signforge.core.errors.UserError` and `core.other`.'''",
        ),
        (
            "raise E(f'{x}: run '\n    '`python -m core.errors` again')",
            "raise E(f'{x}: run '\n    '`python -m signforge.core.errors` again')",
        ),
    ],
)
def test_references_to_our_modules_are_put_below_the_package(source: str, expected: str) -> None:
    made = relocated(source.encode(), MODULES).decode()
    assert made == expected
    ast.parse(made)
    assert relocated(made.encode(), MODULES).decode() == expected


@pytest.mark.parametrize(
    "source",
    [
        "from signforge.client import Client",
        "from .core import x",
        "from corexyz import y",
        "import typing as core",
        "names = ('api', 'worker', 'core', 'core.nothing', 'score.core.errors')",
        "words = 'a list of core.errors in a sentence'",
        "from\tcelery import worker",
    ],
)
def test_everything_else_stays(source: str) -> None:
    assert relocated(source.encode(), MODULES).decode() == source


@pytest.mark.parametrize("source", ["import core.errors", "x = 'core.' 'errors'", "from \\\n core import x"])
def test_what_cannot_be_rewritten_in_place_stops_the_build(source: str) -> None:
    with pytest.raises(SyntaxError, match=r"^mine\.py:1: write"):
        relocated(source.encode(), MODULES, "mine.py")
