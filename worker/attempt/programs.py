"""Which program does which kind of job, and how a stored specification becomes the one it is given.

A stored specification names corpora, encoders and uploads by id; a program knows paths only.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine

from core.errors import ArtifactError, SignforgeError
from core.jobs.database import reading
from core.jobs.ledger.leases import Claim
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import FileDigest
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, UploadRow

RowT = TypeVar("RowT", UploadRow, CorpusRow, EncoderRow)

PROGRAMS: Mapping[str, str] = {
    "import": "core.corpora.importing",
    "pretrain": "core.training.pretrain",
    "evaluate": "core.evaluation.evaluate",
    "import_encoder": "core.exchange.importing",
    "leak_audit": "core.evaluation.leak_audit.run",
}
"""Kind of job -> module that does it."""


class DataMissing(SignforgeError):  # noqa: N818 - what it says is the fault
    """Something a job needs is not there (any more)."""

    reason = "data_missing"


def local_spec(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    """The specification of a job with local paths for ids, and with its resolved recipe spelt out.

    What is not at its local path yet is fetched, while no transaction is open.

    Raises:
        DataMissing: a corpus, encoder or upload has no row, or its files are gone or damaged.
        StorageError: the store does not answer, or there is no room.
    """
    return _LOCAL[claim.kind](engine, claim, store)


def _import(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    source = str(claim.spec["source"])
    if not source.startswith("upl_"):
        return claim.spec
    with _naming(f"Upload {source}"):
        upload = _row(engine, UploadRow, source)
        path = store.fetch_file(upload.location, FileDigest(upload.size_bytes, upload.sha256))
    return {**claim.spec, "source": str(path)}


def _pretrain(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    spec = {**claim.spec, "corpus": _corpus(engine, claim, store)}
    if claim.resolved is not None:  # what was promised at submission, even if the recipe has changed since
        spec["overrides"] = {field: value for field, value in claim.resolved.items() if field != "recipe"}
    return spec


def _evaluate(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    spec = {**claim.spec, "corpus": _corpus(engine, claim, store)}
    if spec.get("test_corpus"):
        spec["test_corpus"] = _corpus(engine, claim, store, field="test_corpus")
    if spec.get("encoder"):
        with _naming(f"Encoder {spec['encoder']}"):
            encoder = _row(engine, EncoderRow, str(spec["encoder"]))
            weights = {"encoder.safetensors": FileDigest(encoder.size_bytes, encoder.sha256)}
            spec["encoder"] = str(store.fetch_folder(encoder.location, weights))
    return spec


def _leak_audit(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    return {**claim.spec, "corpus": _corpus(engine, claim, store)}


def _corpus(engine: Engine, claim: Claim, store: ArtifactStore, *, field: str = "corpus") -> str:
    corpus_id = str(claim.spec[field])
    with _naming(f"Corpus {corpus_id}"):
        return str(store.fetch_folder(_row(engine, CorpusRow, corpus_id).location))


def _row(engine: Engine, table: type[RowT], row_id: str) -> RowT:
    with reading(engine) as session:
        row = session.get(table, row_id)
    if row is None:
        raise ArtifactError("There is no record of it.")
    return row


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except ArtifactError as error:
        raise DataMissing(
            f"{what} is not there (any more): {error} Submit the job again with one that is."
        ) from error


_LOCAL: Mapping[str, Callable[[Engine, Claim, ArtifactStore], dict[str, Any]]] = {
    "import": _import,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
    "import_encoder": _import,
    "leak_audit": _leak_audit,
}
