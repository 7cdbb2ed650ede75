"""Example request bodies of the OpenAPI document, from the registry of job kinds."""

from typing import Any

from core.jobs.kinds import KINDS


def job_examples() -> dict[str, dict[str, Any]]:
    """An OpenAPI Example Object for each example of each kind. The tests submit them."""
    return {
        name: {"summary": example.summary, "value": {"kind": kind.name, **example.fields}}
        for kind in KINDS.values()
        for name, example in kind.examples.items()
    }
