"""The OpenAPI document, compared with the one on record. After a change that is meant, renew it:

python -m tests.api.documents.test_openapi
"""

import json
from pathlib import Path
from typing import Any

from api.main import create_app
from core.jobs.settings import Settings

RECORD = Path(__file__).with_name("openapi.json")


def document() -> dict[str, Any]:
    """The document as clients get it, without the version of the package."""
    generated = create_app(Settings()).openapi()
    generated["info"].pop("version")
    return dict(json.loads(json.dumps(generated)))


def test_the_document_is_the_one_on_record() -> None:
    assert document() == json.loads(RECORD.read_text()), (
        "renew it: python -m tests.api.documents.test_openapi"
    )


def test_operations_have_stable_ids_a_tag_a_description_and_a_problem() -> None:
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["operationId"].replace("_", "").isalpha()
        assert operation["tags"]
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert "422" not in operation["responses"]


def test_every_field_and_parameter_is_described() -> None:
    described = document()
    for name, schema in described["components"]["schemas"].items():
        for field, value in schema.get("properties", {}).items():
            assert "description" in value or "const" in value, f"{name}.{field}"
    for path in described["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "path":
                    assert parameter.get("description") or parameter["schema"].get("description"), parameter


def test_every_reference_leads_somewhere() -> None:
    described = document()
    references = json.dumps(described).split('"$ref": "#/components/schemas/')[1:]
    names = {reference.split('"')[0] for reference in references}
    assert names <= set(described["components"]["schemas"])
    assert "ProblemResponse" in names


if __name__ == "__main__":
    RECORD.write_text(json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
