"""Hints for an id or a name that the service does not know: what is close, what exists, what lists all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from core.specs.near_names import close_names, hint

_LEAST_LIKENESS_OF_IDS = 0.9
"""Ids that were made soon after each other begin alike."""
_SHORTEST_BEGINNING = 6


@dataclass(frozen=True)
class Collection:
    """Things of one kind that the service lists."""

    noun: str
    listed_by: str
    """The command that lists them."""
    has_unique_names: bool = False
    """Whether a name does in place of an id."""
    is_paged: bool = True
    """Whether its list comes in pages."""


COLLECTIONS: Mapping[str, Collection] = {
    "jobs": Collection("job", "signforge jobs"),
    "corpora": Collection("corpus", "signforge corpora list", has_unique_names=True),
    "encoders": Collection("encoder", "signforge encoders list", has_unique_names=True),
    "evaluations": Collection("evaluation", "signforge jobs --kind evaluate"),
    "webhooks": Collection("webhook", "signforge webhooks list"),
    "api-keys": Collection("API key", "signforge keys list", is_paged=False),
}
"""By their name in the service's paths."""


def wanted_by(path: str) -> tuple[str, str] | None:
    """The collection and the id that a path such as `/v1/jobs/job_1/events` names; None for other paths."""
    parts = path.split("?")[0].strip("/").split("/")
    if len(parts) < 3 or parts[1] not in COLLECTIONS:
        return None
    return parts[1], unquote(parts[2])


def hint_for(collection: str, wanted: str, items: Sequence[Mapping[str, Any]]) -> str:
    """A sentence to follow "You have no ... 'wanted'."; empty if an item has that id.

    `items` are the newest of the collection, as the service lists them.
    """
    kind = COLLECTIONS[collection]
    ids = [str(item.get("id")) for item in items]
    if wanted in ids:
        return ""
    if not items:
        return f" There are none yet. `{kind.listed_by}` lists them."
    if kind.has_unique_names and not _close_ids(wanted, ids):
        return f"{hint(wanted, [str(item['name']) for item in items])} `{kind.listed_by}` lists all."
    close = _close_ids(wanted, ids) or _ids_by_name(wanted, items)
    question = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"{question} `{kind.listed_by}` lists all."


def _close_ids(wanted: str, ids: Sequence[str]) -> list[str]:
    if len(wanted) >= _SHORTEST_BEGINNING and (begun := [name for name in ids if name.startswith(wanted)]):
        return begun[:1]
    return close_names(wanted, ids, cutoff=_LEAST_LIKENESS_OF_IDS)


def _ids_by_name(wanted: str, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ids of things whose name is close to `wanted`, with the name."""
    by_name = {str(item["name"]): str(item["id"]) for item in reversed(items) if item.get("name")}
    return [f"{by_name[name]} ({name})" for name in close_names(wanted, by_name)]
