"""Build step: the wheel holds one import name, `signforge`, although the checkout has four folders.

`core`, `api` and `worker` are names that users' own scripts have too. A wheel therefore carries them as
`signforge.core`, `signforge.api` and `signforge.worker`, and every reference to them is rewritten:

* `from core.x import y` and `import core.x as y`, wherever they stand;
* strings that are the name of one of our modules, such as "core.training.pretrain", which programs start;
* `python -m core.x` in texts.

Line numbers stay as they are. An editable install (`make install`) keeps the plain names.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

PACKAGE = "signforge"
TREES = ("core", "api", "worker")
_NOT_CARRIED = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".*")
_RUN_IN_TEXT = re.compile(rb"(?<=python -m )(?=(?:%s)\.\w)" % "|".join(TREES).encode())


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


def relocated(source: bytes, modules: frozenset[str], name: str = "<source>") -> bytes:
    """The source of a module with references to `modules` (plain names) put below the package.

    Raises:
        SyntaxError: a reference has a form that cannot be rewritten in its place.
    """
    lines = source.splitlines(keepends=True)
    edits = {
        edit for node in ast.walk(ast.parse(source, name)) for edit in _edits(node, lines, modules, name)
    }
    for line, column in sorted(edits, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + f"{PACKAGE}.".encode() + text[column:]
    return _RUN_IN_TEXT.sub(f"{PACKAGE}.".encode(), b"".join(lines))


def _edits(
    node: ast.AST, lines: list[bytes], modules: frozenset[str], name: str
) -> Iterator[tuple[int, int]]:
    """Where the package's name has to be put in: (line, column in bytes)."""
    match node:
        case ast.ImportFrom(level=0, module=str(module)) if _is_ours(module):
            yield _position_of(module, node, lines, name)
        case ast.Import(names=aliases):
            for alias in aliases:
                if _is_ours(alias.name):
                    if alias.asname is None:
                        raise SyntaxError(f"{name}:{node.lineno}: write `from {alias.name} import ...`.")
                    yield _position_of(alias.name, alias, lines, name)
        case ast.Constant(value=str(value)) if value.partition(":")[0] in modules and "." in value:
            yield _position_of(value, node, lines, name)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in TREES


def _position_of(
    text: str, node: ast.stmt | ast.expr | ast.alias, lines: list[bytes], name: str
) -> tuple[int, int]:
    """Where `text` stands on the first line of `node`."""
    column = lines[node.lineno - 1].find(text.encode(), node.col_offset)
    if column < 0:
        raise SyntaxError(f"{name}:{node.lineno}: write {text!r} in one piece, on the line of its statement.")
    return node.lineno, column


def _modules(package: Path) -> Iterator[str]:
    """The plain names of our modules."""
    for tree in TREES:
        for path in (package / tree).rglob("*.py"):
            yield ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildPy, "editable_wheel": EditableWheel})
