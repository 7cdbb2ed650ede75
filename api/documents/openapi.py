"""Additions to FastAPI's OpenAPI document: tags, problem responses and examples."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from pydantic import ConfigDict

from api.auth import SECURITY_SCHEME
from api.problems import MEDIA_TYPE
from api.validation import Fault
from core.jobs.kinds import KINDS
from core.specs.docstrings import Described

VERSION = version("signforge")
TAGS: list[dict[str, Any]] = [
    {"name": "jobs", "description": "Submit, watch, pause, cancel and retry jobs of every kind."},
    {"name": "events", "description": "Follow a job's state, progress and metrics, and read its logs."},
    {"name": "checkpoints", "description": "Saved training states, from which an interrupted job resumes."},
    {"name": "uploads", "description": "Upload pose files to import."},
    {"name": "corpora", "description": "Import, list and delete packed pose corpora."},
    {"name": "encoders", "description": "Trained encoders: versions, cards, scores and files."},
    {"name": "evaluations", "description": "Scores of encoders and baselines."},
    {"name": "recipes", "description": "Named full training configurations."},
    {"name": "webhooks", "description": "Send your server a message at each state change of your jobs."},
    {"name": "api-keys", "description": "Create, rotate and revoke API keys (administrators)."},
    {"name": "audit trail", "description": "Log of all changing requests (administrators)."},
    {"name": "workers", "description": "The workers that run jobs, and their devices."},
    {"name": "health", "description": "Liveness, readiness and metrics, for operators."},
]


class ProblemResponse(Described):
    """An error (RFC 9457). Some have extra members, such as `state` or `limit_bytes`."""

    model_config = ConfigDict(extra="allow")

    type: str
    """Stable URI of the kind of problem: `urn:signforge:problem:...`"""
    title: str
    """The kind of problem, in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong, with the value, the limit and what to change."""
    instance: str
    """The path of the request."""
    request_id: str
    """Id of this request in the service's log; also in the header `X-Request-Id`."""
    errors: list[Fault]
    """The invalid fields."""


def install(app: FastAPI) -> None:
    """Add problem responses to every operation, and examples to the submission of jobs."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_examples(with_problems(with_security(generate())))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def with_security(document: dict[str, Any]) -> dict[str, Any]:
    """Say that every operation needs an API key, but for those of operators and of this document."""
    document["components"]["securitySchemes"] = SECURITY_SCHEME
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{name: []} for name in SECURITY_SCHEME]
    return document


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Replace FastAPI's error schemas by `ProblemResponse` in every operation."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = ProblemResponse.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["ProblemResponse"] = problem
    failure = {
        "description": "A problem document.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemResponse"}}},
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = failure
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _never_null(parameter["schema"])
    return document


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Add example bodies of each kind of job."""
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]
    body["content"]["application/json"]["examples"] = job_examples()
    return document


def job_examples() -> dict[str, dict[str, Any]]:
    """An OpenAPI Example Object for each example of each kind. The tests submit them."""
    return {
        name: {"summary": example.summary, "value": {"kind": kind.name, **example.fields}}
        for kind in KINDS.values()
        for name, example in kind.examples.items()
    }


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an optional parameter without null, which a URL or a header cannot express."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
