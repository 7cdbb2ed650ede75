"""The reference of the HTTP API, from the OpenAPI document that the service itself sends."""

import json
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

from _generators.markdown import as_json, code, fenced, heading, joined, slug, table
from _generators.schemas import Schema, default_words, fields_table, limit_words, type_words
from api.main import create_app
from core.jobs.settings import Settings

_PARAMETER_HEADER = ("parameter", "in", "type", "default", "limits", "meaning")
_IGNORED_METHODS = {"parameters", "summary", "description"}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the service."""
    return dict(create_app(Settings()).openapi())


def operations_page() -> str:
    """A section for each tag, and in it one for each operation."""
    sections = []
    for tag in document()["tags"]:
        sections += [heading(2, tag["name"], anchor=f"http-{tag['name']}"), tag["description"]]
        sections += [_operation(*found) for found in _operations(tag["name"])]
    return joined(sections)


def models_page() -> str:
    """A section for each body and answer."""
    return joined(
        _model(name, schema) for name, schema in sorted(document()["components"]["schemas"].items())
    )


def link(name: str) -> str:
    """A link to a model's section."""
    return f"[{name.replace('_', ' ').strip()}](#model-{slug(name)})"


def _operations(tag: str) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if method not in _IGNORED_METHODS and tag == operation["tags"][-1]:
                yield method.upper(), path, operation


def _operation(method: str, path: str, operation: Schema) -> str:
    needs = "" if operation.get("security") else "No API key is needed."
    return joined(
        [
            heading(3, code(f"{method} {path}"), anchor=f"operation-{slug(operation['operationId'])}"),
            operation["description"],
            needs,
            table(_PARAMETER_HEADER, map(_parameter, operation.get("parameters", ()))),
            _body(operation.get("requestBody", {})),
            table(("status", "answer", "meaning"), _answers(operation["responses"])),
            _example(method, path, operation),
        ]
    )


def _parameter(parameter: Schema) -> tuple[str, ...]:
    schema = parameter["schema"]
    default = "required" if parameter.get("required") else default_words(schema)
    meaning = parameter.get("description") or schema.get("description", "")
    limits = limit_words(schema)
    return code(parameter["name"]), parameter["in"], type_words(schema, link), default, limits, meaning


def _body(body: Schema) -> str:
    contents = _contents(body)
    return f"Body: {contents}. {body.get('description', '')}" if contents else ""


def _contents(message: Schema) -> str:
    """The media types of a body or an answer, each with its model."""
    found = message.get("content", {}).items()
    return "; ".join(
        f"{code(kind)}: {type_words(content.get('schema', {}), link)}" for kind, content in found
    )


def _answers(responses: Schema) -> Iterator[tuple[str, str, str]]:
    for status, response in responses.items():
        shown = "errors" if status == "default" else code(str(status))
        meaning = response["description"].replace("Successful Response", "Success.")
        yield shown, _contents(response) or "no body", meaning


def _example(method: str, path: str, operation: Schema) -> str:
    """A curl command; `$SERVICE` is the service's URL and `$KEY` the header with an API key."""
    key = ["-H", '"$KEY"'] if operation.get("security") else []
    verb = [] if method == "GET" else ["-X", method]
    parameters = operation.get("parameters", ())
    query = [f"{each['name']}=..." for each in parameters if each["in"] == "query" and each.get("required")]
    address = f"$SERVICE{path}" + ("?" + "&".join(query) if query else "")
    return fenced(" ".join(["curl -s", *key, *verb, *_sent(operation), f'"{address}"']), "sh")


def _sent(operation: Schema) -> list[str]:
    """What curl is told to send."""
    contents = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in contents:
        return ["-F file=@FILE", "-F spec=SPECIFICATION"]
    if "application/octet-stream" in contents:
        return ["-T FILE"]
    body = _example_body(contents.get("application/json", {}))
    return [] if body is None else ["--json", shlex.quote(json.dumps(body))]


def _example_body(content: Schema) -> object | None:
    examples = [example["value"] for example in content.get("examples", {}).values()]
    if not examples and "$ref" in content.get("schema", {}):
        name = content["schema"]["$ref"].rsplit("/", 1)[-1]
        examples = document()["components"]["schemas"][name].get("examples", [])
    return examples[0] if examples else None


def _model(name: str, schema: Schema) -> str:
    listed = (
        "One of " + ", ".join(code(str(value)) for value in schema["enum"]) + "." if "enum" in schema else ""
    )
    examples = [as_json(example) for example in schema.get("examples", ())[:1]]
    title = heading(2, name.replace("_", " ").strip(), anchor=f"model-{slug(name)}")
    return joined([title, schema.get("description", ""), listed, fields_table(schema, link), *examples])
