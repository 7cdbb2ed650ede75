"""Put references to our modules below the package: what the build step of setup.py does to each file.

It rewrites

* `from core.x import y` and `import core.x as y`, wherever they stand;
* strings that are the name of one of our modules, such as "core.training.pretrain", which programs start;
* `python -m core.x` and names of modules in backticks, in texts.

Line numbers stay as they are.
"""

import ast
import re
from collections.abc import Iterator

PACKAGE = "signforge"
TREES = ("core", "api", "worker")
_RUN_IN_TEXT = re.compile(rb"(?<=python -m )(?=(?:%s)\.\w)" % "|".join(TREES).encode())
_IN_BACKTICKS = re.compile(rb"(?<=`)(?:%s)(?:\.\w+)+" % "|".join(TREES).encode())


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
    text = _RUN_IN_TEXT.sub(f"{PACKAGE}.".encode(), b"".join(lines))
    return _IN_BACKTICKS.sub(lambda found: _below_package(found[0], modules), text)


def _below_package(name: bytes, modules: frozenset[str]) -> bytes:
    """`name` below the package if it is one of `modules`, or something in one."""
    parts = name.decode().split(".")
    is_ours = any(".".join(parts[:length]) in modules for length in range(2, len(parts) + 1))
    return f"{PACKAGE}.".encode() + name if is_ours else name


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
