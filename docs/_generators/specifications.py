"""The reference of job kinds: every specification, and the models that it is made of."""

from pydantic import BaseModel

from _generators.markdown import code, heading, joined, slug
from _generators.schemas import fields_table
from core.jobs.kinds import KINDS


def page() -> str:
    """A section for each kind of job, then one for each model that specifications share."""
    kinds = job_specifications()
    shared: dict[str, dict[str, object]] = {}
    for model in kinds.values():
        shared.update(model.model_json_schema().get("$defs", {}))
    sections = [_kind_section(kind, model) for kind, model in sorted(kinds.items())]
    parts = [_shared_section(name, schema) for name, schema in sorted(shared.items())]
    return joined([*sections, *parts])


def job_specifications() -> dict[str, type[BaseModel]]:
    """The specification of each kind of job, from the registry."""
    return {name: kind.spec_type for name, kind in KINDS.items()}


def link(name: str) -> str:
    """A link to a model's own section."""
    return f"[{name}](#spec-{slug(name)})"


def _kind_section(kind: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return joined(
        [
            heading(2, f"Kind {code(kind)}", anchor=f"kind-{slug(kind)}"),
            f"{schema.get('description', '')} (`{model.__name__}`)",
            fields_table(schema, link),
        ]
    )


def _shared_section(name: str, schema: dict[str, object]) -> str:
    description = str(schema.get("description", ""))
    return joined([heading(2, name, anchor=f"spec-{slug(name)}"), description, fields_table(schema, link)])
