"""Query parameters that an operation does not know are refused: a misspelt `dry_run` must not submit."""

from fastapi import FastAPI, Request

from api.problems import invalid
from api.validation import Fault, near


async def refuse_unknown_parameters(request: Request) -> None:
    """A dependency of every versioned operation.

    Raises:
        Problem: the query has a parameter that the OpenAPI document does not list for this operation (422).
    """
    if not request.query_params:
        return
    known = _known_parameters(request.app, request.scope["route"].name)
    faults = [_fault(name, known) for name in request.query_params if name not in known]
    if faults:
        raise invalid(faults)


def _known_parameters(app: FastAPI, operation_id: str) -> list[str]:
    return [
        parameter["name"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if operation["operationId"] == operation_id
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]


def _fault(name: str, known: list[str]) -> Fault:
    hint = near(name, known) if known else " It takes none."
    detail = f"There is no query parameter {name!r}.{hint}"
    return Fault(location="query", pointer=f"/{name}", detail=detail, code="extra_forbidden")
