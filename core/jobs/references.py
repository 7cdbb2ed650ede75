"""Finds the names and ids in a specification that refer to rows, and replaces them.

A field refers to one row, or is a list of entries that refer to one each.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from core.jobs.job_kind import JobKind, RefersTo

Place = tuple[str | int, ...]
"""Where something is in a specification: `("corpus",)`, or `("also", 0, "corpus")`."""


class Referred(NamedTuple):
    """A reference of a specification: where it is, and the name or id that is there."""

    place: Place
    reference: RefersTo
    named: str
    holder: Mapping[str, Any]
    """The specification, or the entry of a list, that the reference is a field of."""

    @property
    def pointer(self) -> str:
        """Where it is, as in a JSON pointer but without the first slash."""
        return "/".join(map(str, self.place))

    def beside(self, field: str) -> str:
        """Pointer to another field of the same holder."""
        return "/".join(map(str, (*self.place[:-1], field)))


def references_of(kind: JobKind, spec: Mapping[str, Any]) -> Iterator[Referred]:
    """Yield what a specification of that kind, as JSON, refers to."""
    for field, reference in kind.references.items():
        if reference.of_each is None:
            if (named := spec.get(field)) is not None:
                yield Referred((field,), reference, str(named), spec)
            continue
        for number, entry in enumerate(spec.get(field) or ()):
            named = str(entry[reference.of_each])
            yield Referred((field, number, reference.of_each), reference, named, entry)


def with_names(spec: Mapping[str, Any], names: Mapping[Place, str]) -> dict[str, Any]:
    """Return a specification, as JSON, with other names or ids at these places."""
    changed = dict(spec)
    for (field, *within), name in names.items():
        if not within:
            changed[str(field)] = name
            continue
        number, inner = within
        entries = list(changed[str(field)])
        entries[int(number)] = {**entries[int(number)], str(inner): name}
        changed[str(field)] = entries
    return changed
