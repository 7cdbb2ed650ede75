"""Look-ups in the OpenAPI document: an operation's query parameters and a path's methods."""

from fastapi import FastAPI
from starlette.routing import compile_path


def query_parameters(app: FastAPI, operation_id: str) -> list[str]:
    """The names of an operation's query parameters."""
    return [
        parameter["name"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if operation["operationId"] == operation_id
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]


def methods_at(app: FastAPI, path: str) -> list[str]:
    """The methods of a path; empty for a path that is not in the document."""
    found = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if compile_path(template)[0].fullmatch(path)
        for method in operations
    }
    return sorted(found)
