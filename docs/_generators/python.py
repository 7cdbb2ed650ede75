"""The reference of the Python package: its public names, the client's namespaces, answers and errors."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

import signforge
from _generators.markdown import code, heading, joined, slug
from _generators.schemas import model_fields
from core import errors
from signforge import Client
from signforge.client import models


def page() -> str:
    """A section for each public name, for each part of the client, and for each answer of the service."""
    return joined(
        [
            *(_public_section(name) for name in signforge.__all__),
            *(_part_section(name, kind) for name, kind in client_parts().items()),
            heading(2, "Answers of the client"),
            "The client returns these frozen models. Fields that a newer service adds are ignored.",
            *(_answer_section(model) for model in _answers()),
        ]
    )


def errors_page() -> str:
    """The error tree, as `core.errors` draws it."""
    tree = inspect.getdoc(errors) or ""
    drawn = tree[tree.index("SignforgeError") :]
    return joined([f"```text\n{drawn}\n```", _autodoc("automodule", "core.errors", ":members:")])


def client_parts() -> dict[str, type]:
    """The client's namespaces, such as `jobs`: its public attributes whose class is the client's own."""
    with Client("http://127.0.0.1:1", "unused") as client:
        names = [name for name in {**vars(type(client)), **vars(client)} if not name.startswith("_")]
        parts = {name: type(getattr(client, name)) for name in names}
    return {name: kind for name, kind in parts.items() if kind.__module__.startswith("signforge.client.")}


def plain_signature(*event: Any) -> tuple[str | None, str | None]:
    """A signature without what annotations say to pydantic alone (an event handler of autodoc)."""
    *_, signature, result = event
    return _plain(signature), _plain(result)


def _plain(signature: str | None) -> str | None:
    return signature and re.sub(r"Annotated\[(.+?), FieldInfo\(.*?\)\]", r"\1", signature)


def _public_section(name: str) -> str:
    value = getattr(signforge, name)
    title = heading(2, code(f"signforge.{name}"), anchor=f"python-{slug(name)}")
    if inspect.isfunction(value):
        return joined([title, _autodoc("autofunction", f"signforge.{name}")])
    if value.__module__ == errors.__name__:
        return joined([title, f"The same as `core.errors.{name}`: see [Errors](errors.md)."])
    inherited = () if issubclass(value, Exception) else (":inherited-members:",)
    return joined([title, _autodoc("autoclass", f"signforge.{name}", ":members:", *inherited)])


def _part_section(name: str, kind: type) -> str:
    title = heading(2, code(f"client.{name}"), anchor=f"client-{slug(name)}")
    target = f"{kind.__module__}.{kind.__qualname__}"
    return joined([title, _autodoc("autoclass", target, ":members:", ":inherited-members:")])


def _answers() -> Iterator[type[BaseModel]]:
    for _, member in inspect.getmembers(models, inspect.isclass):
        if issubclass(member, BaseModel) and member.__module__ == models.__name__ and member.model_fields:
            yield member


def _answer_section(model: type[BaseModel]) -> str:
    title = heading(3, code(model.__name__), anchor=f"answer-{slug(model.__name__)}")
    return joined([title, inspect.getdoc(model) or "", model_fields(model)])


def _autodoc(directive: str, target: str, *options: str) -> str:
    lines = [f".. {directive}:: {target}", *(f"   {option}" for option in options)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n"
