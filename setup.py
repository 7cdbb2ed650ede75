"""Build step: the wheel holds one import name, `signforge`, although the checkout has four folders.

`core`, `api` and `worker` are names that users' own scripts have too. A wheel therefore carries them as
`signforge.core`, `signforge.api` and `signforge.worker`, and relocation.py rewrites every reference to them.
long_description.py makes the description for a package index of the README.
An editable install (`make install`) keeps the plain names.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

sys.path.insert(0, str(Path(__file__).parent))  # a build does not have it there

from long_description import long_description
from relocation import PACKAGE, TREES, relocated

_NOT_CARRIED = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".*")


class BuildPy(build_py):
    """Put the three folders below the package and rewrite what refers to them."""

    def run(self) -> None:
        """Copy and rewrite; an editable install copies nothing."""
        if self.editable_mode:
            return super().run()
        package = Path(self.build_lib) / PACKAGE
        shutil.rmtree(package, ignore_errors=True)  # an earlier build must leave nothing behind
        super().run()
        for tree in TREES:
            shutil.copytree(tree, package / tree, ignore=_NOT_CARRIED)
        modules = frozenset(_modules(package))
        for path in package.rglob("*.py"):
            path.write_bytes(relocated(path.read_bytes(), modules, str(path)))
        return None


class EditableWheel(editable_wheel):
    """Make the three folders importable by their plain names, as they are in the checkout."""

    def run(self) -> None:
        """Add their packages to those that are installed."""
        self.distribution.packages += find_packages(include=[f"{tree}*" for tree in TREES])
        super().run()


def _modules(package: Path) -> Iterator[str]:
    """The plain names of our modules."""
    for tree in TREES:
        for path in (package / tree).rglob("*.py"):
            yield ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")


if __name__ == "__main__":
    setup(
        cmdclass={"build_py": BuildPy, "editable_wheel": EditableWheel},
        long_description=long_description(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
    )
