"""Docstrings of fields as descriptions in a JSON schema: read when a schema is asked for, not at import.

Pydantic's own `use_attribute_docstrings` parses the source of each class when it is made, so each process
would do it at its start. Only the API's document and the reference pages need the descriptions.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_NOT_OURS = ("builtins", "typing", "pydantic")


class Described(BaseModel):
    """A model whose JSON schema describes each field by the docstring below it in the source."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Make the schema as pydantic does, then add what the docstrings say."""
        schema = handler(core_schema)
        properties: dict[str, dict[str, Any]] = handler.resolve_ref_schema(schema).get("properties", {})
        docstrings = field_docstrings(cls)
        for name, field in cls.model_fields.items():
            shown = properties.get(field.alias or name)
            if shown is not None and name in docstrings:
                shown.setdefault("description", docstrings[name])
        return schema


def field_docstrings(model: type) -> Mapping[str, str]:
    """Return the docstring of each field of a class and of its bases, by the field's name."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not each.__module__.startswith(_NOT_OURS):
            found |= _docstrings_in(each.__module__).get(each.__qualname__, {})
    return {name: docstring for name, docstring in found.items() if docstring}


@cache
def _docstrings_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of all fields in a module, by class; none where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):
        return {}
    return dict(_classes_in(tree, ""))


def _classes_in(node: ast.AST, place: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the qualified name and the docstrings of each class at or below a node, but not of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            name = f"{place}{child.name}"
            yield name, _docstrings_of(child)
            yield from _classes_in(child, f"{name}.")
        elif isinstance(child, ast.If | ast.Try):
            yield from _classes_in(child, place)


def _docstrings_of(node: ast.ClassDef) -> Mapping[str, str]:
    """Return the docstring of each field that a class declares; empty text for a field without one."""
    return {
        field.target.id: _text_of(after)
        for field, after in zip_longest(node.body, node.body[1:])
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }


def _text_of(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return inspect.cleandoc(node.value.value)
    return ""
