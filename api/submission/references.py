"""Look-up of the corpora and encoders that a specification refers to, by id or by name."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from api.problems import Problem, unfit
from core.exchange.base_encoder import BASE_NAME
from core.jobs.deletions import SHARE_LOCK
from core.jobs.job_kind import Artifact
from core.jobs.tables.artifacts import CorpusRow, EncoderRow
from core.specs.near_names import hint
from core.specs.plain_names import plain_name

_MAX_NAMES_LISTED = 20
_MAX_GLOSSES_LISTED = 5
_OWNER: BindParameter[str] = bindparam("owner")
_WANTED: BindParameter[str] = bindparam("wanted")
_CORPORA = select(CorpusRow).where(CorpusRow.owner == _OWNER, CorpusRow.deleted_at.is_(None))
_NAMED_CORPUS = _CORPORA.where((CorpusRow.id == _WANTED) | (CorpusRow.name == _WANTED)).with_for_update(
    read=SHARE_LOCK["read"], key_share=SHARE_LOCK["key_share"]
)
_ENCODERS = select(EncoderRow).where(EncoderRow.owner == _OWNER, EncoderRow.deleted_at.is_(None))
_NAMED_ENCODER = (
    _ENCODERS.where((EncoderRow.id == _WANTED) | (EncoderRow.name == _WANTED))
    .order_by(EncoderRow.version.desc())
    .with_for_update(read=SHARE_LOCK["read"], key_share=SHARE_LOCK["key_share"])
)
_SUMMARY_OF = {
    "splits": ("split", "split_counts"),
    "signers": ("signer", "signer_names"),
    "exclude_signers": ("signer", "signer_names"),
    "exclude_labels": ("gloss", "label_names"),
}
"""Field of a clip selection -> a noun for its names, and the field of a corpus summary that lists them."""


def find_corpus(session: Session, owner: str, wanted: str, *, field: str) -> CorpusRow:
    """Return the owner's corpus with that id or name, which `field` of a specification names.

    Raises:
        Problem: there is none (422).
    """
    row = session.scalars(_NAMED_CORPUS, {"owner": owner, "wanted": wanted}).first()
    if row is None:
        newest = _CORPORA.order_by(CorpusRow.created_at.desc()).limit(_MAX_NAMES_LISTED)
        names = (row.name for row in session.scalars(newest, {"owner": owner}))
        raise _unknown(
            Artifact.CORPUS, wanted, names, "`signforge corpora add` or POST /v1/corpora", field=field
        )
    return row


def find_encoder(session: Session, owner: str, wanted: str, *, field: str) -> EncoderRow:
    """Return the owner's encoder with that id, or the newest version of that name.

    Raises:
        Problem: there is none (422).
    """
    row = session.scalars(_NAMED_ENCODER, {"owner": owner, "wanted": wanted}).first()
    if row is None and wanted == BASE_NAME:
        detail = (
            f"You have not added the encoder {wanted!r} yet. Do so with `signforge encoders import {wanted}`."
        )
        raise unfit(f"/{field}", detail, code="unknown")
    if row is None:
        newest = _ENCODERS.order_by(EncoderRow.created_at.desc()).limit(_MAX_NAMES_LISTED)
        names = (row.name for row in session.scalars(newest, {"owner": owner}))
        raise _unknown(Artifact.ENCODER, wanted, names, "a pretraining job", field=field)
    return row


def check_selection(clips: Mapping[str, Any], corpus: CorpusRow, *, field: str) -> None:
    """Check that a corpus has the splits, signers and glosses that `field` of a specification selects.

    Raises:
        Problem: it lacks one (422).
    """
    summary: Mapping[str, Any] = corpus.summary
    for part, (noun, key) in _SUMMARY_OF.items():
        for index, name in enumerate(clips[part]):
            if plain_name(name) not in map(plain_name, summary[key]):
                detail = f"Corpus {corpus.name!r} has no {noun} {name!r}.{hint(name, summary[key])}"
                raise unfit(f"/{field}/{part}/{index}", detail, code="unknown")


def check_glosses(corpus: CorpusRow, other: CorpusRow, *, field: str) -> None:
    """Check that two corpora share a gloss. The program checks the selected clips again.

    Raises:
        Problem: they share no gloss by name (422). `field` is the specification's field that names `other`.
    """
    names, others = corpus.summary["label_names"], other.summary["label_names"]
    if set(map(plain_name, names)).isdisjoint(map(plain_name, others)):
        detail = (
            f"Corpora {corpus.name!r} and {other.name!r} share no gloss by name: the first has "
            f"{', '.join(names[:_MAX_GLOSSES_LISTED]) or 'none'}, the other "
            f"{', '.join(others[:_MAX_GLOSSES_LISTED]) or 'none'}. Import them with the same gloss names."
        )
        raise unfit(f"/{field}", detail, code="no_shared_gloss")


def _unknown(artifact: Artifact, wanted: str, names: Iterable[str], made_by: str, *, field: str) -> Problem:
    known = hint(wanted, names) or f" You have none yet; create one with {made_by}."
    return unfit(f"/{field}", f"You have no {artifact.noun} {wanted!r}.{known}", code="unknown")
