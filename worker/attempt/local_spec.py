"""Conversion of a stored specification, with ids, to a program's specification, with local paths."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from core.errors import ArtifactError, SignforgeError
from core.jobs.database import reading
from core.jobs.job_kind import Artifact, JobKind, RefersTo
from core.jobs.kinds import KINDS
from core.jobs.ledger.leases import Claim
from core.jobs.references import references_of, with_names
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import FileDigest
from core.jobs.tables.artifacts import ROW_TYPES, CorpusRow, EncoderRow, UploadRow


class DataMissing(SignforgeError):  # noqa: N818 - what it says is the fault
    """Data that a job needs does not exist or is damaged."""

    reason = "data_missing"


def local_spec(engine: Engine, claim: Claim, store: ArtifactStore) -> dict[str, Any]:
    """The specification of a job with local paths instead of ids, and with its resolved recipe.

    Missing files are fetched to their local paths, while no transaction is open.

    Raises:
        DataMissing: a corpus, encoder or upload has no row, or its files are gone or damaged.
        StorageError: the store does not respond, or the disk is full.
        SignforgeError: this worker does not know the kind of job.
    """
    kind = _kind_of(claim)
    paths = {
        referred.place: _local_path(engine, store, referred.reference, referred.named)
        for referred in references_of(kind, claim.spec)
    }
    spec = with_names(claim.spec, paths)
    if kind.resolution is None or claim.resolved is None:
        return spec
    return kind.resolution.spell_out(spec, claim.resolved)


def source_root(claim: Claim, roots: Sequence[Path]) -> Path | None:
    """The corpus root below which the program of a job may read its source; None for an upload, or no source.

    Raises:
        DataMissing: the source is a path that is below none of this worker's roots.
    """
    sources = [
        referred.named
        for referred in references_of(_kind_of(claim), claim.spec)
        if referred.reference.to == Artifact.UPLOAD and _is_path(referred.named)
    ]
    for source in sources:
        above = [real for root in roots if Path(source).is_relative_to(real := root.resolve())]
        if not above:
            listed = ", ".join(map(str, roots)) or "none"
            raise DataMissing(
                f"The source {source} is not below a folder that this worker may read, SIGNFORGE_CORPUS_ROOTS"
                f" ({listed}). Set it for workers as for the API, then retry the job."
            )
        return max(above, key=lambda real: len(real.parts))
    return None


def _is_path(source: str) -> bool:
    return not source.startswith("upl_")


def _kind_of(claim: Claim) -> JobKind:
    """The kind of the claimed job. A newer API may queue kinds that this worker does not know."""
    if claim.kind not in KINDS:
        raise SignforgeError(
            f"This worker does not know the job kind {claim.kind!r}, only {', '.join(KINDS)}. "
            "Update the worker."
        )
    return KINDS[claim.kind]


def _local_path(engine: Engine, store: ArtifactStore, reference: RefersTo, named: str) -> str:
    if reference.to == Artifact.UPLOAD and _is_path(named):
        return named  # a path below a corpus root
    try:
        with reading(engine) as session:
            row = session.get(ROW_TYPES[reference.to], named)
        if row is None:
            raise ArtifactError("It has no row in the database.")
        return _FETCH[reference.to](store, row)
    except ArtifactError as error:
        raise DataMissing(
            f"{reference.to.noun.capitalize()} {named} is missing or damaged: {error} Submit the job again "
            f"with another {reference.to.noun}."
        ) from error


def _upload(store: ArtifactStore, row: UploadRow) -> str:
    return str(store.fetch_file(row.location, FileDigest(row.size_bytes, row.sha256)))


def _corpus(store: ArtifactStore, row: CorpusRow) -> str:
    return str(store.fetch_folder(row.location))


def _encoder(store: ArtifactStore, row: EncoderRow) -> str:
    weights = {"encoder.safetensors": FileDigest(row.size_bytes, row.sha256)}
    return str(store.fetch_folder(row.location, weights))


_FETCH: Mapping[Artifact, Callable[[ArtifactStore, Any], str]] = {
    Artifact.UPLOAD: _upload,
    Artifact.CORPUS: _corpus,
    Artifact.ENCODER: _encoder,
}
