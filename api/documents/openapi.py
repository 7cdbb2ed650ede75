"""What the OpenAPI document says beyond what FastAPI finds out by itself."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from api.documents.examples import job_examples
from api.problems import MEDIA_TYPE
from api.validation import Fault

VERSION = version("signforge")
TAGS: list[dict[str, Any]] = [
    {"name": "jobs", "description": "Submit, watch and stop imports, pretraining runs and evaluations."},
    {"name": "events", "description": "What happens to a job, and what its programs say."},
    {"name": "checkpoints", "description": "States from which a job goes on after an interruption."},
    {"name": "uploads", "description": "Files on their way into a corpus."},
    {"name": "corpora", "description": "Packed pose corpora."},
    {"name": "encoders", "description": "What was trained: versions, cards, scores, files."},
    {"name": "evaluations", "description": "Scores of encoders and baselines."},
    {"name": "recipes", "description": "Named full configurations."},
    {"name": "webhooks", "description": "Have your own server told what becomes of your jobs."},
    {"name": "api-keys", "description": "Credentials, for administrators."},
    {"name": "audit trail", "description": "Who changed what, for administrators."},
    {"name": "workers", "description": "Who runs the jobs."},
    {"name": "health", "description": "For whoever runs the service."},
]


class ProblemResponse(BaseModel):
    """An error (RFC 9457). Some carry further members, such as `state` or `limit_bytes`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    type: str
    """A stable URI of the kind of problem: `urn:signforge:problem:...`"""
    title: str
    """The kind of problem for a person."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong here, with the value, the limit and what to change."""
    instance: str
    """The path that was asked for."""
    request_id: str
    """The id under which the service's log knows this request; also in `X-Request-Id`."""
    errors: list[Fault]
    """Each field that is to blame."""


def install(app: FastAPI) -> None:
    """Let every operation of the document say how it fails, and the submission of jobs give examples."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_examples(with_problems(generate()))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Replace FastAPI's own form of errors by `ProblemResponse` in every operation."""
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
    """Add an example body of each kind of job."""
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]
    body["content"]["application/json"]["examples"] = job_examples()
    return document


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that may be left out: a URL or a header cannot say null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
