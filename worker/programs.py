"""Which program does which kind of job, and how a stored specification becomes the one it is given.

A stored specification names corpora, encoders and uploads by id; a program knows paths only.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from core.errors import SignforgeError
from core.jobs.artifacts import ArtifactStore
from core.jobs.leases import Claim
from core.jobs.tables import CorpusRow, EncoderRow, UploadRow

PROGRAMS: Mapping[str, str] = {
    "import": "core.corpora.importing",
    "pretrain": "core.training.pretrain",
    "evaluate": "core.evaluation.evaluate",
}
"""Kind of job -> module that does it."""


class DataMissing(SignforgeError):  # noqa: N818 - what it says is the fault
    """Something a job needs is not there (any more)."""

    reason = "data_missing"


def local_spec(session: Session, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    """The specification of a job with paths for ids, and with its resolved recipe spelt out.

    Raises:
        DataMissing: a corpus, encoder or upload has no row, or its files are gone.
    """
    return _LOCAL[claim.kind](session, claim, store)


def _import(session: Session, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    source = str(claim.spec["source"])
    if not source.startswith("upl_"):
        return claim.spec
    upload = session.get(UploadRow, source)
    return {
        **claim.spec,
        "source": _existing(store, upload.location if upload else None, what=f"Upload {source}"),
    }


def _pretrain(session: Session, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    spec = {**claim.spec, "corpus": _corpus(session, claim, store)}
    if claim.resolved is not None:  # what was promised at submission, even if the recipe has changed since
        spec["overrides"] = {field: value for field, value in claim.resolved.items() if field != "recipe"}
    return spec


def _evaluate(session: Session, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    spec = {**claim.spec, "corpus": _corpus(session, claim, store)}
    if spec.get("encoder"):
        encoder = session.get(EncoderRow, str(spec["encoder"]))
        what = f"Encoder {spec['encoder']}"
        spec["encoder"] = _existing(store, encoder.location if encoder else None, what=what)
    return spec


def _corpus(session: Session, claim: Claim, store: ArtifactStore) -> str:
    corpus_id = str(claim.spec["corpus"])
    corpus = session.get(CorpusRow, corpus_id)
    return _existing(store, corpus.location if corpus else None, what=f"Corpus {corpus_id}")


def _existing(store: ArtifactStore, location: str | None, *, what: str) -> str:
    path = store.local_path(location) if location else None
    if path is None or not path.exists():
        raise DataMissing(f"{what} is not there (any more); submit the job again with one that is.")
    return str(path)


_LOCAL: Mapping[str, Callable[[Session, Claim, ArtifactStore], dict[str, Any]]] = {
    "import": _import,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
}
