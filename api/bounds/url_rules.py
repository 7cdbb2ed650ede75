"""URL checks of every operation: no unknown query parameters, no null characters in ids.

Unknown parameters are refused because a misspelt `dry_run` must not submit a job.
"""

from fastapi import Request

from api.operations import query_parameters
from api.problems import Problem, invalid, not_found
from api.validation import MAX_FAULTS, Fault, shortened
from core.specs.near_names import hint

MAX_QUERY_BYTES = 8192


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the operation does not have.

    Raises:
        Problem: the query has a parameter that the OpenAPI document does not list for this operation (422),
            or is so long that parsing it would delay others (414).
    """
    query: bytes = request.scope["query_string"]
    if not query:
        return
    if len(query) > MAX_QUERY_BYTES:
        detail = f"The query has {len(query):,} bytes. The limit is {MAX_QUERY_BYTES:,}. Send less."
        raise Problem(414, "too-large", detail, limit_bytes=MAX_QUERY_BYTES)
    known = query_parameters(request.app, request.scope["route"].name)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise invalid([_fault(name, known) for name in unknown[:MAX_FAULTS]], count=len(unknown))


def refuse_null_characters(request: Request) -> None:
    """Refuse ids with a null character, which PostgreSQL cannot store.

    Raises:
        Problem: an id in the path has a null character, so no resource has that id (404).
    """
    for name, value in request.path_params.items():
        if "\0" in str(value):
            raise not_found(name.removesuffix("_id").replace("_", " "), value)


def _fault(name: str, known: list[str]) -> Fault:
    known_ones = hint(name, known) or " This operation takes none."
    detail = f"There is no query parameter {shortened(name)!r}.{known_ones}"
    return Fault(location="query", pointer=f"/{name}", detail=detail, code="extra_forbidden")
