"""Validation of a submitted specification: replace names by ids and refuse what cannot work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.problems import Problem
from api.submission.amounts import check_amounts
from api.submission.references import check_glosses, check_selection, find_corpus, find_encoder
from api.submission.sources import resolve_source
from api.validation import Fault
from core.jobs.job_kind import Artifact
from core.jobs.kinds import find, makers
from core.jobs.references import Referred, references_of, with_names
from core.jobs.settings import Settings
from core.jobs.states import FINAL
from core.jobs.tables.artifacts import CorpusRow, EncoderRow
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import JobSpec
from core.specs.pretraining import EncoderConfig
from core.specs.starting import check_start


@dataclass(frozen=True)
class Prepared:
    """A specification with ids instead of names, and the full configuration if it names a recipe."""

    spec: JobSpec
    resolved: dict[str, Any] | None


def prepare(session: Session, settings: Settings, *, owner: str, spec: JobSpec) -> Prepared:
    """Check `spec` against the uploads, corpora and encoders of `owner`.

    Raises:
        Problem: it refers to something that does not exist (422), or its corpus name is taken (409).
        SpecError: an unknown recipe, an unknown field or a value out of bounds in `overrides`.
    """
    kind, fields = find(spec.kind), spec.model_dump(mode="json")
    resolved = kind.resolution.resolve(spec).model_dump(mode="json") if kind.resolution else None
    references = list(references_of(kind, fields))
    found = {referred.place: _find_reference(session, settings, owner, referred) for referred in references}
    corpora = {place: thing for place, thing in found.items() if isinstance(thing, CorpusRow)}
    for referred in references:
        if (corpus := corpora.get(referred.place)) is None:
            continue
        reference = referred.reference
        if reference.clips is not None:
            check_selection(referred.holder[reference.clips], corpus, field=referred.beside(reference.clips))
        if (other := corpora.get((reference.shares_glosses_with or "",))) is not None:
            check_glosses(other, corpus, field=referred.pointer)
    if (used := corpora.get(("corpus",))) is not None:
        more = [corpus for (field, *_), corpus in corpora.items() if field == "also"]
        check_amounts(spec, resolved, used, more)
    if isinstance(start := found.get(("start",)), EncoderRow) and resolved is not None:
        _check_start(start, resolved)
    if kind.makes == Artifact.CORPUS:
        _check_name_is_free(session, owner, str(fields["name"]))
    ids = {place: thing if isinstance(thing, str) else thing.id for place, thing in found.items()}
    return Prepared(type(spec).model_validate(with_names(fields, ids)), resolved)


def _check_start(start: EncoderRow, resolved: Mapping[str, Any]) -> None:
    there, here = start.card["config"]["encoder"], resolved["encoder"]
    check_start(start.name, EncoderConfig.model_validate(there), EncoderConfig.model_validate(here))


def _find_reference(
    session: Session, settings: Settings, owner: str, referred: Referred
) -> str | CorpusRow | EncoderRow:
    """Find what a specification refers to: a row, or the id of an upload or a path."""
    wanted, field = referred.named, referred.pointer
    if referred.reference.to == Artifact.UPLOAD:
        return resolve_source(session, settings, owner=owner, source=wanted, field=field)
    if referred.reference.to == Artifact.CORPUS:
        return find_corpus(session, owner, wanted, field=field)
    return find_encoder(session, owner, wanted, field=field)


def _check_name_is_free(session: Session, owner: str, name: str) -> None:
    """Check that no corpus of the owner has that name, and that no unfinished job will create one."""
    taken_by = _holder_of_name(session, owner, name)
    if taken_by is not None:
        detail = (
            f"The corpus name {name!r} is taken by your job {taken_by}. Choose another name, or delete the "
            "corpus of that name first."
        )
        fault = Fault(location="body", pointer="/name", detail=detail, code="name_taken")
        raise Problem(409, "name-taken", detail, faults=[fault])


def _holder_of_name(session: Session, owner: str, name: str) -> str | None:
    """The job that made or will make the owner's corpus of that name."""
    kept = select(CorpusRow.job_id).where(CorpusRow.owner == owner, CorpusRow.deleted_at.is_(None))
    made_by = session.scalar(kept.where(CorpusRow.name == name))
    if made_by is not None:
        return made_by
    final = sorted(state.value for state in FINAL)
    unfinished = select(JobRow).where(
        JobRow.owner == owner, JobRow.kind.in_(makers(Artifact.CORPUS)), JobRow.state.not_in(final)
    )
    return next((job.id for job in session.scalars(unfinished) if job.spec["name"] == name), None)
