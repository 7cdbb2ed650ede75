"""The reference of events: what happens to a job, what a program reports, and what a job's state may be."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import get_args

from _generators.markdown import code, heading, joined, table, values
from _generators.schemas import model_fields
from api.schemas.jobs import EventResponse
from core.jobs.states import Reason, State
from core.program.observer import Observer
from core.specs.docstrings import field_docstrings


def page() -> str:
    """Events of a job with their fields, states, reasons, and the events of a program."""
    types = [(code(name), values(fields)) for name, fields in event_fields().items()]
    return joined(
        [
            heading(2, "Fields of an event"),
            model_fields(EventResponse),
            heading(2, "Types of events"),
            table(("type", "fields of `data`"), types),
            heading(2, "States and reasons"),
            f"A state is one of {values(State)}.",
            f"A reason is one of {values(Reason)}.",
            heading(2, "What a program reports"),
            _summary(Observer),
            table(("call", "meaning"), [(code(name), text) for name, text in _calls().items()]),
        ]
    )


def event_fields() -> Mapping[str, list[str]]:
    """The fields of `data` for each type of event, as the field's description lists them.

    Raises:
        LookupError: a type of event is not described.
    """
    description = field_docstrings(EventResponse).get("data", "")
    listed = dict(re.findall(r"`(\w+)`:\s*([^.`]+)", description))
    types = get_args(EventResponse.model_fields["type"].annotation)
    if missing := [name for name in types if name not in listed]:
        raise LookupError(f"EventResponse.data does not list the fields of {missing}; describe them there")
    return {name: re.split(r",\s*", listed[name].strip()) for name in types}


def _calls() -> dict[str, str]:
    members = inspect.getmembers(Observer, inspect.isfunction)
    ours = [(name, member) for name, member in members if not name.startswith("_")]
    return {f"{name}{_parameters(member)}": _summary(member) for name, member in ours}


def _parameters(method: Callable[..., object]) -> str:
    return str(inspect.signature(method)).replace("self, ", "").replace("self", "")


def _summary(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0]
