"""Words for what the columns of a table of labels hold."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

from core.specs.fields import Name
from core.specs.near_names import hint
from core.specs.source_formats import ColumnRole

ColumnWord = Literal[ColumnRole, "name", "label"]
"""A role, or the usual name of its column."""

_ROLES: dict[str, ColumnRole] = {role: role for role in get_args(ColumnRole)} | {
    "name": "clip",
    "label": "gloss",
}
_SHOWN = 60


def column_role(word: str) -> ColumnRole:
    """Return the role that a word stands for.

    Raises:
        ValueError: there is no such role; names the close ones, or all.
    """
    found = _ROLES.get(word)
    if found is None:
        raise ValueError(f"there is no role {word[:_SHOWN]!r}.{hint(word, _ROLES)}")
    return found


def with_roles(columns: object) -> object:
    """Return names of columns by role, where some are by the usual name of the column (`name`, `label`).

    Raises:
        ValueError: a key is no role, or two are the same one.
    """
    if not isinstance(columns, Mapping):
        return columns
    words = [word for word in columns if isinstance(word, str)]
    for word in words:
        if word not in _ROLES and (role := columns[word]) in list(_ROLES):
            raise ValueError(
                f"columns is {{role: column}}: write {{{role!r}: {word[:_SHOWN]!r}}} instead of "
                f"{{{word[:_SHOWN]!r}: {role!r}}}"
            )
    by_role = {column_role(word): word for word in words}
    for word in words:
        if (other := by_role[column_role(word)]) != word:
            raise ValueError(f"columns states {word!r} and {other!r}, which are the same role; omit one")
    return {column_role(word) if isinstance(word, str) else word: name for word, name in columns.items()}


Columns = Annotated[
    dict[ColumnRole, Name], BeforeValidator(with_roles, json_schema_input_type=dict[ColumnWord, Name])
]
"""Names of columns by what they hold."""
