"""Making a specification fit to be queued: names become ids, and what cannot work is refused at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.problems import Problem, unfit
from api.submission.sources import resolve_source
from api.validation import Fault, near
from core.jobs.deletions import KEEP
from core.jobs.settings import Settings
from core.jobs.states import FINAL
from core.jobs.tables.artifacts import CorpusRow, EncoderRow
from core.jobs.tables.jobs import JobRow
from core.specs.jobs import (
    ClipSelection,
    EvaluateSpec,
    ImportEncoderSpec,
    ImportSpec,
    JobSpec,
    LeakAuditSpec,
    PretrainSpec,
)
from core.specs.recipes import resolve

_MOST_NAMES_TOLD = 20
_FEW = 5


@dataclass(frozen=True)
class Prepared:
    """A specification with ids in place of names, and the full configuration of a pretraining run."""

    spec: JobSpec
    resolved: dict[str, Any] | None


def prepare(session: Session, settings: Settings, *, owner: str, spec: JobSpec) -> Prepared:
    """Check `spec` against what `owner` has.

    Raises:
        Problem: it names something that is not there (422), or a corpus name already taken (409).
        SpecError: an unknown recipe, a misspelt field or a value out of bounds in `overrides`.
    """
    if isinstance(spec, ImportSpec):
        return Prepared(_prepare_import(session, settings, owner, spec), None)
    if isinstance(spec, ImportEncoderSpec):
        source = resolve_source(session, settings, owner=owner, source=spec.source)
        return Prepared(spec.model_copy(update={"source": source}), None)
    if isinstance(spec, PretrainSpec):
        resolved = resolve(spec).model_dump(mode="json")
        corpus = find_corpus(session, owner, spec.corpus)
        _check_selection(spec.clips, corpus)
        return Prepared(spec.model_copy(update={"corpus": corpus.id}), resolved)
    if isinstance(spec, LeakAuditSpec):
        corpus = find_corpus(session, owner, spec.corpus)
        _check_selection(spec.clips, corpus)
        return Prepared(spec.model_copy(update={"corpus": corpus.id}), None)
    return Prepared(_prepare_evaluate(session, owner, spec), None)


def find_corpus(session: Session, owner: str, wanted: str, *, field: str = "corpus") -> CorpusRow:
    """Return the owner's corpus with that id or name, which `field` of a specification asks for.

    Raises:
        Problem: there is none (422).
    """
    mine = select(CorpusRow).where(CorpusRow.owner == owner, CorpusRow.deleted_at.is_(None))
    these = mine.where((CorpusRow.id == wanted) | (CorpusRow.name == wanted))
    row = session.scalars(these.with_for_update(read=KEEP["read"], key_share=KEEP["key_share"])).first()
    if row is None:
        newest = mine.order_by(CorpusRow.created_at.desc()).limit(_MOST_NAMES_TOLD)
        names = (row.name for row in session.scalars(newest))
        raise _unknown("corpus", wanted, names, "POST /v1/corpora", field=field)
    return row


def find_encoder(session: Session, owner: str, wanted: str) -> EncoderRow:
    """Return the owner's encoder with that id, or the newest version of that name.

    Raises:
        Problem: there is none (422).
    """
    mine = select(EncoderRow).where(EncoderRow.owner == owner, EncoderRow.deleted_at.is_(None))
    these = mine.where((EncoderRow.id == wanted) | (EncoderRow.name == wanted))
    row = session.scalars(
        these.order_by(EncoderRow.version.desc()).with_for_update(
            read=KEEP["read"], key_share=KEEP["key_share"]
        )
    ).first()
    if row is None:
        newest = mine.order_by(EncoderRow.created_at.desc()).limit(_MOST_NAMES_TOLD)
        names = (row.name for row in session.scalars(newest))
        raise _unknown("encoder", wanted, names, "a pretraining job", field="encoder")
    return row


def _prepare_import(session: Session, settings: Settings, owner: str, spec: ImportSpec) -> ImportSpec:
    source = resolve_source(session, settings, owner=owner, source=spec.source)
    taken_by = _holder_of_name(session, owner, spec.name)
    if taken_by is not None:
        detail = f"You have a corpus {spec.name!r} already, made by {taken_by}; choose another name."
        fault = Fault(location="body", pointer="/name", detail=detail, code="name_taken")
        raise Problem(409, "name-taken", detail, faults=[fault])
    return spec.model_copy(update={"source": source})


def _prepare_evaluate(session: Session, owner: str, spec: EvaluateSpec) -> EvaluateSpec:
    corpus = find_corpus(session, owner, spec.corpus)
    _check_selection(spec.clips, corpus)
    ids = {"corpus": corpus.id}
    if spec.test_corpus is not None:
        tested = find_corpus(session, owner, spec.test_corpus, field="test_corpus")
        _check_selection(spec.test_clips, tested, field="test_clips")
        _check_glosses(corpus, tested)
        ids["test_corpus"] = tested.id
    if spec.encoder is not None:
        ids["encoder"] = find_encoder(session, owner, spec.encoder).id
    return spec.model_copy(update=ids)


def _check_glosses(corpus: CorpusRow, tested: CorpusRow) -> None:
    """Refuse two corpora that cannot be compared; the program looks again at the clips that are selected."""
    names, others = corpus.summary["label_names"], tested.summary["label_names"]
    if not set(names) & set(others):
        detail = (
            f"Corpora {corpus.name!r} and {tested.name!r} share no gloss by name: the one has "
            f"{', '.join(names[:_FEW]) or 'none'}, the other {', '.join(others[:_FEW]) or 'none'}. Name them "
            "alike when importing."
        )
        raise unfit("/test_corpus", detail, code="no_shared_gloss")


def _holder_of_name(session: Session, owner: str, name: str) -> str | None:
    """The job that made, or is to make, the owner's corpus of that name."""
    kept = select(CorpusRow.job_id).where(CorpusRow.owner == owner, CorpusRow.deleted_at.is_(None))
    made_by = session.scalar(kept.where(CorpusRow.name == name))
    if made_by is not None:
        return made_by
    final = sorted(state.value for state in FINAL)
    going_on = select(JobRow).where(
        JobRow.owner == owner, JobRow.kind == "import", JobRow.state.not_in(final)
    )
    return next((job.id for job in session.scalars(going_on) if job.spec["name"] == name), None)


def _check_selection(clips: ClipSelection, corpus: CorpusRow, *, field: str = "clips") -> None:
    """Refuse splits, signers and glosses that the corpus does not have."""
    summary: Mapping[str, Any] = corpus.summary
    for part, key in (
        ("splits", "split_counts"),
        ("signers", "signer_names"),
        ("exclude_signers", "signer_names"),
        ("exclude_labels", "label_names"),
    ):
        for index, name in enumerate(getattr(clips, part)):
            if name not in summary[key]:
                detail = f"Corpus {corpus.name!r} has no {name!r} among its {key}.{_few(name, summary[key])}"
                raise unfit(f"/{field}/{part}/{index}", detail, code="unknown")


def _unknown(noun: str, wanted: str, names: Iterable[str], made_by: str, *, field: str) -> Problem:
    known = list(dict.fromkeys(names))
    hint = near(wanted, known) if known else f" You have none yet; {made_by} makes one."
    return unfit(f"/{field}", f"You have no {noun} {wanted!r}.{hint}", code="unknown")


def _few(word: str, names: Iterable[str]) -> str:
    known = list(names)
    hint = near(word, known)
    return hint if "Did you mean" in hint or len(known) <= _MOST_NAMES_TOLD else f" It has {len(known)}."
