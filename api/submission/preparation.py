"""Making a specification fit to be queued: names become ids, and what cannot work is refused at once."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.problems import Problem
from api.submission.references import check_glosses, check_selection, find_corpus, find_encoder
from api.submission.sources import resolve_source
from api.validation import Fault
from core.jobs.job_kind import Artifact
from core.jobs.kinds import find, makers
from core.jobs.settings import Settings
from core.jobs.states import FINAL
from core.jobs.tables.artifacts import CorpusRow, EncoderRow
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import JobSpec


@dataclass(frozen=True)
class Prepared:
    """A specification with ids in place of names, and the full configuration where a recipe is named."""

    spec: JobSpec
    resolved: dict[str, Any] | None


def prepare(session: Session, settings: Settings, *, owner: str, spec: JobSpec) -> Prepared:
    """Check `spec` against what `owner` has.

    Raises:
        Problem: it names something that is not there (422), or a corpus name already taken (409).
        SpecError: an unknown recipe, a misspelt field or a value out of bounds in `overrides`.
    """
    kind, said = find(spec.kind), dict(spec)
    resolved = kind.resolution.resolve(spec).model_dump(mode="json") if kind.resolution else None
    found = {
        field: _found(session, settings, owner, reference.to, said[field], field)
        for field, reference in kind.references.items()
        if said[field] is not None
    }
    corpora = {field: thing for field, thing in found.items() if isinstance(thing, CorpusRow)}
    for field, corpus in corpora.items():
        reference = kind.references[field]
        if reference.clips is not None:
            check_selection(said[reference.clips], corpus, field=reference.clips)
        if (other := corpora.get(reference.shares_glosses_with or "")) is not None:
            check_glosses(other, corpus, field=field)
    if kind.makes == Artifact.CORPUS:
        _check_name_is_free(session, owner, str(said["name"]))
    ids = {field: thing if isinstance(thing, str) else thing.id for field, thing in found.items()}
    return Prepared(spec.model_copy(update=ids), resolved)


def _found(
    session: Session, settings: Settings, owner: str, artifact: Artifact, wanted: str, field: str
) -> str | CorpusRow | EncoderRow:
    """What `field` of a specification refers to: a row, or the id or path of an upload."""
    if artifact == Artifact.UPLOAD:
        return resolve_source(session, settings, owner=owner, source=wanted, field=field)
    if artifact == Artifact.CORPUS:
        return find_corpus(session, owner, wanted, field=field)
    return find_encoder(session, owner, wanted, field=field)


def _check_name_is_free(session: Session, owner: str, name: str) -> None:
    """Check that no corpus of the owner has that name, and that no job is to make one."""
    taken_by = _holder_of_name(session, owner, name)
    if taken_by is not None:
        detail = f"You have a corpus {name!r} already, made by {taken_by}; choose another name."
        fault = Fault(location="body", pointer="/name", detail=detail, code="name_taken")
        raise Problem(409, "name-taken", detail, faults=[fault])


def _holder_of_name(session: Session, owner: str, name: str) -> str | None:
    """The job that made, or is to make, the owner's corpus of that name."""
    kept = select(CorpusRow.job_id).where(CorpusRow.owner == owner, CorpusRow.deleted_at.is_(None))
    made_by = session.scalar(kept.where(CorpusRow.name == name))
    if made_by is not None:
        return made_by
    final = sorted(state.value for state in FINAL)
    going_on = select(JobRow).where(
        JobRow.owner == owner, JobRow.kind.in_(makers(Artifact.CORPUS)), JobRow.state.not_in(final)
    )
    return next((job.id for job in session.scalars(going_on) if job.spec["name"] == name), None)
