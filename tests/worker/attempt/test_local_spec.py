"""Specifications of programs: local paths for ids, and the resolved recipe."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from core.errors import SignforgeError
from core.jobs.database import transaction
from core.jobs.ledger.leases import Claim
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.folder_store import FolderStore
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, UploadRow
from core.specs.import_jobs import ImportEncoderSpec, ImportSpec
from core.specs.jobs import EvaluateSpec, JobSpec, LeakAuditSpec, PretrainSpec
from core.specs.recipes import resolve
from tests.core.jobs.arranging import queue
from worker.attempt.local_spec import DataMissing, local_spec
from worker.attempt.verdict import RETRIED


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FolderStore(tmp_path / "artifacts")


@pytest.fixture
def engine(sqlite_engine: Engine, store: ArtifactStore) -> Engine:
    """A database with one upload, corpus and encoder, whose files are there."""
    origin, at = queue(sqlite_engine), datetime.now(UTC)
    for folder in (store.corpus_folder("cor_1"), store.encoder_folder("enc_1"), store.folder / "uploads"):
        folder.mkdir(parents=True)
    (store.folder / "uploads" / "clips.npz").write_bytes(b"x")
    with transaction(sqlite_engine) as session:
        origin_of = {"owner": "ada", "job_id": origin, "created_at": at}
        session.add(
            CorpusRow(
                id="cor_1", name="signers", location="corpora/cor_1", digest="", summary={}, **origin_of
            )
        )
        session.add(
            EncoderRow(
                id="enc_1",
                name="letters",
                version=1,
                location="encoders/enc_1",
                sha256="",
                size_bytes=0,
                card={},
                **origin_of,
            )
        )
        session.add(
            UploadRow(
                id="upl_1",
                owner="ada",
                filename="clips.npz",
                location="uploads/clips.npz",
                size_bytes=1,
                sha256="",
                created_at=at,
            )
        )
    return sqlite_engine


def localise(engine: Engine, store: ArtifactStore, spec: JobSpec, **fields: object) -> dict[str, object]:
    claimed = Claim("job_1", 1, "t", spec.kind, spec.model_dump(mode="json"), None, "ada")
    return local_spec(engine, Claim(**{**vars(claimed), **fields}), store)


@pytest.mark.parametrize("spec_type", [ImportSpec, ImportEncoderSpec])
def test_an_upload_becomes_a_path_and_a_path_stays(
    engine: Engine, store: ArtifactStore, spec_type: type[ImportSpec | ImportEncoderSpec]
) -> None:
    local = localise(engine, store, spec_type(name="n", source="upl_1"))
    assert local["source"] == str(store.folder / "uploads" / "clips.npz")
    assert localise(engine, store, spec_type(name="n", source="/data/x"))["source"] == "/data/x"


def test_corpus_and_encoder_become_folders(engine: Engine, store: ArtifactStore) -> None:
    local = localise(engine, store, EvaluateSpec(corpus="cor_1", encoder="enc_1"))
    assert local["corpus"] == str(store.corpus_folder("cor_1"))
    assert local["encoder"] == str(store.encoder_folder("enc_1"))
    baseline = localise(engine, store, EvaluateSpec(corpus="cor_1", features="keypoints"))
    assert (baseline["encoder"], baseline["test_corpus"]) == (None, None)
    both = localise(engine, store, EvaluateSpec(corpus="cor_1", test_corpus="cor_1", features="keypoints"))
    assert both["test_corpus"] == both["corpus"]
    assert EvaluateSpec.model_validate(local).protocol == "knn"
    audited = localise(engine, store, LeakAuditSpec(corpus="cor_1", folds="random"))
    assert audited["corpus"] == str(store.corpus_folder("cor_1"))


def test_each_of_several_corpora_becomes_a_folder(engine: Engine, store: ArtifactStore) -> None:
    also = ({"corpus": "cor_1", "weight": 2},)
    spec = PretrainSpec.model_validate({"corpus": "cor_1", "recipe": "smoke", "also": also})
    local = localise(engine, store, spec)
    assert local["also"][0]["corpus"] == local["corpus"] == str(store.corpus_folder("cor_1"))
    assert PretrainSpec.model_validate(local).also[0].weight == 2
    missing = spec.model_copy(update={"also": (spec.also[0].model_copy(update={"corpus": "cor_none"}),)})
    with pytest.raises(DataMissing, match="cor_none"):
        localise(engine, store, missing)


def test_what_was_promised_at_submission_is_what_runs(engine: Engine, store: ArtifactStore) -> None:
    spec = PretrainSpec(corpus="cor_1", recipe="smoke", overrides={"run": {"seed": 7}})
    promised = resolve(spec)
    local = localise(engine, store, spec, resolved=promised.model_dump(mode="json"))
    assert resolve(PretrainSpec.model_validate(local)) == promised


@pytest.mark.parametrize(
    "spec",
    [
        ImportSpec(name="n", source="upl_none"),
        PretrainSpec(corpus="cor_none"),
        LeakAuditSpec(corpus="cor_none"),
        EvaluateSpec(corpus="cor_1", encoder="enc_none"),
        EvaluateSpec(corpus="cor_1", test_corpus="cor_none", features="keypoints"),
    ],
)
def test_what_is_missing_is_named(engine: Engine, store: ArtifactStore, spec: JobSpec) -> None:
    with pytest.raises(DataMissing, match="_none"):
        localise(engine, store, spec)


def test_files_that_are_gone_are_missing_too(engine: Engine, store: ArtifactStore) -> None:
    store.corpus_folder("cor_1").rmdir()
    with pytest.raises(DataMissing, match="cor_1"):
        localise(engine, store, PretrainSpec(corpus="cor_1"))


def test_a_kind_of_job_this_worker_has_not_heard_of_is_named(engine: Engine, store: ArtifactStore) -> None:
    spec = PretrainSpec(corpus="cor_1")
    with pytest.raises(SignforgeError, match=r"'distil'.*Update the worker") as refused:
        localise(engine, store, spec, kind="distil")
    assert refused.value.reason in RETRIED  # another worker may know it
