"""Docstrings of fields as descriptions in a JSON schema: read when a schema is asked for, not at import.

Pydantic's own `use_attribute_docstrings` parses the source of each class when it is made, a tenth of the
time in which a process of the service starts. Only the API's document and the reference pages need it.
"""

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
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
        for name, docstring in field_docstrings(cls).items():
            if name in properties:
                properties[name].setdefault("description", docstring)
        return schema


def field_docstrings(model: type) -> Mapping[str, str]:
    """Return the docstring of each field of a class and of its bases, by the field's name."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not each.__module__.startswith(_NOT_OURS):
            found |= _docstrings_in(each.__module__).get(each.__name__, {})
    return found


@cache
def _docstrings_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of all fields in a module, by class; none where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}
    return {node.name: _docstrings_of(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docstrings_of(node: ast.ClassDef) -> Mapping[str, str]:
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(node.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
