"""The reference of the command line: every command with its arguments and options, from the Typer app."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from _generators.markdown import code, heading, joined, slug, table, values
from signforge.cli import app

_TYPES = {"str": "text", "int": "integer", "float": "number", "dict": "`NAME=VALUE`"}


def page() -> str:
    """A section for each command, in the order of `signforge --help`."""
    return joined(_section(path, command) for path, command in all_commands() if not _is_group(command))


def all_commands() -> Iterator[tuple[str, Any]]:
    """Every command and group of commands, with the words that call it."""
    return _walk("signforge", get_command(app))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _walk(f"{path} {name}", child)


def _is_group(command: Any) -> bool:
    return bool(getattr(command, "commands", None))


def _section(path: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if _is_argument(parameter)]
    options = [parameter for parameter in shown if not _is_argument(parameter)]
    return joined(
        [
            heading(2, code(path), anchor=f"command-{slug(path)}"),
            command.help or "",
            table(("argument", "type", "meaning"), map(_argument_row, arguments)),
            table(("option", "type", "default", "meaning"), map(_option_row, options)),
        ]
    )


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _argument_row(parameter: Any) -> tuple[str, str, str]:
    name = (parameter.metavar or parameter.name).upper()
    return code(name), _type(parameter), parameter.help or ""


def _option_row(parameter: Any) -> tuple[str, str, str, str]:
    names = values([*parameter.opts, *parameter.secondary_opts])
    return names, _type(parameter), _default(parameter), parameter.help or ""


def _type(parameter: Any) -> str:
    if getattr(parameter, "is_bool_flag", False):
        return "switch"
    bounds = [f"{word} {bound}" for word, bound in _bounds(parameter) if bound is not None]
    repeated = " (may be repeated)" if getattr(parameter, "multiple", False) else ""
    return ", ".join([_words(parameter.type_descriptor.annotation), *bounds]) + repeated


def _words(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + values(member.value for member in annotation)
    if get_origin(annotation) is Literal:
        return "one of " + values(get_args(annotation))
    if get_args(annotation):
        return _words(get_args(annotation)[0])
    name = getattr(annotation, "__name__", str(annotation)).lower()
    return _TYPES.get(name, name)


def _bounds(parameter: Any) -> list[tuple[str, float | None]]:
    return [("at least", parameter.min), ("at most", parameter.max)]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = getattr(parameter.default, "value", parameter.default)
    if value in (None, (), []):
        return "-"
    return code(str(value).lower() if isinstance(value, bool) else str(value))
